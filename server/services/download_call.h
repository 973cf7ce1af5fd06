// One DownloadCheckpoint stream: one chunk in flight, whatever the size of the file. The file is mapped, so a
// checkpoint that is pruned meanwhile still comes to its end. Thread-safe; an error ends the stream.
#pragma once

#include <grpcpp/grpcpp.h>

#include "server/rpc/gate.h"
#include "server/store/data_folder.h"
#include "traind/v1/model_service.pb.h"

namespace traind::server {

// The reactor owns itself. All arguments but the request outlive it.
grpc::ServerWriteReactor<v1::DownloadCheckpointResponse>* Download(const Entrance& entrance, const DataFolder& folder,
                                                                   grpc::CallbackServerContext* context,
                                                                   const v1::DownloadCheckpointRequest& request);

}  // namespace traind::server

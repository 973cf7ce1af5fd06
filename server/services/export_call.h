// One ExportModel stream. The weights stay in their mapped file, so that a stream holds the network's structure and one
// chunk, whatever their size. Thread-safe; an error ends the stream.
#pragma once

#include <grpcpp/grpcpp.h>

#include "server/services/backend.h"
#include "traind/v1/model_service.pb.h"

namespace traind::server {

// The reactor owns itself. `backend` outlives it.
grpc::ServerWriteReactor<v1::ExportModelResponse>* Export(const Backend& backend, grpc::CallbackServerContext* context,
                                                          const v1::ExportModelRequest& request);

}  // namespace traind::server

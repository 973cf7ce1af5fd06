// One ReadPredictions stream: one part of the predictions in flight, whatever there are. The file is mapped, so an
// operation that is deleted meanwhile is still read to its end. Thread-safe; an error ends the stream.
#pragma once

#include <grpcpp/grpcpp.h>

#include "server/services/backend.h"
#include "traind/v1/model_service.pb.h"

namespace traind::server {

// The reactor owns itself. All arguments but the request outlive it.
grpc::ServerWriteReactor<v1::PredictResponse>* ReadPredictions(const Backend& backend,
                                                               grpc::CallbackServerContext* context,
                                                               const v1::ReadPredictionsRequest& request);

}  // namespace traind::server

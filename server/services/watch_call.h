// One WatchJob stream. It reads a bounded batch from the event log, has one write in flight, and reads on when that is
// done: a slow client costs one batch of memory, whatever the job produces. Thread-safe; an error ends the stream.
#pragma once

#include <grpcpp/grpcpp.h>

#include "server/events/event_log.h"
#include "server/rpc/gate.h"
#include "server/rpc/places.h"
#include "server/store/job_store.h"
#include "traind/v1/training_service.pb.h"

namespace traind::server {

// The reactor owns itself. All arguments but the request outlive it. It takes one of the places, or is
// RESOURCE_EXHAUSTED.
grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchJob(const Entrance& entrance, JobStore& store, EventLog& log,
                                                     Places& places, grpc::CallbackServerContext* context,
                                                     const grpc::ByteBuffer& request);

}  // namespace traind::server

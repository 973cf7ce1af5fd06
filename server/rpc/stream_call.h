// A call with one request and a stream of responses, made on an executor. One response is in flight, and the next is
// made when it is written: a slow client costs the memory of one. The reactor owns itself. Only OnCancel may run beside
// Advance.
#pragma once

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/rpc/call_context.h"
#include "server/rpc/executor.h"
#include "server/rpc/guarded.h"
#include "server/rpc/status.h"

namespace traind::server {

template <class Response>
class StreamCall : public grpc::ServerWriteReactor<Response> {
 public:
  void OnWriteDone(bool ok) final { ok ? Resume() : End(context_.Gone()); }
  void OnCancel() final { context_.cancellation().Cancel(); }
  void OnDone() final { delete this; }

 protected:
  enum class Next {
    kWrite,  // The response is filled in.
    kWait,   // There is nothing to write until somebody calls Resume.
    kEnd,    // All was written.
  };

  // The constructor of the derived class ends with Resume. `executor` outlives the call.
  StreamCall(Executor& executor, const grpc::CallbackServerContext& call) : executor_(executor), context_(call) {}

  // Makes the next response; an error ends the call. Runs on the executor, never twice at a time. After kWait the
  // object belongs to whoever resumes it: the waiting must be the last thing that Advance does.
  virtual absl::StatusOr<Next> Advance(Response& response) = 0;

  void Resume() {
    executor_.Submit([this] { Step(); });
  }
  CallContext& context() { return context_; }

 private:
  void Step() {
    const absl::StatusOr<Next> next = Guarded([this] { return Advance(response_); });
    if (!next.ok()) return End(next.status());
    if (*next == Next::kEnd) return End(absl::OkStatus());
    if (*next == Next::kWrite) this->StartWrite(&response_);
  }

  void End(const absl::Status& status) {
    LogCall(context_, status);
    this->Finish(ToGrpcStatus(status));  // The last touch: OnDone may delete this at once.
  }

  Executor& executor_;
  CallContext context_;
  Response response_;
};

}  // namespace traind::server

// A call with one request and a stream of responses, made on an executor. One response is in flight, and the next is
// made when it is written: a slow client costs the memory of one. The reactor owns itself. Only OnCancel may run beside
// Advance.
#pragma once

#include <grpcpp/grpcpp.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/rpc/call_context.h"
#include "server/rpc/gate.h"
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

  // The constructor of the derived class ends with Resume.
  StreamCall(const Entrance& entrance, grpc::CallbackServerContext& call)
      : entrance_(entrance), call_(call), context_(call) {}

  // What the call asks for: by it the gate decides, before the first Advance.
  virtual const google::protobuf::Message& request() const = 0;

  // Makes the next response; an error ends the call. Runs on the executor, never twice at a time. After kWait the
  // object belongs to whoever resumes it: the waiting must be the last thing that Advance does.
  virtual absl::StatusOr<Next> Advance(Response& response) = 0;

  void Resume() {
    entrance_.executor.Submit([this] { Step(); });
  }
  CallContext& context() { return context_; }
  const CallContext& context() const { return context_; }

 private:
  void Step() {
    const absl::Status admitted = Guarded([this] { return Admit(); });
    const LogScope scope(context_.log_fields());
    if (!admitted.ok()) return End(admitted);
    const absl::StatusOr<Next> next = Guarded([this] { return Advance(response_); });
    if (!next.ok()) return End(next.status());
    if (*next == Next::kEnd) return End(absl::OkStatus());
    if (*next == Next::kWrite) this->StartWrite(&response_);
  }

  absl::Status Admit() {
    if (admitted_) return absl::OkStatus();
    absl::Status status = entrance_.Admit(context_, request());
    admitted_ = status.ok();
    TellObserver(context_, call_);
    return status;
  }

  void End(const absl::Status& status) {
    this->Finish(ToGrpcStatus(status));  // The last touch: OnDone may delete this at once.
  }

  const Entrance entrance_;
  grpc::CallbackServerContext& call_;
  CallContext context_;
  bool admitted_ = false;
  Response response_;
};

}  // namespace traind::server

// A client stream that begins with a header and brings a file in chunks. Each message is written on the executor before
// the next is read: a fast client costs one chunk of memory. The reactor owns itself and the sink. Only OnCancel may
// run beside the work. An error drops the sink and ends the call.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "server/resources/names.h"
#include "server/rpc/call_context.h"
#include "server/rpc/gate.h"
#include "server/rpc/guarded.h"
#include "server/rpc/status.h"
#include "server/store/upload_sink.h"

namespace traind::server {

inline constexpr size_t kMaxChunkBytes = 1 << 20;

// Request has `header` and `chunk` in a oneof.
template <class Request, class Header>
class UploadCall final : public grpc::ServerReadReactor<Request> {
 public:
  using BeginUpload = std::function<absl::StatusOr<std::unique_ptr<UploadSink>>(CallContext&, const Header&)>;

  // `finished` fills in the response after the sink's Finish.
  UploadCall(const Entrance& entrance, grpc::CallbackServerContext* call, BeginUpload begin,
             std::function<absl::Status()> finished)
      : entrance_(entrance), call_(call), context_(*call), begin_(std::move(begin)), finished_(std::move(finished)) {
    this->StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    entrance_.executor.Submit([this, ok] {
      const LogScope scope(context_.log_fields());
      const absl::Status status = Guarded([&] { return ok ? Take() : Complete(); });
      if (ok && status.ok()) return this->StartRead(&request_);
      sink_.reset();
      this->Finish(ToGrpcStatus(status));  // The last touch: OnDone may delete this at once.
    });
  }
  void OnCancel() override { context_.cancellation().Cancel(); }  // The read under way ends with ok = false.
  void OnDone() override { delete this; }

 private:
  absl::Status Take() {
    if (sink_ == nullptr) {
      if (!request_.has_header()) return FieldError("header", "must come first");
      const absl::Status admitted = entrance_.Admit(context_, request_.header());
      TellObserver(context_, *call_);
      if (!admitted.ok()) return admitted;
      auto sink = begin_(context_, request_.header());
      if (!sink.ok()) return sink.status();
      sink_ = *std::move(sink);
      return absl::OkStatus();
    }
    if (request_.has_header()) return FieldError("header", "must come once only");
    if (request_.chunk().size() > kMaxChunkBytes) return FieldError("chunk", "must have at most 1 MiB");
    return sink_->Write(request_.chunk());
  }

  // The stream is at its end: because all was sent, or because the caller has gone.
  absl::Status Complete() {
    if (call_->IsCancelled()) return context_.Gone();
    if (sink_ == nullptr) return FieldError("header", "must come first");
    if (absl::Status status = sink_->Finish(); !status.ok()) return status;
    return finished_();
  }

  const Entrance entrance_;
  grpc::CallbackServerContext* const call_;
  CallContext context_;
  const BeginUpload begin_;
  const std::function<absl::Status()> finished_;
  Request request_;
  std::unique_ptr<UploadSink> sink_;
};

}  // namespace traind::server

#include "server/http/inner_call.h"

#include <grpcpp/generic/generic_stub.h>

#include <boost/asio/post.hpp>

namespace traind::server {

InnerCall::InnerCall(boost::asio::any_io_executor executor, Request request, Listener listener,
                     std::atomic<int>* under_way)
    : executor_(std::move(executor)),
      request_(std::move(request)),
      listener_(std::move(listener)),
      under_way_(under_way) {}

void InnerCall::Start(const std::shared_ptr<grpc::Channel>& channel) {
  under_way_->fetch_add(1);
  self_ = shared_from_this();
  if (request_.deadline != absl::InfiniteFuture()) context_.set_deadline(absl::ToChronoTime(request_.deadline));
  for (const auto& [name, value] : request_.metadata) context_.AddMetadata(name, value);
  const grpc::Slice slice(request_.message);
  written_ = grpc::ByteBuffer(&slice, 1);  // With a slice, though it may be empty: gRPC ends the process without.
  grpc::GenericStub(channel).PrepareBidiStreamingCall(&context_, request_.method, grpc::StubOptions(), this);
  AddHold();  // Between two messages nothing is under way, and the call must not end unseen.
  StartWriteLast(&written_, grpc::WriteOptions());
  StartCall();
}

void InnerCall::Read() {
  reading_ = true;
  message_.Clear();
  StartRead(&message_);
}

std::vector<grpc::Slice> InnerCall::TakeMessage() {
  std::vector<grpc::Slice> slices;
  if (!message_.Dump(&slices).ok()) slices.clear();
  message_.Clear();
  return slices;
}

void InnerCall::Cancel() {
  if (std::exchange(cancelled_, true)) return;
  context_.TryCancel();
  if (!reading_) Release();
}

void InnerCall::OnReadDone(bool ok) {
  boost::asio::post(executor_, [this, self = shared_from_this(), ok] {
    reading_ = false;
    if (!ok || cancelled_) Release();
    if (!cancelled_) listener_.read(ok);
  });
}

void InnerCall::OnDone(const grpc::Status& status) {
  std::atomic<int>* const under_way = under_way_;
  std::shared_ptr<InnerCall> self = std::move(self_);
  boost::asio::post(executor_, [this, self, status] {
    const Listener listener = std::exchange(listener_, {});  // It may hold whoever holds this.
    listener.done(status);
  });
  self.reset();
  under_way->fetch_sub(1);  // Last: from here on there may be no executor.
}

void InnerCall::Release() {
  if (!std::exchange(released_, true)) RemoveHold();
}

}  // namespace traind::server

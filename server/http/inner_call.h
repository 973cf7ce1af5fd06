// One call that the server makes to its own services for somebody on HTTP: the message as bytes, one message of the
// answer at a time. A call with one request and one response looks the same from here as one with a stream of them.
// Everything but the constructor runs on the executor that it was given, and so do the callbacks.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_callback.h>

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace traind::server {

class InnerCall final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                        public std::enable_shared_from_this<InnerCall> {
 public:
  struct Request {
    std::string method;   // "/traind.v1.TrainingService/GetJob".
    std::string message;  // Serialized.
    absl::Time deadline = absl::InfiniteFuture();
    std::vector<std::pair<std::string, std::string>> metadata = {};
  };
  struct Listener {
    std::function<void(bool there)> read;                  // After Read: message() is there, or there is none any more.
    std::function<void(const grpc::Status& status)> done;  // Last; needs all messages to be read, or a Cancel.
  };

  // `under_way` counts the calls whose end gRPC has not told yet; it and the channel outlive them.
  InnerCall(boost::asio::any_io_executor executor, Request request, Listener listener, std::atomic<int>* under_way);

  // Once, first.
  void Start(const std::shared_ptr<grpc::Channel>& channel);
  // Asks for the next message; not before the one asked for last is there.
  void Read();
  // The bytes of the message; each slice is whole.
  std::vector<grpc::Slice> TakeMessage();
  // Nobody waits any more: `read` is not called again, `done` soon.
  void Cancel();

  // Called by gRPC, on its threads.
  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  void Release();

  boost::asio::any_io_executor executor_;
  const Request request_;
  Listener listener_;
  std::atomic<int>* const under_way_;
  grpc::ClientContext context_;
  grpc::ByteBuffer written_;
  grpc::ByteBuffer message_;
  bool reading_ = false;
  bool cancelled_ = false;
  bool released_ = false;            // gRPC may end the call.
  std::shared_ptr<InnerCall> self_;  // Until OnDone.
};

}  // namespace traind::server

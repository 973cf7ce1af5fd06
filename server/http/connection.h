// One connection of a browser: requests one after the other, each with its answer, and never more in memory than one of
// them. Runs on the executor of its transport. Bounded: the bytes of a request, the time that it takes, and the time
// that the other side may let an answer lie.
#pragma once

#include <atomic>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/descriptor.h"
#include "server/http/answer.h"
#include "server/http/grpc_web.h"
#include "server/http/inner_call.h"
#include "server/http/pages.h"
#include "server/http/request_guard.h"
#include "server/http/transport.h"

namespace traind::server {

struct HttpLimits {
  size_t head_bytes = 16 << 10;           // Request line and headers.
  size_t body_bytes = (8 << 20) + 5;      // As gRPC's port, in a frame.
  size_t small_body_bytes = 64 << 10;     // What every connection may send; more of it counts for all together.
  int64_t large_bodies_bytes = 64 << 20;  // Of all that are sent at a time.
  size_t login_bytes = 4 << 10;
  std::chrono::milliseconds handshake{10'000};
  std::chrono::milliseconds head{20'000};  // Also between two requests.
  std::chrono::milliseconds body{30'000};
  std::chrono::milliseconds write{60'000};  // Of a piece of the answer.
  std::chrono::milliseconds linger{2'000};  // After the last answer.
  int connections = 1024;
  int of_one_address = 384;  // Fifty pages of one machine.
};

// What all connections share; outlives them.
struct HttpRoom {
  HttpLimits limits;
  bool tls = false;
  const Pages* pages = nullptr;
  std::shared_ptr<grpc::Channel> channel;
  std::atomic<int64_t> large_bodies{0};  // Bytes.
  std::atomic<int> calls{0};             // Under way.
};

class HttpConnection final : public std::enable_shared_from_this<HttpConnection> {
 public:
  // `names` are those that the server answers to now; `place` is let go of at the end.
  HttpConnection(std::unique_ptr<Transport> transport, HttpRoom* room, std::string peer, std::vector<std::string> names,
                 std::shared_ptr<void> place);
  ~HttpConnection();

  void Start();
  // From any thread: nothing more is answered.
  void Abort();

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;

  // Of a request.
  void ReadRequest();
  void Parse();
  std::optional<HttpAnswer> CheckHead();
  std::optional<HttpAnswer> CheckPost();
  std::optional<HttpAnswer> CheckBodySize(uint64_t most);
  void Dispatch();
  const HttpFields& fields() const { return parser_->get(); }
  std::string Path() const;

  // Of an answer.
  void Send(HttpAnswer answer);
  void Write(std::vector<boost::asio::const_buffer> bytes, void (HttpConnection::*then)());
  void AfterAnswer();
  void Linger();
  void Close();

  // Of a call.
  void LogIn();
  void ForwardCall();
  void StartInner(InnerCall::Request request, InnerCall::Listener listener);
  void AwaitEnd();
  void LookForEnd();
  void ForgetEnd();
  void OnMessage(bool there);
  void ReadMessage();
  void OnCallDone(const grpc::Status& status);
  void SendTrailers(const grpc::Status& status);

  const std::unique_ptr<Transport> transport_;
  HttpRoom* const room_;
  const std::string peer_;
  const OwnOrigin own_;
  std::shared_ptr<void> place_;
  bool closed_ = false;

  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  bool head_checked_ = false;
  int64_t large_body_ = 0;  // What this request has of the room's large_bodies.
  const google::protobuf::MethodDescriptor* method_ = nullptr;

  HttpAnswer answer_;
  std::string head_;                  // What is written before the body or the message.
  std::vector<grpc::Slice> message_;  // What is written.

  std::shared_ptr<InnerCall> call_;
  bool streaming_ = false;  // The head of the call's answer was written.
  bool awaiting_ = false;   // Whatever comes now, or goes, ends the call.
};

}  // namespace traind::server

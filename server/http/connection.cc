// Requests and answers; connection_calls.cc has what is forwarded.
#include "server/http/connection.h"

#include <boost/asio/post.hpp>
#include <boost/beast/http/error.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace traind::server {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr size_t kReadBytes = 16 << 10;

// What was wrong before there was a request.
HttpAnswer AnswerToBadRequest(IoError error) {
  if (error == http::error::header_limit) return TextAnswer(431, "the headers are too large", true);
  if (error == http::error::body_limit) return TextAnswer(413, "the body is too large", true);
  return TextAnswer(400, absl::StrCat("this is no request of HTTP/1.1: ", error.message()), true);
}

absl::string_view ViewOf(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

HttpConnection::HttpConnection(std::unique_ptr<Transport> transport, HttpRoom* room, std::string peer,
                               std::vector<std::string> names, std::shared_ptr<void> place)
    : transport_(std::move(transport)),
      room_(room),
      peer_(std::move(peer)),
      own_{room->tls, std::move(names)},
      place_(std::move(place)),
      buffer_(room->limits.head_bytes + kReadBytes) {}

HttpConnection::~HttpConnection() { room_->large_bodies -= large_body_; }

void HttpConnection::Start() {
  asio::post(transport_->Executor(), [self = shared_from_this()] {
    self->transport_->ExpireAfter(self->room_->limits.handshake);
    self->transport_->Handshake([self](IoError error) { error ? self->Close() : self->ReadRequest(); });
  });
}

void HttpConnection::Abort() {
  asio::post(transport_->Executor(), [self = shared_from_this()] { self->Close(); });
}

void HttpConnection::ReadRequest() {
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(room_->limits.head_bytes));
  parser_->body_limit(room_->limits.body_bytes);
  head_checked_ = false;
  transport_->ExpireAfter(room_->limits.head);
  Parse();
}

// With what has come so far; reads on until the request is whole.
void HttpConnection::Parse() {
  if (closed_) return;
  while (buffer_.size() > 0 && !parser_->is_done()) {
    IoError error;
    buffer_.consume(parser_->put(buffer_.data(), error));
    if (error == http::error::need_more) break;
    if (error) return Send(AnswerToBadRequest(error));
    if (!parser_->is_header_done() || std::exchange(head_checked_, true)) continue;
    if (auto refusal = CheckHead(); refusal.has_value()) {
      refusal->close |= !parser_->is_done();
      return Send(*std::move(refusal));
    }
    transport_->ExpireAfter(room_->limits.body);
  }
  if (parser_->is_done()) return Dispatch();
  transport_->Read(buffer_.prepare(kReadBytes), [self = shared_from_this()](IoError error, size_t bytes) {
    if (error) return self->Close();
    self->buffer_.commit(bytes);
    self->Parse();
  });
}

std::string HttpConnection::Path() const {
  const absl::string_view target = ViewOf(parser_->get().target());
  return std::string(target.substr(0, target.find('?')));
}

// What stands in the way of the request, before its body is read.
std::optional<HttpAnswer> HttpConnection::CheckHead() {
  const auto& request = parser_->get();
  if (request.version() != 11) return TextAnswer(505, "HTTP/1.1 only", true);
  if (request.target().empty() || request.target()[0] != '/') return TextAnswer(400, "wants a path", true);
  if (request.count(http::field::transfer_encoding) > 0) {
    return TextAnswer(411, "wants the body's length in Content-Length, and no Transfer-Encoding", true);
  }
  if (const absl::Status host = CheckHost(request, own_); !host.ok()) {
    return TextAnswer(absl::IsInvalidArgument(host) ? 400 : 421, host.message(), true);
  }
  if (request.method() == http::verb::get || request.method() == http::verb::head) return CheckBodySize(0);
  if (request.method() == http::verb::post) return CheckPost();
  HttpAnswer answer = TextAnswer(405, "GET, HEAD and POST only");
  answer.fields.emplace_back("Allow", "GET, HEAD, POST");
  return answer;
}

std::optional<HttpAnswer> HttpConnection::CheckPost() {
  if (const absl::Status page = CheckOwnPage(fields(), own_); !page.ok()) return TextAnswer(403, page.message());
  const std::string path = Path();
  method_ = MethodOfPath(path);
  if (path == "/login") return CheckBodySize(room_->limits.login_bytes);
  if (path == "/logout") return CheckBodySize(0);
  if (method_ == nullptr) return TextAnswer(404, "there is no such method");
  if (!IsGrpcWebType(ViewOf(fields()[http::field::content_type]))) {
    return TextAnswer(415, absl::StrCat("wants ", kGrpcWebType));
  }
  return CheckBodySize(room_->limits.body_bytes);
}

std::optional<HttpAnswer> HttpConnection::CheckBodySize(uint64_t most) {
  const auto length = parser_->content_length();
  const uint64_t size = length ? *length : 0;
  if (size > most) return TextAnswer(413, absl::StrCat("the body may have ", most, " bytes here"), true);
  if (size <= room_->limits.small_body_bytes) return std::nullopt;
  large_body_ = static_cast<int64_t>(size);
  if ((room_->large_bodies += large_body_) <= room_->limits.large_bodies_bytes) return std::nullopt;
  room_->large_bodies -= std::exchange(large_body_, 0);
  HttpAnswer answer = TextAnswer(503, "many large requests are being read; try again", true);
  answer.fields.emplace_back("Retry-After", "1");
  return answer;
}

void HttpConnection::Dispatch() {
  if (parser_->get().method() != http::verb::post) return Send(room_->pages->Get(Path(), fields()));
  if (method_ != nullptr) return ForwardCall();
  if (Path() == "/login") return LogIn();
  Send({.status = 204, .fields = {{"Set-Cookie", LoginCookie("", own_.tls)}, {"Cache-Control", "no-store"}}});
}

void HttpConnection::Send(HttpAnswer answer) {
  answer_ = std::move(answer);
  answer_.close |= !parser_->is_done() || !parser_->keep_alive();
  head_ = HeadOf(answer_, /*chunked=*/false);
  std::vector<asio::const_buffer> bytes = {asio::buffer(head_)};
  const bool head_only = parser_->is_header_done() && parser_->get().method() == http::verb::head;
  if (!head_only && answer_.status != 304) bytes.emplace_back(answer_.body().data(), answer_.body().size());
  Write(std::move(bytes), &HttpConnection::AfterAnswer);
}

void HttpConnection::Write(std::vector<asio::const_buffer> bytes, void (HttpConnection::*then)()) {
  transport_->ExpireAfter(room_->limits.write);
  transport_->Write(std::move(bytes), [self = shared_from_this(), then](IoError error) {
    if (error) return self->Close();
    if (!self->closed_) (*self.*then)();
  });
}

void HttpConnection::AfterAnswer() {
  const bool close = answer_.close;
  room_->large_bodies -= std::exchange(large_body_, 0);
  answer_ = {};
  message_.clear();
  streaming_ = false;
  if (close) {
    transport_->EndSending();
    transport_->ExpireAfter(room_->limits.linger);
    return Linger();
  }
  if (buffer_.size() == 0) buffer_.shrink_to_fit();
  ReadRequest();
}

// Reads what still comes, for a while: closed with bytes unread, a connection loses the answer on its way.
void HttpConnection::Linger() {
  buffer_.clear();
  transport_->Read(buffer_.prepare(kReadBytes), [self = shared_from_this()](IoError error, size_t) {
    error || self->closed_ ? self->Close() : self->Linger();
  });
}

void HttpConnection::Close() {
  if (std::exchange(closed_, true)) return;
  awaiting_ = false;
  transport_->Close();
  if (call_ != nullptr) call_->Cancel();
  place_.reset();
}

}  // namespace traind::server

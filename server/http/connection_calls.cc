// Of a connection: what is forwarded to the server's own services.
#include <algorithm>
#include <boost/beast/http/field.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/http/connection.h"
#include "server/rpc/inner_caller.h"
#include "server/rpc/status.h"

namespace traind::server {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr char kWhoAmI[] = "/traind.v1.AuthService/WhoAmI";
constexpr absl::Duration kLoginPatience = absl::Seconds(10);
constexpr absl::Duration kLongestTimeout = absl::Hours(24 * 365);  // Longer ones are none.

bool IsToken(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.';
  });
}

HttpAnswer AnswerToLogin(const std::string& token, const grpc::Status& status, bool tls) {
  if (status.ok()) {
    return {.status = 204, .fields = {{"Set-Cookie", LoginCookie(token, tls)}, {"Cache-Control", "no-store"}}};
  }
  const bool unknown = status.error_code() == grpc::StatusCode::UNAUTHENTICATED;
  return TextAnswer(unknown ? 401 : 503, status.error_message());
}

absl::StatusOr<absl::Time> DeadlineIn(const HttpFields& fields) {
  const auto field = fields.find("grpc-timeout");
  if (field == fields.end()) return absl::InfiniteFuture();
  const auto timeout = ParseTimeout({field->value().data(), field->value().size()});
  if (!timeout.has_value()) return absl::InvalidArgumentError("the header grpc-timeout is malformed");
  return *timeout > kLongestTimeout ? absl::InfiniteFuture() : absl::Now() + *timeout;
}

// The call that a request means.
absl::StatusOr<InnerCall::Request> CallOf(const google::protobuf::MethodDescriptor& method, const std::string& body,
                                          const HttpFields& fields, bool tls) {
  if (method.client_streaming()) {
    return absl::UnimplementedError(
        absl::StrCat(method.name(), " takes a stream, which gRPC-Web does not have; call it on the port of gRPC"));
  }
  const auto message = MessageInFrame(body);
  if (!message.ok()) return message.status();
  const auto deadline = DeadlineIn(fields);
  if (!deadline.ok()) return deadline.status();
  const auto authorization = AuthorizationOf(fields, tls);
  if (!authorization.ok()) return authorization.status();
  InnerCall::Request request = {.method = absl::StrCat("/", method.service()->full_name(), "/", method.name()),
                                .message = std::string(*message),
                                .deadline = *deadline};
  if (!authorization->empty()) request.metadata.emplace_back("authorization", *authorization);
  const auto trace = fields["traceparent"];
  std::string traceparent(trace.data(), trace.size());
  if (!traceparent.empty() && IsHeaderText(traceparent)) request.metadata.emplace_back("traceparent", traceparent);
  return request;
}

}  // namespace

void HttpConnection::LogIn() {
  const std::string token(absl::StripAsciiWhitespace(parser_->get().body()));
  if (!IsToken(token)) return Send(TextAnswer(401, "this is no token"));
  const auto self = shared_from_this();
  StartInner({.method = kWhoAmI,
              .message = "",
              .deadline = absl::Now() + kLoginPatience,
              .metadata = {{"authorization", absl::StrCat("Bearer ", token)}}},
             {.read =
                  [self](bool there) {
                    if (there) self->call_->Read();
                  },
              .done =
                  [self, token](const grpc::Status& status) {
                    self->call_.reset();
                    if (self->closed_) return;
                    self->ForgetEnd();
                    self->Send(AnswerToLogin(token, status, self->own_.tls));
                  }});
}

void HttpConnection::ForwardCall() {
  auto request = CallOf(*method_, parser_->get().body(), fields(), own_.tls);
  if (!request.ok()) return SendTrailers(ToGrpcStatus(request.status()));
  const auto self = shared_from_this();
  StartInner(*std::move(request), {.read = [self](bool there) { self->OnMessage(there); },
                                   .done = [self](const grpc::Status& status) { self->OnCallDone(status); }});
}

void HttpConnection::StartInner(InnerCall::Request request, InnerCall::Listener listener) {
  if (buffer_.size() > 0) return Send(TextAnswer(400, "nothing may follow a call before its answer", true));
  parser_->get().body() = std::string();  // It may be large, and the call may last.
  room_->large_bodies -= std::exchange(large_body_, 0);
  request.metadata.emplace_back(kInnerCallerKey,
                                EncodeInnerCaller({.peer = peer_, .certificate_name = transport_->CertificateName()}));
  call_ = std::make_shared<InnerCall>(transport_->Executor(), std::move(request), std::move(listener), &room_->calls);
  call_->Start(room_->channel);
  AwaitEnd();
  call_->Read();
}

// A browser that says more before it has its answer has gone, or is none.
void HttpConnection::AwaitEnd() {
  awaiting_ = true;
  LookForEnd();
}

// The system wakes for bytes, too, that have been read by now: those of the request.
void HttpConnection::LookForEnd() {
  transport_->AwaitNews([self = shared_from_this()](IoError error) {
    if (error || !self->awaiting_) return;
    self->transport_->HasNews() ? self->Close() : self->LookForEnd();
  });
}

void HttpConnection::ForgetEnd() {
  if (std::exchange(awaiting_, false)) transport_->ForgetNews();
}

void HttpConnection::OnMessage(bool there) {
  if (closed_ || !there) return;  // The end is told next.
  message_ = call_->TakeMessage();
  size_t size = 0;
  for (const grpc::Slice& slice : message_) size += slice.size();
  head_ = streaming_ ? ""
                     : HeadOf({.fields = {{"Content-Type", std::string(kGrpcWebType)}, {"Cache-Control", "no-store"}}},
                              /*chunked=*/true);
  streaming_ = true;
  absl::StrAppend(&head_, absl::Hex(kFrameHeadBytes + size), "\r\n", FrameHead(size));
  std::vector<asio::const_buffer> bytes = {asio::buffer(head_)};
  for (const grpc::Slice& slice : message_) bytes.emplace_back(slice.begin(), slice.size());
  bytes.push_back(asio::buffer("\r\n", 2));
  Write(std::move(bytes), &HttpConnection::ReadMessage);
}

// Not before the last one is written: a browser that reads slowly costs one message.
void HttpConnection::ReadMessage() {
  message_.clear();
  call_->Read();
}

void HttpConnection::OnCallDone(const grpc::Status& status) {
  call_.reset();
  if (!closed_) SendTrailers(status);
}

void HttpConnection::SendTrailers(const grpc::Status& status) {
  ForgetEnd();
  answer_ = {.fields = {{"Content-Type", std::string(kGrpcWebType)}, {"Cache-Control", "no-store"}},
             .close = !parser_->keep_alive()};
  const std::string frame = TrailerFrame(status);
  head_ = streaming_ ? "" : HeadOf(answer_, /*chunked=*/true);
  absl::StrAppend(&head_, absl::Hex(frame.size()), "\r\n", frame, "\r\n0\r\n\r\n");
  Write({asio::buffer(head_)}, &HttpConnection::AfterAnswer);
}

}  // namespace traind::server

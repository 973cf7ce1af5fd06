#include "server/telemetry/http_endpoint.h"

#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/telemetry/samples.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

constexpr unsigned kMostConnections = 64;
// So that no single machine keeps the probes of others out.
constexpr unsigned kMostOfOneAddress = 16;
constexpr size_t kMostRequestBytes = 16 << 10;  // Of the line and the headers; there is no body.
constexpr unsigned kSilentSeconds = 10;

struct HttpAnswer {
  unsigned status = MHD_HTTP_OK;
  std::string type = "text/plain; charset=utf-8";
  std::string text;
};

HttpAnswer AnswerTo(const HttpEndpoint::Answers& answers, absl::string_view method, absl::string_view path) {
  if (method != MHD_HTTP_METHOD_GET && method != MHD_HTTP_METHOD_HEAD) {
    return {.status = MHD_HTTP_METHOD_NOT_ALLOWED, .text = "GET and HEAD only\n"};
  }
  if (path == "/metrics") return {.type = kSamplesType, .text = answers.metrics()};
  if (path == "/healthz") return {.text = "ok\n"};
  if (path == "/readyz") {
    const absl::Status ready = answers.ready();
    if (ready.ok()) return {.text = "ready\n"};
    return {.status = MHD_HTTP_SERVICE_UNAVAILABLE, .text = absl::StrCat("not ready: ", ready.message(), "\n")};
  }
  return {.status = MHD_HTTP_NOT_FOUND, .text = "there are /metrics, /healthz and /readyz\n"};
}

MHD_Result Send(MHD_Connection* connection, const HttpAnswer& answer) {
  MHD_Response* response = MHD_create_response_from_buffer(answer.text.size(), const_cast<char*>(answer.text.data()),
                                                           MHD_RESPMEM_MUST_COPY);  // As the C API has it.
  if (response == nullptr) return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer.type.c_str());
  MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  if (answer.status == MHD_HTTP_METHOD_NOT_ALLOWED) {
    MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  }
  const MHD_Result queued = MHD_queue_response(connection, answer.status, response);
  MHD_destroy_response(response);
  return queued;
}

bool HasBody(MHD_Connection* connection) {
  const auto header = [&](const char* name) { return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name); };
  const char* length = header(MHD_HTTP_HEADER_CONTENT_LENGTH);
  return header(MHD_HTTP_HEADER_TRANSFER_ENCODING) != nullptr ||
         (length != nullptr && absl::string_view(length) != "0");
}

// Called when the headers are there, and again when the request is at its end. What has a body is answered at once,
// which closes the connection: nobody reads it.
MHD_Result Handle(void* endpoint, MHD_Connection* connection, const char* path, const char* method, const char*,
                  const char*, size_t*, void** seen) {
  static int headers_came;
  const auto& answers = static_cast<const HttpEndpoint*>(endpoint)->answers();
  try {
    if (*seen == nullptr) {
      *seen = &headers_came;
      if (!HasBody(connection)) return MHD_YES;
      return Send(connection, {.status = MHD_HTTP_CONTENT_TOO_LARGE, .text = "a request has no body here\n"});
    }
    return Send(connection, AnswerTo(answers, method, path));
  } catch (const std::exception& error) {  // It would end the process in a library of C.
    spdlog::error("the metrics port cannot answer: {}", error.what());
    return MHD_NO;
  }
}

__attribute__((format(printf, 2, 0))) void Log(void*, const char* format, va_list arguments) {
  char text[256];
  std::vsnprintf(text, sizeof(text), format, arguments);
  spdlog::debug("metrics port: {}", std::string(absl::StripTrailingAsciiWhitespace(text)));
}

// The addresses of "host:port"; to be freed.
absl::StatusOr<addrinfo*> Resolve(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("--metrics-listen ", address, ": wants an address and a port, like 127.0.0.1:9464"));
  }
  int port = 0;
  if (!absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 0 || port > UINT16_MAX) {
    return absl::InvalidArgumentError(
        absl::StrCat("--metrics-listen ", address, ": wants a port from 0 to 65535 behind the colon"));
  }
  std::string host = address.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error == 0) return found;
  return absl::InvalidArgumentError(absl::StrCat("--metrics-listen ", address, ": ", gai_strerror(error)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Start(const std::string& address, Answers answers) {
  auto found = Resolve(address);
  if (!found.ok()) return found.status();
  const absl::Cleanup release = [&] { freeaddrinfo(*found); };
  auto endpoint = std::unique_ptr<HttpEndpoint>(new HttpEndpoint(std::move(answers)));
  const unsigned family = (*found)->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0;
  errno = 0;
  // clang-format off
  endpoint->daemon_ = MHD_start_daemon(
      family | MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_ERROR_LOG, 0, nullptr, nullptr,
      &Handle, endpoint.get(),
      MHD_OPTION_EXTERNAL_LOGGER, &Log, nullptr,
      MHD_OPTION_SOCK_ADDR, (*found)->ai_addr,
      MHD_OPTION_CONNECTION_LIMIT, kMostConnections,
      MHD_OPTION_PER_IP_CONNECTION_LIMIT, kMostOfOneAddress,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, kMostRequestBytes,
      MHD_OPTION_CONNECTION_TIMEOUT, kSilentSeconds,
      MHD_OPTION_END);
  // clang-format on
  if (endpoint->daemon_ == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address, " (--metrics-listen): ", std::strerror(errno)));
  }
  const MHD_DaemonInfo* info = MHD_get_daemon_info(endpoint->daemon_, MHD_DAEMON_INFO_BIND_PORT);
  endpoint->port_ = info == nullptr ? 0 : info->port;
  return endpoint;
}

HttpEndpoint::~HttpEndpoint() {
  if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
}

}  // namespace traind::server

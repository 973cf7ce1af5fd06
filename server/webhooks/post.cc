#include "server/webhooks/post.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <cerrno>
#include <chrono>
#include <exception>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/webhooks/answer.h"
#include "server/webhooks/client_tls.h"

namespace traind::server {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;
using ErrorCode = boost::system::error_code;
using Message = http::request<http::string_body>;

constexpr std::chrono::seconds kBodyPatience{1};  // For what an answer has behind its headers.
constexpr size_t kMostAddresses = 8;              // That are tried.
constexpr size_t kPiece = 4096;

// One connection, with one request and its answer. Each wait ends at the deadline, and soon after `stop`.
class Exchange {
 public:
  Exchange(const WebhookTarget& target, const PostOptions& options, const core::Ending& stop)
      : target_(target),
        options_(options),
        stop_(stop),
        deadline_(Clock::now() + absl::ToChronoMilliseconds(options.timeout)) {}

  absl::Status Run(Message message) {
    auto addresses = FindAddresses();
    if (!addresses.ok()) return addresses.status();
    if (absl::Status status = Connect(*addresses); !status.ok()) return status;
    return target_.tls ? TalkTls(message) : Talk(socket_, message);
  }

 private:
  // Begins an operation of the socket, and waits for it. What is not done by then is ended: the socket is closed.
  template <class Begin>
  ErrorCode Await(Clock::time_point until, const Begin& begin, size_t* bytes = nullptr) {
    std::optional<ErrorCode> done;
    begin([&done, bytes](ErrorCode error, size_t moved = 0) {
      done = error;
      if (bytes != nullptr) *bytes = moved;
    });
    while (true) {
      io_.restart();
      io_.run_until(std::min(until, Clock::now() + kLookAtStop));
      if (done.has_value()) return *done;
      if (Clock::now() >= until || stop_.ended()) break;
    }
    Close();
    io_.restart();
    io_.run();
    return asio::error::timed_out;
  }

  void Close() {
    ErrorCode ignored;
    socket_.close(ignored);
  }

  absl::Status Failed(ErrorCode error) const {
    if (stop_.ended()) return absl::CancelledError("the server ends");
    if (error == asio::error::timed_out) {
      return absl::UnavailableError(
          absl::StrCat(doing_, " took too long: a request has ", absl::FormatDuration(options_.timeout), " in all"));
    }
    return absl::UnavailableError(absl::StrCat(doing_, " failed: ", error.message()));
  }

  // Those that the name has at this moment: no later answer of its name server counts.
  absl::StatusOr<std::vector<tcp::endpoint>> FindAddresses() {
    doing_ = "looking its name up";
    const auto found = LookUp(target_.host, options_.resolver, deadline_, stop_);
    if (absl::IsDeadlineExceeded(found.status()) || stop_.ended()) return Failed(asio::error::timed_out);
    if (!found.ok()) return absl::UnavailableError(absl::StrCat(doing_, " failed: ", found.status().message()));
    std::vector<tcp::endpoint> endpoints;
    for (const std::string& text : *found) {
      ErrorCode error;
      const tcp::endpoint endpoint(asio::ip::make_address(text, error), target_.port);
      if (error) return Failed(error);
      if (!options_.allow_private && !IsPublic(*endpoint.data())) {
        return absl::PermissionDeniedError(
            "an address that it has is of this machine or of an inside network, which takes --webhook-allow-private");
      }
      endpoints.push_back(endpoint);
    }
    return endpoints;
  }

  // One after the other, each with its share of the time, of which as much is kept for what follows.
  absl::Status Connect(const std::vector<tcp::endpoint>& endpoints) {
    doing_ = "connecting";
    ErrorCode error = asio::error::host_not_found;
    const size_t count = std::min(endpoints.size(), kMostAddresses);
    for (size_t i = 0; i < count; ++i) {
      const auto share = (deadline_ - Clock::now()) / (count - i + 1);
      error = ConnectTo(endpoints[i], Clock::now() + share);
      if (!error) return absl::OkStatus();
      if (stop_.ended()) break;
    }
    return Failed(error);
  }

  ErrorCode ConnectTo(const tcp::endpoint& endpoint, Clock::time_point until) {
    Close();
    ErrorCode error;
    const int fd = socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return {errno, boost::system::system_category()};
    socket_.assign(endpoint.protocol(), fd, error);
    if (error) {
      close(fd);
      return error;
    }
    return Await(until, [&](auto done) { socket_.async_connect(endpoint, std::move(done)); });
  }

  absl::Status TalkTls(Message& message) {
    doing_ = "the TLS handshake";
    const auto context = ClientTls(options_.ca_file);
    if (!context.ok()) return context.status();
    asio::ssl::stream<tcp::socket&> stream(socket_, **context);
    SSL* const tls = stream.native_handle();
    if (absl::Status status = ExpectHost(tls, target_.host); !status.ok()) return status;
    const ErrorCode error =
        Await(deadline_, [&](auto done) { stream.async_handshake(asio::ssl::stream_base::client, std::move(done)); });
    if (!error) return Talk(stream, message);
    const std::string refused = RefusedCertificate(tls);
    return refused.empty() || error == asio::error::timed_out ? Failed(error) : absl::UnavailableError(refused);
  }

  template <class Stream>
  absl::Status Talk(Stream& stream, Message& message) {
    doing_ = "sending the request";
    const ErrorCode error = Await(deadline_, [&](auto done) { http::async_write(stream, message, std::move(done)); });
    if (error) return Failed(error);
    const auto status = ReadStatus(stream);
    if (!status.ok()) return status.status();
    if (*status >= 200 && *status < 300) return absl::OkStatus();
    return absl::UnavailableError(
        absl::StrCat("it answered ", *status, *status / 100 == 3 ? ", which is not followed" : ""));
  }

  // What comes behind the headers changes nothing any more; it is read for a while, so that a server that has not
  // written all of it does not take the request for one that was broken off.
  template <class Stream>
  absl::StatusOr<unsigned> ReadStatus(Stream& stream) {
    doing_ = "waiting for its answer";
    WebhookAnswer answer;
    char piece[kPiece];
    Clock::time_point until = deadline_;
    while (!answer.done()) {
      size_t bytes = 0;
      const ErrorCode error = Await(
          until, [&](auto done) { stream.async_read_some(asio::buffer(piece), std::move(done)); }, &bytes);
      if (error && answer.status().has_value()) break;
      if (error) return Failed(error);
      const bool known = answer.status().has_value();
      if (absl::Status status = answer.Put({piece, bytes}); !status.ok()) return status;
      if (!known && answer.status().has_value()) until = std::min(deadline_, Clock::now() + kBodyPatience);
    }
    return *answer.status();
  }

  const WebhookTarget& target_;
  const PostOptions& options_;
  const core::Ending& stop_;
  const Clock::time_point deadline_;
  absl::string_view doing_;
  asio::io_context io_{1};
  tcp::socket socket_{io_};
};

Message MakeMessage(const WebhookTarget& target, const PostHeaders& headers, const std::string& body) {
  Message message(http::verb::post, target.path, 11, body);
  message.set(http::field::host, target.authority);
  for (const auto& [name, value] : headers) message.set(name, value);
  message.set(http::field::connection, "close");
  message.prepare_payload();
  return message;
}

}  // namespace

absl::Status Post(const WebhookTarget& target, const PostHeaders& headers, const std::string& body,
                  const PostOptions& options, const core::Ending& stop) {
  try {
    return Exchange(target, options, stop).Run(MakeMessage(target, headers, body));
  } catch (const std::exception& error) {  // No memory, or no descriptor for Asio itself.
    return absl::ResourceExhaustedError(absl::StrCat("a request cannot be made: ", error.what()));
  }
}

}  // namespace traind::server

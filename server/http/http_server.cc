#include "server/http/http_server.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <exception>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "server/http/tls_contexts.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

using boost::asio::ip::tcp;
namespace asio = boost::asio;

constexpr int kThreads = 2;  // They wait for nothing: not for disks, and not for calls.
constexpr std::chrono::milliseconds kAcceptPause{100};

// "ipv4:127.0.0.1:4711", as gRPC names its peers.
std::string PeerName(const tcp::endpoint& remote) {
  const std::string address = remote.address().to_string();
  return remote.address().is_v4() ? absl::StrCat("ipv4:", address, ":", remote.port())
                                  : absl::StrCat("ipv6:[", address, "]:", remote.port());
}

// A browser that has vanished is found within a minute, also while there is nothing to send.
void KeepAlive(tcp::socket& socket) {
  const auto set = [&](int level, int option, int value) {
    setsockopt(socket.native_handle(), level, option, &value, sizeof(value));
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_NODELAY, 1);
}

absl::StatusOr<tcp::endpoint> ResolveAddress(asio::io_context& io, const std::string& address) {
  const auto wrong = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("--http-listen ", address, ": ", what));
  };
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return wrong("wants an address and a port, like 127.0.0.1:8080");
  std::string host = address.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const std::string port = address.substr(colon + 1);
  const bool number = !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos;
  if (!number || std::stoi(port) > UINT16_MAX) return wrong("wants a port from 0 to 65535 behind the colon");
  boost::system::error_code error;
  const auto found =
      tcp::resolver(io).resolve(host, port, tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error || found.empty()) return wrong(error.message());
  return found.begin()->endpoint();
}

}  // namespace

class HttpServer::Listener {
 public:
  explicit Listener(Options options)
      : options_(std::move(options)),
        pages_(std::move(options_.files)),
        acceptor_(asio::make_strand(io_)),
        pause_(io_) {
    room_.limits = options_.limits;
    room_.tls = options_.tls != nullptr;
    room_.pages = &pages_;
    room_.channel = options_.channel;
    if (room_.tls) contexts_.emplace(options_.tls);
  }

  ~Listener() {
    asio::post(acceptor_.get_executor(), [this] {
      ending_ = true;
      boost::system::error_code ignored;
      acceptor_.close(ignored);
      pause_.cancel();
    });
    while (AbortAll() > 0 || room_.calls > 0) absl::SleepFor(absl::Milliseconds(1));
    io_.stop();
    for (std::thread& thread : threads_) thread.join();
  }

  absl::Status Listen() {
    const auto endpoint = ResolveAddress(io_, options_.address);
    if (!endpoint.ok()) return endpoint.status();
    boost::system::error_code error;
    acceptor_.open(endpoint->protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(*endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      return absl::UnavailableError(
          absl::StrCat("cannot listen on ", options_.address, " (--http-listen): ", error.message()));
    }
    port_ = acceptor_.local_endpoint(error).port();
    asio::post(acceptor_.get_executor(), [this] { Accept(); });
    for (int i = 0; i < kThreads; ++i) threads_.emplace_back([this] { Run(); });
    return absl::OkStatus();
  }

  int port() const { return port_; }

 private:
  // Exceptions end here: they come from lack of memory, and cost the connection that had it.
  void Run() {
    while (!io_.stopped()) {
      try {
        io_.run();
      } catch (const std::exception& error) {
        spdlog::error("a connection of --http-listen ended: {}", error.what());
      }
    }
  }

  void Accept() {
    acceptor_.async_accept(asio::make_strand(io_), [this](boost::system::error_code error, tcp::socket socket) {
      if (ending_) return;
      if (!error) {
        Admit(std::move(socket));
        return Accept();
      }
      spdlog::warn("--http-listen cannot take a connection: {}", error.message());
      pause_.expires_after(kAcceptPause);  // Of open files, for example, there may be some then.
      pause_.async_wait(asio::bind_executor(acceptor_.get_executor(), [this](boost::system::error_code) {
        if (!ending_) Accept();
      }));
    });
  }

  // What is too much is closed unanswered.
  void Admit(tcp::socket socket) {
    boost::system::error_code error;
    const tcp::endpoint remote = socket.remote_endpoint(error);
    if (error) return;
    auto place = TakePlace(remote.address());
    if (place == nullptr) return;
    KeepAlive(socket);
    std::vector<std::string> names = options_.names;
    std::unique_ptr<Transport> transport;
    if (contexts_.has_value()) {
      auto context = contexts_->Current();
      if (!context.ok()) return spdlog::error("--http-listen: {}", std::string(context.status().message()));
      const auto material = options_.tls->material();
      names.insert(names.end(), material->names.begin(), material->names.end());
      transport = TlsTransport(std::move(socket), *std::move(context));
    } else {
      transport = PlainTransport(std::move(socket));
    }
    const auto connection = std::make_shared<HttpConnection>(std::move(transport), &room_, PeerName(remote),
                                                             std::move(names), std::move(place));
    {
      absl::MutexLock lock(&mu_);
      Forget();
      connections_.push_back(connection);
    }
    connection->Start();
  }

  // Null: there are too many.
  std::shared_ptr<void> TakePlace(const asio::ip::address& address) {
    absl::MutexLock lock(&mu_);
    if (taken_ >= options_.limits.connections || of_address_[address] >= options_.limits.of_one_address) return nullptr;
    ++taken_;
    ++of_address_[address];
    return {this, [this, address](void*) { GivePlace(address); }};
  }

  void GivePlace(const asio::ip::address& address) {
    absl::MutexLock lock(&mu_);
    --taken_;
    if (--of_address_[address] == 0) of_address_.erase(address);
  }

  void Forget() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (connections_.size() < 2 * static_cast<size_t>(taken_) + 16) return;
    connections_.erase(std::remove_if(connections_.begin(), connections_.end(),
                                      [](const std::weak_ptr<HttpConnection>& one) { return one.expired(); }),
                       connections_.end());
  }

  // How many there are still.
  int AbortAll() {
    std::vector<std::shared_ptr<HttpConnection>> living;
    absl::MutexLock lock(&mu_);
    for (const std::weak_ptr<HttpConnection>& one : connections_) {
      if (auto connection = one.lock(); connection != nullptr) living.push_back(std::move(connection));
    }
    for (const std::shared_ptr<HttpConnection>& connection : living) connection->Abort();
    return taken_;
  }

  Options options_;
  const Pages pages_;
  HttpRoom room_;
  std::optional<TlsContexts> contexts_;

  absl::Mutex mu_;
  int taken_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<asio::ip::address, int> of_address_ ABSL_GUARDED_BY(mu_);
  std::vector<std::weak_ptr<HttpConnection>> connections_ ABSL_GUARDED_BY(mu_);

  asio::io_context io_{kThreads};
  const asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  bool ending_ = false;  // Of the acceptor's strand.
  int port_ = 0;
  std::vector<std::thread> threads_;
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(Options options) {
  auto listener = std::make_unique<Listener>(std::move(options));
  if (absl::Status status = listener->Listen(); !status.ok()) return status;
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(listener)));
}

HttpServer::HttpServer(std::unique_ptr<Listener> listener) : listener_(std::move(listener)) {}

HttpServer::~HttpServer() = default;

int HttpServer::port() const { return listener_->port(); }

}  // namespace traind::server

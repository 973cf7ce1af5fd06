#include "server/rpc/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

constexpr uint32_t kHighestPort = 65535;
// What was sent and not acknowledged for so long is lost, and with it the connection.
constexpr int kAcknowledgedMilliseconds = 20'000;
// Between two tries when there are no files left.
constexpr int kPauseMilliseconds = 100;

absl::Status CannotListen(const std::string& address, int error) {
  const char* hint = error == EADDRINUSE ? "; is another server there?" : "";
  return absl::UnavailableError(absl::StrCat("cannot listen on ", address, ": ", std::strerror(error), hint));
}

// One address in the form of the system's calls.
struct SocketAddress {
  sockaddr_storage bytes = {};
  socklen_t size = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&bytes); }
  void SetPort(int port) {
    const in_port_t order = htons(static_cast<uint16_t>(port));
    if (bytes.ss_family == AF_INET) reinterpret_cast<sockaddr_in*>(&bytes)->sin_port = order;
    if (bytes.ss_family == AF_INET6) reinterpret_cast<sockaddr_in6*>(&bytes)->sin6_port = order;
  }
};

absl::StatusOr<SocketAddress> UnixAddress(absl::string_view path) {
  SocketAddress address;
  auto* named = reinterpret_cast<sockaddr_un*>(&address.bytes);
  if (path.empty() || path.size() >= sizeof(named->sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--listen unix:", path, ": the path wants 1 to ", sizeof(named->sun_path) - 1, " bytes"));
  }
  named->sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), named->sun_path);
  address.size = sizeof(sockaddr_un);
  return address;
}

// The addresses of "host:port". All addresses are those of IPv6, which takes IPv4 as well.
absl::StatusOr<std::vector<SocketAddress>> Resolve(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  std::string host = listen.substr(0, colon);
  uint32_t port = 0;
  const bool bracketed = absl::StartsWith(host, "[") && absl::EndsWith(host, "]");
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (colon == std::string::npos || host.empty() || bracketed != (host.find(':') != std::string::npos) ||
      !absl::SimpleAtoi(listen.substr(colon + 1), &port) || port > kHighestPort) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--listen ", listen, ": wants an address and a port, like 127.0.0.1:50051, [::1]:50051 or unix:/path"));
  }
  addrinfo hints = {};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string number = absl::StrCat(port);
  if (const int error = getaddrinfo(host.c_str(), number.c_str(), &hints, &found); error != 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", listen, ": ", gai_strerror(error)));
  }
  std::vector<SocketAddress> addresses;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    SocketAddress& address = addresses.emplace_back();
    std::memcpy(&address.bytes, one->ai_addr, one->ai_addrlen);
    address.size = one->ai_addrlen;
  }
  freeaddrinfo(found);
  return addresses;
}

// Whether it is 0.0.0.0, whose place the one of IPv6 takes where there is IPv6.
bool IsAnyOfIpv4(const SocketAddress& address) {
  return address.bytes.ss_family == AF_INET &&
         reinterpret_cast<const sockaddr_in*>(&address.bytes)->sin_addr.s_addr == htonl(INADDR_ANY);
}
SocketAddress AnyOfBoth(int port) {
  SocketAddress address;
  address.bytes.ss_family = AF_INET6;
  address.size = sizeof(sockaddr_in6);
  address.SetPort(port);
  return address;
}

// A socket that listens, or what was wrong in errno.
UniqueFd Open(SocketAddress& address) {
  const int family = address.bytes.ss_family;
  UniqueFd fd(socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const auto set = [&fd](int level, int option, int value) {
    setsockopt(fd.get(), level, option, &value, sizeof(value));
  };
  set(SOL_SOCKET, SO_REUSEADDR, 1);
  if (family == AF_INET6) {
    set(IPPROTO_IPV6, IPV6_V6ONLY, 0);
  }
  if (family != AF_UNIX) {  // Connections inherit them.
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    set(IPPROTO_TCP, TCP_USER_TIMEOUT, kAcknowledgedMilliseconds);
  }
  if (fd.get() < 0 || bind(fd.get(), address.get(), address.size) != 0 || listen(fd.get(), SOMAXCONN) != 0) {
    return UniqueFd(-1);
  }
  return fd;
}

int PortOf(int fd) {
  SocketAddress address;
  address.size = sizeof(address.bytes);
  if (getsockname(fd, address.get(), &address.size) != 0) return 0;
  if (address.bytes.ss_family == AF_INET) return ntohs(reinterpret_cast<sockaddr_in*>(&address.bytes)->sin_port);
  if (address.bytes.ss_family == AF_INET6) return ntohs(reinterpret_cast<sockaddr_in6*>(&address.bytes)->sin6_port);
  return 0;
}

// Sockets on all addresses that can be had, on one port.
absl::StatusOr<std::vector<UniqueFd>> Bind(const std::string& listen) {
  std::vector<UniqueFd> sockets;
  std::vector<SocketAddress> addresses;
  if (absl::StartsWith(listen, "unix:")) {
    const std::string path(absl::StripPrefix(absl::StripPrefix(listen, "unix:"), "//"));
    auto address = UnixAddress(path);
    if (!address.ok()) return address.status();
    struct stat old {};
    if (lstat(path.c_str(), &old) == 0 && S_ISSOCK(old.st_mode)) unlink(path.c_str());
    addresses.push_back(*address);
  } else {
    auto resolved = Resolve(listen);
    if (!resolved.ok()) return resolved.status();
    addresses = *std::move(resolved);
  }
  int port = 0;
  int error = 0;
  for (SocketAddress& address : addresses) {
    if (port != 0) address.SetPort(port);
    UniqueFd fd(-1);
    if (IsAnyOfIpv4(address)) {
      SocketAddress both = AnyOfBoth(ntohs(reinterpret_cast<sockaddr_in*>(&address.bytes)->sin_port));
      fd = Open(both);
    }
    if (fd.get() < 0) fd = Open(address);
    if (fd.get() < 0) {
      error = errno;
      continue;
    }
    port = PortOf(fd.get());
    sockets.push_back(std::move(fd));
  }
  if (sockets.empty()) return CannotListen(listen, error);
  return sockets;
}

// A connection takes two files.
void WarnOfFewFiles(int max_connections) {
  constexpr rlim_t kOthers = 256;
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  const rlim_t wanted = 2 * static_cast<rlim_t>(max_connections) + kOthers;
  if (files.rlim_cur >= wanted) return;
  spdlog::warn(
      "--max-connections {} takes {} open files, and this process may have {}: raise that (ulimit -n, LimitNOFILE), "
      "or connections will wait",
      max_connections, wanted, files.rlim_cur);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Listen(const std::string& address, int max_connections) {
  auto sockets = Bind(address);
  if (!sockets.ok()) return sockets.status();
  std::unique_ptr<Listener> listener(new Listener(max_connections));
  listener->sockets_ = *std::move(sockets);
  listener->port_ = PortOf(listener->sockets_.front().get());
  listener->poll_ = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  listener->stop_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  bool waits = listener->WaitsFor(listener->stop_.get(), EPOLLIN);
  for (const UniqueFd& socket : listener->sockets_) waits = waits && listener->WaitsFor(socket.get(), EPOLLIN);
  if (!waits) return CannotListen(address, errno);
  WarnOfFewFiles(max_connections);
  return listener;
}

Listener::~Listener() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void Listener::Serve(std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor) {
  acceptor_ = std::move(acceptor);
  thread_ = std::thread([this] { Run(); });
}

bool Listener::WaitsFor(int fd, uint32_t events) {
  epoll_event event = {};
  event.events = events;
  event.data.fd = fd;
  return epoll_ctl(poll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void Listener::Run() {
  constexpr int kEvents = 64;
  epoll_event events[kEvents];
  bool room = true;  // For the files of another connection.
  while (true) {
    const int count = epoll_wait(poll_.get(), events, kEvents, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == stop_.get()) return;
      const bool listens =
          std::any_of(sockets_.begin(), sockets_.end(), [fd](const UniqueFd& socket) { return socket.get() == fd; });
      if (listens) {
        room = Accept(fd);
      } else {  // A connection is over. gRPC's descriptor of it may be open still: the poll has to be told.
        epoll_ctl(poll_.get(), EPOLL_CTL_DEL, fd, nullptr);
        ends_.erase(fd);
        open_ = static_cast<int>(ends_.size());
      }
    }
    if (!room) {
      pollfd stop = {.fd = stop_.get(), .events = POLLIN, .revents = 0};
      poll(&stop, 1, kPauseMilliseconds);
      room = true;
    }
  }
}

bool Listener::Accept(int socket) {
  constexpr int kAtATime = 256;  // Ends of connections are to be seen as well.
  for (int i = 0; i < kAtATime; ++i) {
    UniqueFd connection(accept4(socket, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (connection.get() >= 0) {
      Hand(socket, std::move(connection));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return true;
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      const int error = errno;
      if (failed_.Count() > 0) spdlog::error("a connection has to wait: {}; allow more files", std::strerror(error));
      return false;
    }
  }
  return true;
}

// gRPC says nobody when a connection is over: a second descriptor of it is told by the system.
void Listener::Hand(int socket, UniqueFd connection) {
  if (open_ >= max_connections_) {
    if (const int64_t count = refused_.Count(); count > 0) {
      spdlog::warn("{} connections are open, as many as --max-connections allows; closed as they came: {}",
                   max_connections_, count);
    }
    return;
  }
  UniqueFd second(fcntl(connection.get(), F_DUPFD_CLOEXEC, 0));
  if (second.get() < 0 || !WaitsFor(second.get(), EPOLLET)) {
    if (failed_.Count() > 0) spdlog::error("a connection was closed: {}; allow more files", std::strerror(errno));
    return;
  }
  const int number = second.get();
  ends_.emplace(number, std::move(second));
  open_ = static_cast<int>(ends_.size());
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.listener_fd = socket;
  parameters.fd = connection.Release();
  acceptor_->HandleNewConnection(&parameters);
}

}  // namespace traind::server

#include "server/rpc/inner_port.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

constexpr int kPauseAfterFailure = 100;  // Milliseconds: of open files, for example, there may be some then.

bool IsOurs(int connection) {
  ucred peer = {};
  socklen_t size = sizeof(peer);
  return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid == getpid();
}

}  // namespace

absl::StatusOr<std::unique_ptr<InnerPort>> InnerPort::Listen() {
  std::unique_ptr<InnerPort> port(new InnerPort);
  port->socket_ = UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  port->stop_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  socklen_t size = sizeof(address.sun_family);  // Without a name: the system finds one that is free.
  auto* const general = reinterpret_cast<sockaddr*>(&address);
  const int fd = port->socket_.get();
  if (fd < 0 || port->stop_.get() < 0 || bind(fd, general, size) != 0 || listen(fd, SOMAXCONN) != 0 ||
      getsockname(fd, general, &(size = sizeof(address))) != 0) {
    return absl::UnavailableError(absl::StrCat("cannot open a socket of this process: ", std::strerror(errno)));
  }
  constexpr size_t kBefore = offsetof(sockaddr_un, sun_path) + 1;  // The family, and the zero that means "abstract".
  port->target_ = absl::StrCat("unix-abstract:", absl::string_view(address.sun_path + 1, size - kBefore));
  return port;
}

InnerPort::~InnerPort() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void InnerPort::Serve(std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor) {
  acceptor_ = std::move(acceptor);
  thread_ = std::thread([this] { Run(); });
}

std::shared_ptr<grpc::Channel> InnerPort::MakeChannel() const {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(target_, grpc::InsecureChannelCredentials(), arguments);
}

void InnerPort::Run() {
  pollfd waits[] = {{.fd = stop_.get(), .events = POLLIN, .revents = 0},
                    {.fd = socket_.get(), .events = POLLIN, .revents = 0}};
  while (true) {
    if (poll(waits, 2, -1) < 0) continue;
    if (waits[0].revents != 0) return;
    UniqueFd connection(accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (connection.get() < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ECONNABORTED) continue;
      spdlog::error("browsers have to wait: {}; allow more files", std::strerror(errno));
      poll(waits, 1, kPauseAfterFailure);
      continue;
    }
    if (!IsOurs(connection.get())) continue;
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
    parameters.listener_fd = socket_.get();
    parameters.fd = connection.Release();
    acceptor_->HandleNewConnection(&parameters);
  }
}

}  // namespace traind::server

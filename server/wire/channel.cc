#include "server/wire/channel.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace traind::server {
namespace {

constexpr size_t kReadBytes = size_t{64} << 10;

}  // namespace

void UniqueFd::Reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> SocketPair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) return absl::ErrnoToStatus(errno, "socketpair");
  return std::pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

absl::StatusOr<std::string> EncodeFrame(const google::protobuf::MessageLite& message) {
  const size_t size = message.ByteSizeLong();
  if (size > kLargestFrame) {
    return absl::InvalidArgumentError(
        absl::StrCat("a message of ", size, " bytes does not fit a frame, which holds ", kLargestFrame));
  }
  std::string frame;
  frame.reserve(kFrameHeaderBytes + size);
  for (size_t i = 0; i < kFrameHeaderBytes; ++i) frame.push_back(static_cast<char>(size >> (8 * i)));
  if (!message.AppendToString(&frame)) return absl::InternalError("the message cannot be serialized");
  return frame;
}

std::optional<size_t> FrameSize(absl::string_view bytes) {
  if (bytes.size() < kFrameHeaderBytes) return std::nullopt;
  size_t size = 0;
  for (size_t i = 0; i < kFrameHeaderBytes; ++i) size |= size_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return size;
}

void FrameDecoder::Append(const char* data, size_t size) {
  // Spent bytes are dropped once they are the larger part, so that each byte is moved at most once or so.
  if (begin_ > buffer_.size() / 2) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  buffer_.append(data, size);
}

absl::StatusOr<bool> FrameDecoder::Next(google::protobuf::MessageLite& message) {
  const size_t available = buffer_.size() - begin_;
  const std::optional<size_t> announced = FrameSize(absl::string_view(buffer_).substr(begin_));
  if (!announced.has_value()) return false;
  const size_t size = *announced;
  if (size > kLargestFrame) {
    return absl::DataLossError(
        absl::StrCat("byte ", offset_, ": a frame of ", size, " bytes, more than the largest of ", kLargestFrame));
  }
  if (available - kFrameHeaderBytes < size) return false;
  if (!message.ParseFromArray(buffer_.data() + begin_ + kFrameHeaderBytes, static_cast<int>(size))) {
    return absl::DataLossError(
        absl::StrCat("byte ", offset_, ": a frame of ", size, " bytes that is no ", message.GetTypeName()));
  }
  begin_ += kFrameHeaderBytes + size;
  offset_ += kFrameHeaderBytes + size;
  return true;
}

absl::Status Channel::Send(const google::protobuf::MessageLite& message) {
  auto frame = EncodeFrame(message);
  if (!frame.ok()) return frame.status();
  for (size_t sent = 0; sent < frame->size();) {
    const ssize_t n = send(socket_.get(), frame->data() + sent, frame->size() - sent, MSG_NOSIGNAL);
    if (n >= 0) {
      sent += static_cast<size_t>(n);
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return absl::UnavailableError("the other end has closed the socket");
    } else if (errno != EINTR) {
      return absl::ErrnoToStatus(errno, "send");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Channel::Receive(google::protobuf::MessageLite& message) {
  std::array<char, kReadBytes> bytes;
  for (;;) {
    auto complete = decoder_.Next(message);
    if (!complete.ok() || *complete) return complete;
    const ssize_t n = recv(socket_.get(), bytes.data(), bytes.size(), 0);
    if (n > 0) {
      decoder_.Append(bytes.data(), static_cast<size_t>(n));
    } else if (n == 0 || errno == ECONNRESET) {
      if (decoder_.at_boundary()) return false;
      return absl::DataLossError("the stream ends within a frame");
    } else if (errno != EINTR) {
      return absl::ErrnoToStatus(errno, "recv");
    }
  }
}

void Channel::Shutdown() { shutdown(socket_.get(), SHUT_RDWR); }

}  // namespace traind::server

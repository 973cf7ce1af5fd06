// What traind and traind-worker speak over their Unix-domain socket: frames of a 4-byte little-endian length and one
// serialized message (proto/traind/internal/worker.proto). Both ends come from the same build, yet a reader trusts
// nothing: a damaged frame is an error, never a crash or an allocation without bound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message_lite.h"

namespace traind::server {

inline constexpr size_t kFrameHeaderBytes = 4;
inline constexpr size_t kLargestFrame = size_t{64} << 20;  // Bytes of a message.
inline constexpr int kWorkerSocketFd = 3;                  // The worker's end of the socket, in the worker.

// A file descriptor that is closed with its owner.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset();

 private:
  int fd_ = -1;
};

// Two connected sockets, both closed on exec.
absl::StatusOr<std::pair<UniqueFd, UniqueFd>> SocketPair();

// The frame of a message. INVALID_ARGUMENT when it is larger than kLargestFrame.
absl::StatusOr<std::string> EncodeFrame(const google::protobuf::MessageLite& message);

// What the header of a frame says of the size of its message; nothing where `bytes` are too few for a header.
std::optional<size_t> FrameSize(absl::string_view bytes);

// Cuts a stream of bytes into messages. Thread-compatible.
class FrameDecoder {
 public:
  void Append(const char* data, size_t size);
  // Takes the next message out of what was appended: true when `message` was filled, false when more bytes are needed,
  // DATA_LOSS (which names the byte of the stream) for an impossible length or a message that does not parse; the
  // stream is of no use after that.
  absl::StatusOr<bool> Next(google::protobuf::MessageLite& message);
  // Whether the stream stands between two frames: an end anywhere else cuts a message off.
  bool at_boundary() const { return begin_ == buffer_.size(); }

 private:
  std::string buffer_;  // The bytes before begin_ are spent.
  size_t begin_ = 0;
  uint64_t offset_ = 0;  // Of begin_ in the stream.
};

// A blocking channel over one socket. Send may be called from one thread while another calls Receive; two threads must
// not call the same one at a time.
class Channel {
 public:
  explicit Channel(UniqueFd socket) : socket_(std::move(socket)) {}

  // Writes one message. UNAVAILABLE: the other end has closed.
  absl::Status Send(const google::protobuf::MessageLite& message);
  // Waits for one message: false at the end of the stream, DATA_LOSS when the stream is damaged or ends in a frame.
  absl::StatusOr<bool> Receive(google::protobuf::MessageLite& message);
  // Ends both directions, for both ends: a Receive that waits returns. From any thread.
  void Shutdown();

 private:
  UniqueFd socket_;
  FrameDecoder decoder_;
};

}  // namespace traind::server

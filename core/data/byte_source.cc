#include "core/data/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/checksum.h"
#include "core/base/file.h"

namespace traind::core {
namespace {

class FileSource final : public ByteSource {
 public:
  FileSource(std::string name, int fd) : name_(std::move(name)), fd_(fd) {}
  ~FileSource() override { close(fd_); }

  absl::Status SetRange(int64_t offset, int64_t size) {
    struct stat info;
    if (fstat(fd_, &info) != 0) return ErrnoStatus(errno, "stat", name_);
    if (S_ISDIR(info.st_mode)) return absl::InvalidArgumentError(absl::StrCat(name_, " is a folder"));
    if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError(absl::StrCat(name_, " is not a file"));
    if (size < 0) size = info.st_size - offset;
    if (offset > info.st_size || size > info.st_size - offset) {
      return BadBytes(name_, info.st_size, absl::StrCat("ends before byte ", offset, " + ", size));
    }
    offset_ = offset;
    end_ = offset + size;
    return absl::OkStatus();
  }

  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    size_t done = 0;
    size = static_cast<size_t>(std::min<int64_t>(static_cast<int64_t>(size), end_ - offset_));
    while (done < size) {
      const ssize_t n = pread(fd_, buffer + done, size - done, offset_);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoStatus(errno, "read", name_);
      if (n == 0) return BadBytes(name_, offset_, "the file became shorter while it was read");
      done += static_cast<size_t>(n);
      offset_ += n;
    }
    return done;
  }

  const std::string& name() const override { return name_; }
  int64_t remaining() const override { return end_ - offset_; }

 private:
  const std::string name_;
  const int fd_;
  int64_t offset_ = 0;
  int64_t end_ = 0;
};

class MemorySource final : public ByteSource {
 public:
  MemorySource(std::string name, absl::string_view bytes) : name_(std::move(name)), bytes_(bytes) {}

  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    const size_t done = bytes_.copy(buffer, size);
    bytes_.remove_prefix(done);
    return done;
  }
  const std::string& name() const override { return name_; }
  int64_t remaining() const override { return static_cast<int64_t>(bytes_.size()); }

 private:
  const std::string name_;
  absl::string_view bytes_;
};

class CompressedSource final : public ByteSource {
 public:
  CompressedSource(std::unique_ptr<ByteSource> input, Compression compression, int64_t offset)
      : input_(std::move(input)), compression_(compression), input_offset_(offset), buffer_(1 << 16) {}
  ~CompressedSource() override { inflateEnd(&stream_); }

  absl::Status Init() {
    constexpr int kWindowBits = 15;
    constexpr int kGzipWrapper = 16;
    const int bits = compression_ == Compression::kGzip ? kWindowBits + kGzipWrapper : -kWindowBits;
    if (inflateInit2(&stream_, bits) != Z_OK) return absl::ResourceExhaustedError("no memory for decompression");
    return absl::OkStatus();
  }

  absl::StatusOr<size_t> Read(char* output, size_t size) override {
    size_t done = 0;
    while (done < size && !finished_) {
      if (stream_.avail_in == 0) {
        if (absl::Status status = Fill(); !status.ok()) return status;
      }
      if (member_ended_) {
        if (absl::Status status = NextMember(); !status.ok()) return status;
        continue;
      }
      const size_t wanted = std::min<size_t>(size - done, 1 << 30);
      stream_.next_out = reinterpret_cast<Bytef*>(output + done);
      stream_.avail_out = static_cast<uInt>(wanted);
      const int result = inflate(&stream_, Z_NO_FLUSH);
      done += wanted - stream_.avail_out;
      if (result == Z_STREAM_END) {
        member_ended_ = true;
      } else if (result == Z_BUF_ERROR && input_ended_) {
        return BadBytes(name(), position(), "the compressed data ends too early");
      } else if (result == Z_MEM_ERROR) {
        return absl::ResourceExhaustedError("no memory for decompression");
      } else if (result != Z_OK && result != Z_BUF_ERROR) {
        return BadBytes(name(), position(),
                        absl::StrCat("the compressed data is damaged: ", stream_.msg ? stream_.msg : "bad stream"));
      }
    }
    return done;
  }

  const std::string& name() const override { return input_->name(); }
  int64_t remaining() const override { return finished_ ? 0 : -1; }

 private:
  int64_t position() const { return input_offset_ - static_cast<int64_t>(stream_.avail_in); }

  absl::Status Fill() {
    auto n = input_->Read(buffer_.data(), buffer_.size());
    if (!n.ok()) return n.status();
    input_ended_ = *n == 0;
    input_offset_ += static_cast<int64_t>(*n);
    stream_.next_in = reinterpret_cast<Bytef*>(buffer_.data());
    stream_.avail_in = static_cast<uInt>(*n);
    return absl::OkStatus();
  }

  // At the end of a member: gzip files may hold several, a deflate stream must end here.
  absl::Status NextMember() {
    if (stream_.avail_in == 0) {  // Read() has just tried to fill the buffer.
      finished_ = true;
      return absl::OkStatus();
    }
    if (compression_ == Compression::kDeflate || *stream_.next_in != 0x1f) {
      return BadBytes(name(), position(), "bytes follow the compressed data");
    }
    member_ended_ = false;
    inflateReset(&stream_);
    return absl::OkStatus();
  }

  const std::unique_ptr<ByteSource> input_;
  const Compression compression_;
  int64_t input_offset_;  // In the file, of the end of buffer_.
  std::vector<char> buffer_;
  z_stream stream_ = {};
  bool input_ended_ = false;
  bool member_ended_ = false;
  bool finished_ = false;
};

class CheckedSourceImpl final : public ByteSource {
 public:
  CheckedSourceImpl(std::unique_ptr<ByteSource> input, std::string name, int64_t size, uint32_t crc32)
      : input_(std::move(input)), name_(std::move(name)), size_(size), expected_(crc32) {}

  absl::StatusOr<size_t> Read(char* buffer, size_t size) override {
    auto n = input_->Read(buffer, size);
    if (!n.ok()) return n;
    crc_.Update(buffer, *n);
    done_ += static_cast<int64_t>(*n);
    if (done_ > size_ || (*n < size && done_ < size_)) {
      return BadBytes(name_, done_, absl::StrCat("the member does not have the ", size_, " bytes its entry announces"));
    }
    if (*n < size && crc_.value() != expected_) {
      return BadBytes(name_, done_,
                      absl::StrFormat("the CRC is %08x, but the entry says %08x", crc_.value(), expected_));
    }
    return n;
  }

  const std::string& name() const override { return name_; }
  int64_t remaining() const override { return size_ - done_; }

 private:
  const std::unique_ptr<ByteSource> input_;
  const std::string name_;
  const int64_t size_;
  const uint32_t expected_;
  int64_t done_ = 0;
  Crc32 crc_;
};

}  // namespace

absl::Status BadBytes(absl::string_view name, int64_t offset, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(name, ", byte ", offset, ": ", what));
}

absl::StatusOr<std::unique_ptr<ByteSource>> OpenFile(const InputFile& file, int64_t offset, int64_t size) {
  // Without O_NONBLOCK, opening a FIFO would wait for a writer.
  const int fd = open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return ErrnoStatus(errno, "open", file.name);
  auto source = std::make_unique<FileSource>(file.name, fd);
  if (absl::Status status = source->SetRange(offset, size); !status.ok()) return status;
  return source;
}

std::unique_ptr<ByteSource> BytesInMemory(std::string name, absl::string_view bytes) {
  return std::make_unique<MemorySource>(std::move(name), bytes);
}

absl::StatusOr<std::unique_ptr<ByteSource>> OpenCompressed(std::unique_ptr<ByteSource> input, Compression compression,
                                                           int64_t offset) {
  auto source = std::make_unique<CompressedSource>(std::move(input), compression, offset);
  if (absl::Status status = source->Init(); !status.ok()) return status;
  return source;
}

std::unique_ptr<ByteSource> CheckedSource(std::unique_ptr<ByteSource> input, std::string name, int64_t size,
                                          uint32_t crc32) {
  return std::make_unique<CheckedSourceImpl>(std::move(input), std::move(name), size, crc32);
}

}  // namespace traind::core

#include "server/store/event_codec.h"

#include <zlib.h>

#include <cstdint>

#include "server/store/checked_bytes.h"

namespace traind::server {
namespace {

// Behind a byte 0 comes the message's size in four bytes, the lowest first, then what zlib made of it.
constexpr size_t kHeaderBytes = 5;
constexpr size_t kWorthCompressing = 512;
constexpr size_t kLargestEvent = 64 << 20;  // Far above what a worker may send: no damaged size takes more memory.
constexpr int kQuick = 1;                   // zlib's level. The next ones save little of these numbers.

std::string Header(size_t size) {
  std::string header(kHeaderBytes, '\0');
  for (size_t i = 1; i < kHeaderBytes; ++i) header[i] = static_cast<char>(size >> (8 * (i - 1)) & 0xff);
  return header;
}

size_t SizeIn(absl::string_view payload) {
  size_t size = 0;
  for (size_t i = 1; i < kHeaderBytes; ++i) {
    size |= static_cast<size_t>(static_cast<unsigned char>(payload[i])) << (8 * (i - 1));
  }
  return size;
}

// Compressed where that is worth it.
std::string Packed(const v1::Event& event) {
  std::string plain = event.SerializeAsString();
  if (!event.has_statistics() || plain.size() < kWorthCompressing || plain.size() > kLargestEvent) return plain;
  uLongf length = compressBound(plain.size());
  std::string packed = Header(plain.size());
  packed.resize(kHeaderBytes + length);
  const int result = compress2(reinterpret_cast<Bytef*>(packed.data() + kHeaderBytes), &length,
                               reinterpret_cast<const Bytef*>(plain.data()), plain.size(), kQuick);
  packed.resize(kHeaderBytes + length);
  return result == Z_OK && packed.size() < plain.size() ? packed : plain;
}

bool Unpack(absl::string_view payload, v1::Event* event) {
  if (payload.empty() || payload[0] != '\0') {
    return event->ParseFromArray(payload.data(), static_cast<int>(payload.size()));
  }
  if (payload.size() < kHeaderBytes || SizeIn(payload) > kLargestEvent) return false;
  std::string plain(SizeIn(payload), '\0');
  uLongf length = plain.size();
  payload.remove_prefix(kHeaderBytes);
  return uncompress(reinterpret_cast<Bytef*>(plain.data()), &length, reinterpret_cast<const Bytef*>(payload.data()),
                    payload.size()) == Z_OK &&
         length == plain.size() && event->ParseFromString(plain);
}

}  // namespace

std::string EncodeEvent(const v1::Event& event) { return WithChecksum(Packed(event)); }

bool DecodeEvent(absl::string_view payload, v1::Event* event) {
  const auto packed = Checked(payload);
  return packed.has_value() && Unpack(*packed, event);
}

}  // namespace traind::server

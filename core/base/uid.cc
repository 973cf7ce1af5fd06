#include "core/base/uid.h"

#include <cstdint>
#include <random>

#include "absl/strings/str_format.h"

namespace traind::core {
namespace {

// 128 bits in the text form of a UUID, six of them replaced by version and variant (RFC 9562, section 5.4).
std::string UuidText(uint64_t high, uint64_t low) {
  high = (high & ~uint64_t{0xF000}) | 0x4000;
  low = (low & ~(uint64_t{3} << 62)) | uint64_t{2} << 62;
  return absl::StrFormat("%08x-%04x-%04x-%04x-%012x", high >> 32, high >> 16 & 0xFFFF, high & 0xFFFF, low >> 48,
                         low & 0xFFFFFFFFFFFF);
}

// FNV-1a of 64 bits (prime and method: http://www.isthe.com/chongo/tech/comp/fnv) from a start value of the caller's,
// its bits mixed by the finalizer of SplitMix64.
uint64_t MixedHash(absl::string_view text, uint64_t start) {
  uint64_t hash = start;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  hash = (hash ^ hash >> 30) * 0xBF58476D1CE4E5B9;
  hash = (hash ^ hash >> 27) * 0x94D049BB133111EB;
  return hash ^ hash >> 31;
}

}  // namespace

std::string NewUid() {
  std::random_device random;
  const auto word = [&random] { return uint64_t{random()} << 32 | random(); };
  const uint64_t high = word();
  return UuidText(high, word());
}

std::string DerivedUid(absl::string_view text) {
  constexpr uint64_t kFnvStart = 0xCBF29CE484222325;
  return UuidText(MixedHash(text, kFnvStart), MixedHash(text, ~kFnvStart));
}

}  // namespace traind::core

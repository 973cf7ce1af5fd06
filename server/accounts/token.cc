#include "server/accounts/token.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/base/checksum.h"

namespace traind::server {
namespace {

constexpr size_t kRandomBytes = 32;
constexpr size_t kRandomDigits = 2 * kRandomBytes;
constexpr size_t kChecksumDigits = 8;
constexpr size_t kIdBytes = 6;

absl::string_view Bytes(const unsigned char* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

absl::StatusOr<std::string> NewToken() {
  unsigned char random[kRandomBytes];
  if (RAND_priv_bytes(random, static_cast<int>(kRandomBytes)) != 1) {
    return absl::InternalError("OpenSSL has no random bytes for a token");
  }
  const std::string digits = absl::BytesToHexString(Bytes(random, kRandomBytes));
  OPENSSL_cleanse(random, sizeof(random));
  return absl::StrCat(kTokenPrefix, digits, core::Crc32Hex(digits));
}

bool IsToken(absl::string_view token) {
  if (token.size() != kTokenPrefix.size() + kRandomDigits + kChecksumDigits) return false;
  if (token.substr(0, kTokenPrefix.size()) != kTokenPrefix) return false;
  const absl::string_view digits = token.substr(kTokenPrefix.size(), kRandomDigits);
  const auto is_digit = [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
  };
  return std::all_of(digits.begin(), digits.end(), is_digit) &&
         token.substr(kTokenPrefix.size() + kRandomDigits) == core::Crc32Hex(digits);
}

std::string HashOf(absl::string_view token) {
  static_assert(kHashBytes == SHA256_DIGEST_LENGTH);
  unsigned char hash[kHashBytes];
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), hash);
  return std::string(Bytes(hash, sizeof(hash)));
}

std::string TokenIdOf(absl::string_view hash) {
  return absl::StrCat("tok-", absl::BytesToHexString(hash.substr(0, kIdBytes)));
}

bool IsSameHash(absl::string_view one, absl::string_view other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

}  // namespace traind::server

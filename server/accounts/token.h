// Access tokens: "traind_", 64 hexadecimal digits of 32 random bytes, and 8 of their checksum. The prefix is what
// scanners for leaked secrets look for; the checksum tells a typo, or a cut copy, from a token that is not valid. Pure
// functions but for the random bytes, thread-safe.
//
// A hash alone is stored: SHA-256, without salt and made once. Both are for passwords, which can be guessed; nobody
// guesses 256 random bits, and each call can be checked in microseconds.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace traind::server {

inline constexpr absl::string_view kTokenPrefix = "traind_";

// INTERNAL: the system has no random bytes.
absl::StatusOr<std::string> NewToken();
// Whether it has a token's form and its checksum is right.
bool IsToken(absl::string_view token);
// What is stored of a token.
inline constexpr size_t kHashBytes = 32;
std::string HashOf(absl::string_view token);
// The public name of the token that has this hash: "tok-" and 12 digits.
std::string TokenIdOf(absl::string_view hash);
// Takes as long whatever the bytes are. False for other lengths.
bool IsSameHash(absl::string_view one, absl::string_view other);

}  // namespace traind::server

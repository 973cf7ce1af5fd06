#include "server/resources/page_token.h"

#include <cstring>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/resources/fingerprint.h"

namespace traind::server {
namespace {

// The parts of a token, none of which holds this character: the list's fingerprint, then each value as a letter for
// its kind and its text.
constexpr char kSeparator = ' ';

std::string Encode(const Value& value) {
  if (const auto* whole = std::get_if<1>(&value)) return absl::StrCat("w", whole->first, ".", whole->second);
  if (const auto* real = std::get_if<2>(&value)) {
    uint64_t bits;
    std::memcpy(&bits, real, sizeof bits);  // Every bit comes back.
    return absl::StrCat("r", absl::Hex(bits));
  }
  if (const auto* text = std::get_if<3>(&value)) return absl::StrCat("t", absl::BytesToHexString(*text));
  return "n";
}

std::optional<Value> DecodeWhole(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '.');
  std::pair<int64_t, int32_t> whole;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &whole.first) || !absl::SimpleAtoi(parts[1], &whole.second)) {
    return std::nullopt;
  }
  return Value(whole);
}

std::optional<Value> DecodeReal(absl::string_view text) {
  uint64_t bits = 0;
  if (!absl::SimpleHexAtoi(text, &bits)) return std::nullopt;
  double real;
  std::memcpy(&real, &bits, sizeof real);
  return Value(real);
}

std::optional<Value> Decode(absl::string_view text) {
  if (text.empty()) return std::nullopt;
  const absl::string_view rest = text.substr(1);
  switch (text.front()) {
    case 'n':
      return Value();
    case 'w':
      return DecodeWhole(rest);
    case 'r':
      return DecodeReal(rest);
    case 't':
      return Value(absl::HexStringToBytes(rest));
    default:
      return std::nullopt;
  }
}

}  // namespace

std::string MakePageToken(absl::string_view list, const Position& last) {
  std::vector<std::string> parts = {Fingerprint(list)};
  for (const Value& value : last) parts.push_back(Encode(value));
  return absl::WebSafeBase64Escape(absl::StrJoin(parts, std::string(1, kSeparator)));
}

std::optional<Position> ParsePageToken(absl::string_view token, absl::string_view list, size_t size) {
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(token, &bytes)) return std::nullopt;
  const std::vector<absl::string_view> parts = absl::StrSplit(bytes, kSeparator);
  if (parts.size() != size + 1 || parts.front() != Fingerprint(list)) return std::nullopt;
  Position position;
  for (size_t i = 1; i < parts.size(); ++i) {
    std::optional<Value> value = Decode(parts[i]);
    if (!value.has_value()) return std::nullopt;
    position.push_back(*std::move(value));
  }
  // Only what was made here is taken: another spelling of the same position is none of ours.
  if (MakePageToken(list, position) != token) return std::nullopt;
  return position;
}

}  // namespace traind::server

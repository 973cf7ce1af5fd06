#include "core/insight/sentence.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace traind::core {
namespace {

// How many characters at the beginning are a number as StrCat writes it; 0: none are.
size_t LengthOfNumber(absl::string_view text) {
  size_t length = 0;
  const auto digits = [&] {
    const size_t begin = length;
    while (length < text.size() && absl::ascii_isdigit(text[length])) ++length;
    return length > begin;
  };
  if (!digits()) return 0;
  if (length + 1 < text.size() && text[length] == '.' && absl::ascii_isdigit(text[length + 1])) {
    ++length;
    digits();
  }
  const size_t mantissa = length;
  if (length < text.size() && text[length] == 'e') {
    ++length;
    if (length < text.size() && (text[length] == '-' || text[length] == '+')) ++length;
    if (!digits()) length = mantissa;
  }
  return length;
}

bool IsOfWord(char c) { return absl::ascii_isalnum(c) || c == '_' || c == '.'; }

}  // namespace

std::string Rounded(absl::string_view sentence) {
  std::string rounded;
  bool quoted = false;
  for (size_t i = 0; i < sentence.size();) {
    if (sentence[i] == '"') quoted = !quoted;
    const bool begins = !quoted && (i == 0 || !IsOfWord(sentence[i - 1]));
    const size_t length = begins ? LengthOfNumber(sentence.substr(i)) : 0;
    const absl::string_view number = sentence.substr(i, length);
    const bool ends = i + length == sentence.size() || !absl::ascii_isalnum(sentence[i + length]);
    double value = 0;
    if (length == 0 || !ends || !(absl::StrContains(number, '.') || absl::StrContains(number, 'e')) ||
        !absl::SimpleAtod(number, &value)) {
      absl::StrAppend(&rounded, sentence.substr(i, std::max<size_t>(length, 1)));
      i += std::max<size_t>(length, 1);
      continue;
    }
    absl::StrAppend(&rounded, absl::StrFormat("%.4g", value));
    i += length;
  }
  return rounded;
}

}  // namespace traind::core

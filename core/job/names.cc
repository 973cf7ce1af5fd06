#include "core/job/names.h"

#include <algorithm>
#include <cstdint>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace traind::core {
namespace {

// The API's bounds.
constexpr int64_t kMaxDisplayName = 128;
constexpr size_t kMaxLabels = 64;
constexpr size_t kMaxKey = 63;
constexpr int64_t kMaxLabelValue = 256;

// Code points of a string that protobuf has checked to be UTF-8.
int64_t Characters(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

bool IsLabelKey(const std::string& key) {
  const auto is_end = [](char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); };
  return !key.empty() && key.size() <= kMaxKey && absl::ascii_islower(key.front()) && is_end(key.back()) &&
         std::all_of(key.begin(), key.end(), [&](char c) { return is_end(c) || c == '_' || c == '.' || c == '-'; });
}

// A key of any kind, fit for a message.
std::string Shown(const std::string& key) { return absl::StrCat("\"", absl::CEscape(key.substr(0, kMaxKey)), "\""); }

}  // namespace

void CheckDisplayName(const std::string& name, const FieldErrors& errors) {
  if (Characters(name) > kMaxDisplayName) errors.Add(absl::StrCat("must be at most ", kMaxDisplayName, " characters"));
}

void CheckLabels(const google::protobuf::Map<std::string, std::string>& labels, const FieldErrors& errors) {
  if (labels.size() > kMaxLabels) {
    errors.Add(absl::StrCat("must be at most ", kMaxLabels, " labels, not ", labels.size()));
    return;
  }
  const std::map<std::string, std::string> sorted(labels.begin(), labels.end());
  for (const auto& [key, value] : sorted) {
    if (!IsLabelKey(key)) {
      errors.Add(absl::StrCat("the key ", Shown(key),
                              " must be a lower-case letter, then at most 62 of a-z, 0-9, _, ., ",
                              "-, the last of them a letter or digit"));
    } else if (Characters(value) > kMaxLabelValue) {
      errors.Add(absl::StrCat("the value of ", Shown(key), " must be at most ", kMaxLabelValue, " characters"));
    }
  }
}

}  // namespace traind::core

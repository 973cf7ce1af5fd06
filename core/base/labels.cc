#include "core/base/labels.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "core/base/utf8.h"

namespace traind::core {
namespace {

// The API's bounds.
constexpr int kMaxLabels = 64;
constexpr size_t kMaxLabelKey = 63;
constexpr int64_t kMaxLabelValue = 256;
constexpr int64_t kMaxDisplayName = 128;

bool IsAlphanumeric(char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); }

bool IsLabelKey(absl::string_view key) {
  if (key.empty() || key.size() > kMaxLabelKey || !absl::ascii_islower(key.front()) || !IsAlphanumeric(key.back())) {
    return false;
  }
  return std::all_of(key.begin(), key.end(),
                     [](char c) { return IsAlphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

}  // namespace

void CheckLabels(const Labels& labels, const FieldErrors& field) {
  if (labels.size() > kMaxLabels) {
    field.Add(absl::StrCat("must be at most ", kMaxLabels, " labels, not ", labels.size()));
    return;
  }
  std::vector<absl::string_view> keys;
  for (const auto& label : labels) keys.push_back(label.first);
  std::sort(keys.begin(), keys.end());  // The order of the violations.
  for (const absl::string_view key : keys) {
    const std::string shown = absl::StrCat("\"", Excerpt({key.data(), key.size()}), "\"");
    if (!IsLabelKey(key)) {
      field.Add(absl::StrCat("the key ", shown, " must have the form [a-z]([a-z0-9_.-]{0,61}[a-z0-9])?"));
    }
    if (Characters(labels.at(std::string(key))) > kMaxLabelValue) {
      field.Add(absl::StrCat("the value of ", shown, " must be at most ", kMaxLabelValue, " characters"));
    }
  }
}

void CheckDisplayName(const std::string& name, const FieldErrors& field) {
  if (Characters(name) > kMaxDisplayName) field.Add(absl::StrCat("must be at most ", kMaxDisplayName, " characters"));
}

}  // namespace traind::core

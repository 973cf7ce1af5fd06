#include "core/train/resource_names.h"

#include <algorithm>

namespace traind::core {
namespace {

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Removes `prefix` from the front; false when it is not there.
bool Consume(std::string_view prefix, std::string_view& text) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// A number of steps as it is printed: no sign, no leading zero, within uint64.
bool IsStep(std::string_view text) {
  return !text.empty() && text.size() <= 19 && std::all_of(text.begin(), text.end(), IsDigit) &&
         (text.size() == 1 || text[0] != '0');
}

}  // namespace

bool IsResourceId(std::string_view id) {
  return !id.empty() && id.size() <= 63 && IsLower(id.front()) && id.back() != '-' &&
         std::all_of(id.begin(), id.end(), [](char c) { return IsLower(c) || IsDigit(c) || c == '-'; });
}

std::string DatasetName(std::string_view name) {
  Consume("datasets/", name);
  return IsResourceId(name) ? "datasets/" + std::string(name) : "";
}

bool IsWeightsName(std::string_view name) {
  if (Consume("models/", name)) return IsResourceId(name);
  if (!Consume("jobs/", name)) return false;
  const size_t slash = name.find('/');
  if (!IsResourceId(name.substr(0, slash))) return false;
  if (slash == std::string_view::npos) return true;
  std::string_view step = name.substr(slash);
  return Consume("/checkpoints/", step) && (step == "latest" || step == "best" || IsStep(step));
}

}  // namespace traind::core

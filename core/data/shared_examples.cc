#include "core/data/shared_examples.h"

#include <algorithm>
#include <cstring>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

namespace traind::core {
namespace {

constexpr int64_t kBytesPerProgress = int64_t{1} << 24;

absl::string_view StoredBytes(const Split& split, int64_t index) {
  return {static_cast<const char*>(split.example(index)), static_cast<size_t>(split.example_bytes())};
}

}  // namespace

SharedExamples CountShared(const Split& training, const Split& evaluation, const std::vector<int64_t>& chosen,
                           int64_t most_numbers, const std::function<void()>& progress) {
  struct Sought {
    absl::string_view bytes;
    int64_t times = 0;  // Among the chosen ones.
    bool found = false;
  };
  absl::flat_hash_map<uint64_t, Sought> sought;  // By their hash; of two with one hash, which never happens, the first.
  for (const int64_t index : chosen) {
    const absl::string_view bytes = StoredBytes(evaluation, index);
    Sought& one = sought.try_emplace(absl::HashOf(bytes), Sought{.bytes = bytes}).first->second;
    if (one.bytes == bytes) ++one.times;
  }
  const int64_t elements = std::max<int64_t>(training.example_elements(), 1);
  const int64_t looked = std::min(training.size(), std::max<int64_t>(1, most_numbers / elements));
  const int64_t per_progress = std::max<int64_t>(1, kBytesPerProgress / std::max<int64_t>(1, training.example_bytes()));
  for (int64_t i = 0; i < looked; ++i) {
    if (i % per_progress == 0) progress();
    const absl::string_view bytes = StoredBytes(training, i * training.size() / looked);
    const auto same = sought.find(absl::HashOf(bytes));
    if (same != sought.end() && same->second.bytes == bytes) same->second.found = true;
  }
  SharedExamples result{.looked = looked};
  for (const auto& [hash, one] : sought) {
    if (one.found) result.shared += one.times;
  }
  return result;
}

}  // namespace traind::core

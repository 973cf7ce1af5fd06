// Which runs show which rule: a table.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/insight/runs.h"

namespace traind::insight {

enum class Quantity : uint8_t { kTrainLoss, kEvaluationLoss, kResult };  // The last: accuracy, or R squared.

struct Shown {
  const char* rule;
  Quantity quantity;
  // "mlp blobs rate_high": network, data, and a fault of Faults() or of kOwn. The first that has the rule is shown.
  std::vector<const char*> runs;
};

const std::vector<Shown>& AllShown();

// Rules that have no picture, with the reason in a sentence.
struct Unpictured {
  const char* rule;
  const char* why;
};
const std::vector<Unpictured>& WithoutPicture();

// A run of that notation, or the healthy one of its network and data. INVALID_ARGUMENT: the benchmark has none such.
absl::StatusOr<Run> RunOf(const std::string& text, bool healthy);
// What the fault does, for people.
std::string WordsOf(const std::string& fault);

}  // namespace traind::insight

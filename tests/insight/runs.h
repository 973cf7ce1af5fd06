// The runs of the benchmark of insight: which there are, training each once, and the events that it made, on disk.
// Thresholds are then changed without training again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/insight/data.h"
#include "tests/insight/faults.h"
#include "tests/insight/healthy.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::insight {

struct Run {
  std::string id;                // "mlp-blobs-rate_high-3"; of a healthy one "mlp-blobs-healthy.tanh-0".
  const Fault* fault = nullptr;  // Null: a healthy one.
  std::string kind;              // Name of the fault, or of the style.
  uint64_t seed = 0;
  FaultyJob job;
};

// Seeds from here on are held out: no threshold was set by a look at their runs. They have other examples, and healthy
// jobs in other styles, the base among them.
inline constexpr uint64_t kFirstHeldOut = 100;
inline bool IsHeldOut(uint64_t seed) { return seed >= kFirstHeldOut; }
inline Series SeriesOf(uint64_t seed) { return IsHeldOut(seed) ? Series::kHeldOut : Series::kTuning; }
inline const std::vector<Style>& StylesOf(uint64_t seed) { return Styles(SeriesOf(seed)); }

// Which runs there are. Empty lists: all.
struct Choice {
  int seeds = 5;                    // 0, 1, ...; styles other than the base have the first two of them.
  int held_out = 0;                 // Seeds from kFirstHeldOut on; all styles have all of them.
  std::vector<std::string> faults;  // With others left out, healthy runs are those of the base alone.
  std::vector<std::string> data;
  std::vector<std::string> nets;
};
// Healthy runs first. Every faulty run has its healthy one: the base of the same network, data and seed.
std::vector<Run> PlanRuns(const Choice& choice);
// The id of the healthy run that a faulty one is compared with.
std::string HealthyIdOf(const Run& run);

// What a run has left.
struct Recording {
  // With specs, totals, `trained` (time of the training, seconds) and, where it has FAILED, its error.
  v1::Job job;
  std::vector<v1::Event> events;  // In their order, without findings of insight but those of the trainer itself.
  double target_variance = 0;     // Of the test split of a regression; 0 with classes.
};

// How good it is at its end.
struct Outcome {
  bool finished = false;
  double result = 0;           // Accuracy on the test split, or R squared; of what has FAILED the least there is: 0.
  double evaluation_loss = 0;  // Of the last evaluation; of the best with early_stopping.restore_best.
  double train_loss = 0;       // Mean of the last 10 steps.
};
Outcome OutcomeOf(const Recording& recording);

// Trains in this process and writes the recording below `folder`, unless one is there of the same spec and data. A
// training that ends because a number is not finite is a recording like others. Errors: of the data or the disk, and
// INVALID_ARGUMENT for a spec that is refused.
absl::Status Record(const Run& run, const std::string& folder);
// Whether Record has nothing to do. Reads no more than the recording's beginning.
bool IsRecorded(const Run& run, const std::string& folder);
// NOT_FOUND or DATA_LOSS.
absl::StatusOr<Recording> Load(const std::string& id, const std::string& folder);

// Records all that is not there yet, `jobs` at a time, each in a process of its own; a line on stderr says how far it
// is. Gives those that failed, with their messages: the others are recorded all the same. Call it before this process
// has used OpenMP.
std::vector<std::string> RecordAll(const std::vector<Run>& runs, const std::string& folder, int jobs);

}  // namespace traind::insight

// A sweep as a state machine: what its log says, and what follows from it. No input, no output, no clock, no threads:
// the same spec and the same entries give the same state and the same next decision, on every machine. The log is made
// by whoever runs the sweep (server/sweeps): it appends what it hears, and what Decide() says, and applies both.
//
// Thread-compatible.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "traind/v1/sweep.pb.h"

namespace traind::core {

// A trial as the log has it.
struct SearchTrial {
  uint32_t number = 0;  // From 1.
  v1::TrialState state = v1::TRIAL_STATE_RUNNING;
  std::vector<v1::Assignment> assignments;
  uint64_t step = 0;         // At its newest arrival; of one that goes on from a parent, at least that step.
  uint64_t goal_step = 0;    // Where it holds next; 0: at its end.
  uint64_t first_goal = 0;   // Its first goal_step.
  uint64_t total_steps = 0;  // 0: not known.
  uint32_t rung = 0;         // Holds before this one.
  uint32_t parent = 0;       // 0: none.
  uint64_t parent_step = 0;
  uint32_t generation = 0;
  // Where it held, by rung, and with what.
  struct Held {
    uint64_t step = 0;
    std::optional<double> value = std::nullopt;
  };
  std::vector<Held> held;
  std::optional<double> objective;
  uint64_t objective_step = 0;
  std::vector<v1::Measurement> measurements;  // By step.
  bool stopping = false;                      // Decided, and under way still.
  std::string reason;                         // Of its state.
  v1::JobError error;                         // Of a FAILED one.
  uint32_t reruns = 0;
  google::protobuf::Timestamp rerun_time;  // Of the newest one.
  std::string client;
  std::string request_id;
  google::protobuf::Timestamp create_time;
  google::protobuf::Timestamp end_time;  // Of its last state.

  bool under_way() const { return state == v1::TRIAL_STATE_RUNNING; }
  bool ended() const { return state != v1::TRIAL_STATE_RUNNING && state != v1::TRIAL_STATE_HELD; }
};

// What a sweep keeps of a trial's values.
inline constexpr size_t kMostMeasurements = 1000;

class Search {
 public:
  // `spec` is resolved (core/search/resolve.h).
  explicit Search(v1::SweepSpec spec);

  // DATA_LOSS: the entry cannot come after those before.
  absl::Status Check(const v1::SweepEntry& entry) const;
  // Takes the next entry of the log. Errors are Check's; the state is then as it was.
  absl::Status Apply(const v1::SweepEntry& entry);

  // What is to be decided now, without sequence and time; nullopt: nothing, until something is heard. Of a new trial
  // `total_steps` is left to the caller, and with asha.min_epochs `goal_step`. A trial that clients train is chosen by
  // Suggest alone.
  std::optional<v1::SweepEntry> Decide() const;

  // The next trial for a client, of algorithms that choose by themselves. `done`: there will be none.
  struct Suggestion {
    std::optional<v1::SweepEntry> entry;
    bool done = false;
  };
  Suggestion Suggest() const;

  // Why median_stopping would end a trial under way; empty: it would not.
  std::string WhyStop(uint32_t trial) const;

  // Whether trials may be made: it is RUNNING, and the budget is not used up. Otherwise why not.
  std::string WhyNoNewTrial() const;

  const v1::SweepSpec& spec() const { return *spec_; }
  v1::SweepState state() const { return state_; }
  const std::string& reason() const { return reason_; }
  bool terminal() const;
  // It had ended, and runs some trials again: its budgets are over.
  bool only_reruns() const { return was_terminal_ && !terminal(); }
  const std::vector<SearchTrial>& trials() const { return trials_; }
  // Null: there is none.
  const SearchTrial* Find(uint32_t number) const;
  int64_t last_sequence() const { return last_sequence_; }
  google::protobuf::Timestamp update_time() const { return update_time_; }

  // The best trial that has a value: with asha and pbt, of those that got furthest. Null: none has.
  const SearchTrial* Best() const;
  // In the order of ListTrials by objective.
  std::vector<const SearchTrial*> Ranked() const;
  // Whether `a` is better than `b` by the objective's goal; what is no number is worse than every number.
  bool Better(double a, double b) const;
  // Trained over all trials, as far as the log says it.
  uint64_t Steps() const;
  // What all trials would have taken, each trained to its end.
  uint64_t FullSteps() const;
  // Steps in all, estimated; 0: not known.
  uint64_t PlannedSteps() const;
  // Trials in all, as far as is known.
  uint32_t PlannedTrials() const;
  int Running() const;

 private:
  void ApplyTurn(const v1::SweepTurn& turn);
  void ApplyChosen(const v1::SweepEntry& entry);
  std::optional<v1::SweepEntry> DecideEnding() const;
  std::optional<v1::SweepEntry> DecideMedian() const;
  // Steps that the trials have trained, and those they are under way to.
  uint64_t CommittedSteps() const;
  bool HasFailed() const;

  std::shared_ptr<const v1::SweepSpec> spec_;  // Shared by copies.
  std::vector<SearchTrial> trials_;
  v1::SweepState state_ = v1::SWEEP_STATE_RUNNING;
  v1::SweepState ends_as_ = v1::SWEEP_STATE_SUCCEEDED;
  std::string reason_;
  std::string end_reason_;     // With STOPPING: of the state after it.
  bool was_terminal_ = false;  // It only reruns trials.
  int64_t last_sequence_ = 0;
  google::protobuf::Timestamp update_time_;
};

// Of the trial's steps those that no parent of it has trained.
uint64_t OwnSteps(const SearchTrial& trial);

}  // namespace traind::core

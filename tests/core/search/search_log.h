// A search that a test drives: it decides as the server does, and the test says what comes of trials.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/search/resolve.h"
#include "core/search/search.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {

class DrivenSearch {
 public:
  // `total_steps` of each trial.
  explicit DrivenSearch(const std::string& text, uint64_t total_steps = 0)
      : total_steps_(total_steps), search_(Resolved(text)) {}

  static v1::SweepSpec Resolved(const std::string& text) {
    auto spec = FromText<v1::SweepSpec>(text);
    FieldErrors::Root errors;
    ResolveSweep(spec, errors.scope());
    EXPECT_TRUE(errors.ok()) << errors.ToStatus();
    if (!spec.has_parallelism()) spec.set_parallelism(1);
    return spec;
  }

  // Takes one decision; nullopt: there is none now.
  std::optional<v1::SweepEntry> DecideOne() {
    auto entry = search_.Decide();
    if (!entry.has_value()) return std::nullopt;
    if (entry->has_chosen()) entry->mutable_chosen()->set_total_steps(total_steps_);
    Append(*entry);
    return log_.back();
  }
  void DecideAll() {
    while (DecideOne().has_value()) {
    }
  }
  void Append(v1::SweepEntry entry) {
    entry.set_sequence(static_cast<int64_t>(log_.size()) + 1);
    const absl::Status applied = search_.Apply(entry);
    ASSERT_TRUE(applied.ok()) << applied << "\n" << entry.DebugString();
    log_.push_back(entry);
  }
  // The trial has come to where it holds, or to its end.
  void Arrive(uint32_t trial, std::optional<double> value) {
    const SearchTrial& of = *search_.Find(trial);
    v1::SweepEntry entry;
    entry.set_trial(trial);
    v1::TrialArrived& arrived = *entry.mutable_arrived();
    arrived.set_state(of.goal_step > 0 ? v1::TRIAL_STATE_HELD : v1::TRIAL_STATE_SUCCEEDED);
    arrived.set_step(of.goal_step > 0 ? of.goal_step : of.total_steps);
    if (value.has_value()) {
      arrived.set_objective(*value);
      arrived.set_objective_step(arrived.step());
    }
    Append(entry);
  }
  void Fail(uint32_t trial) {
    v1::SweepEntry entry;
    entry.set_trial(trial);
    entry.mutable_arrived()->set_state(v1::TRIAL_STATE_FAILED);
    entry.mutable_arrived()->mutable_error()->set_message("boom");
    Append(entry);
  }
  void Measure(uint32_t trial, uint64_t step, double value) {
    v1::SweepEntry entry;
    entry.set_trial(trial);
    entry.mutable_measured()->mutable_measurement()->set_step(step);
    entry.mutable_measured()->mutable_measurement()->set_value(value);
    Append(entry);
  }

  const Search& search() const { return search_; }
  const std::vector<v1::SweepEntry>& log() const { return log_; }
  // The decision that follows from the first `count` entries alone.
  std::optional<v1::SweepEntry> DecisionAfter(size_t count) const {
    Search again(search_.spec());
    for (size_t i = 0; i < count; ++i) EXPECT_TRUE(again.Apply(log_[i]).ok());
    return again.Decide();
  }
  std::vector<std::string> ValuesOf(uint32_t trial) const {
    std::vector<std::string> values;
    for (const v1::Assignment& one : search_.Find(trial)->assignments) values.push_back(one.value());
    return values;
  }

 private:
  const uint64_t total_steps_;
  Search search_;
  std::vector<v1::SweepEntry> log_;
};

}  // namespace traind::core

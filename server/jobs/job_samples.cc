// What of the jobs an operator measures.
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/enum_name.h"
#include "server/jobs/job_manager.h"
#include "server/telemetry/samples.h"

namespace traind::server {

void JobManager::Count(v1::JobState state, int64_t more) {
  if (v1::JobState_IsValid(state)) counts_[static_cast<size_t>(state)].fetch_add(more, std::memory_order_relaxed);
}

absl::Status JobManager::CountAnew() {
  const auto counts = store_->CountJobs();
  if (!counts.ok()) return counts.status();
  for (auto& count : counts_) count.store(0, std::memory_order_relaxed);
  for (const auto& [state, jobs] : *counts) Count(state, jobs);
  return absl::OkStatus();
}

std::vector<std::pair<v1::JobState, int64_t>> JobManager::CountByState() const {
  std::vector<std::pair<v1::JobState, int64_t>> counts;
  for (int state = 1; state < v1::JobState_ARRAYSIZE; ++state) {
    counts.emplace_back(static_cast<v1::JobState>(state),
                        counts_[static_cast<size_t>(state)].load(std::memory_order_relaxed));
  }
  return counts;
}

void JobManager::CountTraining(LiveJob& live, const std::vector<v1::Event>& events, uint64_t before) {
  for (const v1::Event& event : events) {
    if (!event.has_train() || !event.has_timing() || event.step() <= before) continue;
    const v1::Timing& timing = event.timing();
    const double step_seconds = timing.step_ms() / 1e3;
    const double data_wait_seconds = timing.data_wait_ms() / 1e3;
    const auto steps = static_cast<double>(event.step() - before);
    metrics_->training_steps.Add(steps);
    metrics_->training_step_seconds.Add(steps * step_seconds);
    metrics_->training_data_wait_seconds.Add(steps * data_wait_seconds);
    metrics_->training_examples.Add(steps * step_seconds * timing.examples_per_second());
    live.pace.step_seconds.store(step_seconds, std::memory_order_relaxed);
    live.pace.data_wait_seconds.store(data_wait_seconds, std::memory_order_relaxed);
    live.pace.examples_per_second.store(timing.examples_per_second(), std::memory_order_relaxed);
    before = event.step();
  }
}

void JobManager::AddSamples(Samples& samples) {
  for (const auto& [state, jobs] : CountByState()) {
    samples.Gauge({"traind_jobs", "Jobs by their state"}, static_cast<double>(jobs),
                  {{"state", absl::AsciiStrToLower(core::EnumName(state))}});
  }
  for (const auto& [key, live] : live_jobs()) {
    if (!live->pace.runs.load(std::memory_order_relaxed)) continue;
    const Samples::Labels job = {{"job", live->id}};
    const auto add = [&](const SampleName& name, const std::atomic<double>& value) {
      samples.Gauge(name, value.load(std::memory_order_relaxed), job);
    };
    add({"traind_job_step_seconds", "Time of a step of a job that runs"}, live->pace.step_seconds);
    add({"traind_job_data_wait_seconds", "The part of it that the step waits for its minibatch"},
        live->pace.data_wait_seconds);
    add({"traind_job_examples_per_second", "How fast a job that runs takes examples"}, live->pace.examples_per_second);
  }
}

}  // namespace traind::server

// What a watcher knows of a job: its record and the events so far, in bounded memory. Thread-compatible.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::client {

bool IsTerminal(v1::JobState state);
bool HasWorker(v1::JobState state);  // RUNNING, or on the way to another state.
Style StateStyle(v1::JobState state);
std::string DisplayName(const v1::Job& job);  // May be empty.
// "place 2: needs 4 threads, 2 are free; behind jobs/a, jobs/b"; empty when nothing is known.
std::string DescribeQueue(const v1::QueueStatus& queue);
absl::Time ToTime(const google::protobuf::Timestamp& time);
absl::Duration ToDuration(const google::protobuf::Duration& duration);
std::string FormatMinute(const google::protobuf::Timestamp& time);  // "2026-01-31 09:15", local.
std::string FormatSecond(const google::protobuf::Timestamp& time);  // "2026-01-31 09:15:07", local.
// "accuracy 91.2 %, loss 0.2713 on test (10,000 examples)".
std::string DescribeEvaluation(const v1::EvaluationMetrics& metrics);
// "macro_f1 0.8123"; empty where the loss or the accuracy, which are shown anyhow, chooses the best.
std::string DescribeBestMetric(const v1::EvaluationMetrics& metrics);
// Of a test: ", with the weights of step 300"; empty where they are those of its own step.
std::string WeightsOf(const v1::EvaluationMetrics& metrics);

// One line of the list of events.
struct Note {
  absl::Time time;
  uint64_t step = 0;
  std::string text;
  Style style = Style::kPlain;
};

class JobView {
 public:
  explicit JobView(const v1::Job& job) { SetJob(job); }

  // A newer record of the job. The state is that of the events once there was one.
  void SetJob(const v1::Job& job);
  void Apply(const v1::Event& event);

  const v1::Job& job() const { return job_; }
  v1::JobState state() const { return state_; }
  uint64_t step() const { return step_; }
  double epoch() const { return epoch_; }
  const v1::Timing& timing() const { return timing_; }  // Of the newest TRAIN event.
  const std::optional<v1::TrainMetrics>& train() const { return train_; }
  const std::optional<v1::EvaluationMetrics>& evaluation() const { return evaluation_; }
  const std::optional<v1::EvaluationMetrics>& test() const { return test_; }  // The newest one.
  // The newest one that was called the best, with its step.
  const std::optional<std::pair<uint64_t, v1::EvaluationMetrics>>& best_evaluation() const { return best_evaluation_; }
  const std::optional<v1::PreprocessingReport>& preprocessing() const { return preprocessing_; }
  const v1::StatisticsReport& statistics() const { return statistics_; }
  const std::string& checkpoint() const { return checkpoint_; }            // Newest; empty before the first.
  const std::string& best_checkpoint() const { return best_checkpoint_; }  // Empty when none was called best.
  // As they are now, those that are RESOLVED among them, by their ids.
  const std::map<std::string, v1::Finding>& findings() const { return findings_; }
  const std::deque<Note>& notes() const { return notes_; }  // Newest last.
  const std::optional<v1::JobError>& error() const { return error_; }
  // Training time over all attempts, until `now`. Of a server that does not count it: from the first RUNNING to the
  // end.
  absl::Duration Elapsed(absl::Time now) const;

  // Of training the running means, where the server tells them.
  const Series& train_loss() const { return train_loss_; }
  const Series& train_accuracy() const { return train_accuracy_; }
  const Series& gradient_norm() const { return gradient_norm_; }
  const Series& evaluation_loss() const { return evaluation_loss_; }
  const Series& evaluation_accuracy() const { return evaluation_accuracy_; }

 private:
  static constexpr size_t kNotes = 64;

  void ApplyState(const v1::Event& event);
  void ApplyFinding(const v1::Event& event);
  void AddNote(const v1::Event& event, absl::string_view text, Style style = Style::kPlain);

  v1::Job job_;
  v1::JobState state_ = v1::JOB_STATE_UNSPECIFIED;
  bool state_from_event_ = false;
  uint64_t step_ = 0;
  double epoch_ = 0;
  v1::Timing timing_;
  std::optional<v1::TrainMetrics> train_;
  std::optional<v1::EvaluationMetrics> evaluation_, test_;
  std::optional<std::pair<uint64_t, v1::EvaluationMetrics>> best_evaluation_;
  std::optional<v1::PreprocessingReport> preprocessing_;
  v1::StatisticsReport statistics_;
  std::string checkpoint_, best_checkpoint_;
  std::map<std::string, v1::Finding> findings_;
  std::deque<Note> notes_;
  std::optional<v1::JobError> error_;
  std::optional<absl::Time> start_, end_;
  std::optional<absl::Time> attempt_;  // Begin of the attempt that job_.trained does not count yet.
  Series train_loss_, train_accuracy_, gradient_norm_, evaluation_loss_, evaluation_accuracy_;
};

}  // namespace traind::client

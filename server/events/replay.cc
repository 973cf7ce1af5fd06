#include "server/events/replay.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/enum_name.h"
#include "google/protobuf/util/time_util.h"
#include "server/resources/fingerprint.h"
#include "server/store/job_store.h"

namespace traind::server {
namespace {

bool IsReplayed(v1::EventKind kind) {
  return kind == v1::EVENT_KIND_TRAIN || kind == v1::EVENT_KIND_EVALUATION || kind == v1::EVENT_KIND_STATISTICS ||
         kind == v1::EVENT_KIND_CHECKPOINT || kind == v1::EVENT_KIND_PREPROCESSING || kind == v1::EVENT_KIND_DATA ||
         kind == v1::EVENT_KIND_TEST;
}

// Checkpoints by time come at other steps in another run, and a job that is told to finish is evaluated and tested at
// the step where the wish finds it: after a crash this may lie before the newest event.
bool MayComeAnywhere(v1::EventKind kind) {
  return kind == v1::EVENT_KIND_CHECKPOINT || kind == v1::EVENT_KIND_EVALUATION || kind == v1::EVENT_KIND_TEST;
}

// One step may be tested with its own weights, and as the last one with those of the best.
bool AreOfOneKind(const v1::Event& a, const v1::Event& b) {
  return a.test().has_weights_step() == b.test().has_weights_step() &&
         a.test().weights_step() == b.test().weights_step();
}

void ClearNewFactors(const v1::StatisticsReport& stored, v1::StatisticsReport& report) {
  std::set<std::string> without;
  for (const v1::ParameterStatistics& parameter : stored.parameters()) {
    if (!parameter.has_learning_rate_factor()) without.insert(parameter.name());
  }
  for (v1::ParameterStatistics& parameter : *report.mutable_parameters()) {
    if (without.count(parameter.name()) > 0) parameter.clear_learning_rate_factor();
  }
}

// The event as it would be stored had it been thinned as the stored one was since, and without what the version that
// stored it did not measure: before 0.3 none compared the modes or had running means, metrics of classes and targets,
// or said a tensor's learning rate.
v1::Event LikeStored(v1::Event event, const v1::Event& stored) {
  if (event.has_train() && !stored.train().has_mean_loss()) {
    event.mutable_train()->clear_mean_loss();
    event.mutable_train()->clear_mean_accuracy();
    event.mutable_train()->clear_mean_steps();
  }
  if (event.has_evaluation() && !stored.evaluation().has_minibatch_train_mode_loss()) {
    event.mutable_evaluation()->clear_minibatch_train_mode_loss();
    event.mutable_evaluation()->clear_minibatch_test_mode_loss();
  }
  if (event.has_evaluation()) {
    const v1::EvaluationMetrics& then = stored.evaluation();
    v1::EvaluationMetrics& now = *event.mutable_evaluation();
    if (!then.has_classification()) now.clear_classification();
    if (!then.has_regression()) now.clear_regression();
    if (then.best_metric().empty()) {
      now.clear_best_metric();
      now.clear_best_metric_value();
    }
  }
  if (event.has_statistics()) ClearNewFactors(stored.statistics(), *event.mutable_statistics());
  if (!stored.statistics().thinned() || !event.has_statistics()) return event;
  std::set<std::string> left;
  for (const v1::LayerStatistics& layer : stored.statistics().layers()) left.insert(layer.layer());
  std::set<std::string> tensors;
  for (const v1::ParameterStatistics& parameter : stored.statistics().parameters()) tensors.insert(parameter.name());
  v1::Event like = event;
  v1::StatisticsReport& report = *like.mutable_statistics();
  report.set_thinned(true);
  report.clear_layers();
  report.clear_parameters();
  for (const v1::LayerStatistics& layer : event.statistics().layers()) {
    if (left.count(layer.layer()) > 0) *report.add_layers() = layer;
  }
  for (const v1::ParameterStatistics& parameter : event.statistics().parameters()) {
    if (tensors.count(parameter.name()) > 0) *report.add_parameters() = parameter;
  }
  return like;
}

v1::Event Difference(const v1::Event& event, v1::EventKind kind, absl::string_view what) {
  v1::Event log;
  log.set_step(event.step());
  log.set_epoch(event.epoch());
  log.mutable_log()->set_level(v1::LogLine::LEVEL_ERROR);
  log.mutable_log()->set_text(
      absl::StrCat("the resume is not exact: the ", core::EnumName(kind), " event of step ", event.step(), " ", what));
  return log;
}

}  // namespace

std::string ReplayFingerprint(const v1::Event& event) {
  v1::Event copy = event;
  copy.clear_sequence();
  copy.clear_time();
  copy.clear_timing();
  if (copy.has_checkpoint()) {
    copy.mutable_checkpoint()->clear_size_bytes();
    copy.mutable_checkpoint()->clear_best();
  }
  // Versions before 0.3 did not count the answers.
  if (copy.has_evaluation()) copy.mutable_evaluation()->clear_predicted();
  // Versions before 0.2 did not say the kinds: a job that they began goes on without a difference.
  if (copy.has_statistics()) {
    for (v1::LayerStatistics& layer : *copy.mutable_statistics()->mutable_layers()) {
      layer.clear_kind();
      layer.clear_activation();
    }
  }
  return StableBytes(copy);
}

absl::StatusOr<std::vector<v1::Event>> Sequence(std::vector<v1::Event> incoming, absl::Time now, const FindStored& find,
                                                LogPosition& position, const Follow& follow) {
  const auto time = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(now));
  std::vector<v1::Event> result;
  const auto append = [&](v1::Event event) {
    event.set_sequence(++position.last_sequence);
    *event.mutable_time() = time;
    result.push_back(std::move(event));
  };
  const auto append_with_followers = [&](v1::Event event) {
    append(std::move(event));
    if (follow == nullptr) return;
    for (v1::Event& next : follow(v1::Event(result.back()))) append(std::move(next));
  };
  position.last_steps.resize(v1::EventKind_ARRAYSIZE);
  for (v1::Event& event : incoming) {
    const v1::EventKind kind = KindOf(event);
    std::optional<uint64_t>& last = position.last_steps[kind];
    if (!IsReplayed(kind) || !last.has_value() || event.step() > *last) {
      if (IsReplayed(kind)) last = event.step();
      append_with_followers(std::move(event));
      continue;
    }
    // An event of this very batch is not in the store yet.
    std::optional<v1::Event> stored;
    const auto same = std::find_if(result.begin(), result.end(), [&](const v1::Event& other) {
      return KindOf(other) == kind && other.step() == event.step();
    });
    if (same != result.end()) {
      stored = *same;
    } else {
      auto found = find(kind, event.step());
      if (!found.ok()) return found.status();
      stored = *std::move(found);
    }
    if (stored.has_value() && !AreOfOneKind(event, *stored)) stored.reset();
    if (!stored.has_value() && MayComeAnywhere(kind)) {
      append_with_followers(std::move(event));
      continue;
    }
    if (stored.has_value() && ReplayFingerprint(*stored) == ReplayFingerprint(LikeStored(event, *stored))) continue;
    if (!position.differences.emplace(kind, event.step()).second) continue;
    append(Difference(event, kind, stored.has_value() ? "differs from the one stored before" : "was not there before"));
  }
  return result;
}

}  // namespace traind::server

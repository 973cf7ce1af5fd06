// Sweeps and trials as callers see them.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/enum_name.h"
#include "google/protobuf/util/time_util.h"
#include "server/resources/fingerprint.h"
#include "server/resources/names.h"
#include "server/resources/paging.h"
#include "server/sweeps/sweep_manager.h"

namespace traind::server {
namespace {

using google::protobuf::util::TimeUtil;

// What the etag is of: the record and its log, but not what is only observed.
std::string EtagOfSweep(const v1::Sweep& record, int64_t last_sequence) {
  return Fingerprint(absl::StrCat(StableBytes(record), "\n", last_sequence));
}

const Collection& SweepCollection() {
  static const Collection kCollection{
      .name = "sweeps",
      .fields = {{v1::Sweep::descriptor(),
                  {"name", "uid", "state", "display_name", "labels", "dataset", "owner", "create_time", "end_time"}}},
      .default_order = "",
      .newest_first = true};
  return kCollection;
}

// As ListQuery has it.
int PageSizeOf(int32_t asked) { return asked == 0 ? 50 : std::min(asked, kMaxPageSize); }

}  // namespace

google::protobuf::Timestamp SweepManager::Stamp() const {
  return TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(options_.now()));
}

v1::Trial SweepManager::PublicTrial(const Live& live, const core::SearchTrial& trial, bool measurements) const {
  v1::Trial shown;
  shown.set_name(absl::StrCat(live.record.name(), "/trials/", trial.number));
  shown.set_number(trial.number);
  shown.set_state(trial.state);
  shown.set_reason(trial.reason);
  for (const v1::Assignment& assignment : trial.assignments) *shown.add_assignments() = assignment;
  if (trial.objective.has_value()) shown.set_objective(*trial.objective);
  shown.set_objective_step(trial.objective_step);
  shown.set_step(trial.step);
  shown.set_goal_step(trial.goal_step > 0 ? trial.goal_step : trial.total_steps);
  shown.set_total_steps(trial.total_steps);
  shown.set_rung(trial.rung);
  if (trial.parent != 0) shown.set_parent(absl::StrCat(live.record.name(), "/trials/", trial.parent));
  shown.set_parent_step(trial.parent_step);
  shown.set_generation(trial.generation);
  if (measurements) *shown.mutable_measurements() = {trial.measurements.begin(), trial.measurements.end()};
  *shown.mutable_create_time() = trial.create_time;
  if (trial.ended()) *shown.mutable_end_time() = trial.end_time;
  if (trial.state == v1::TRIAL_STATE_FAILED) *shown.mutable_error() = trial.error;
  shown.set_reruns(trial.reruns);
  shown.set_client(trial.client);
  if (live.record.spec().trained_by_clients()) return shown;
  if (const auto seen = live.seen.find(trial.number); seen != live.seen.end()) {
    shown.set_step(std::max(shown.step(), seen->second.step));
    shown.set_job_state(seen->second.state);
    if (shown.reason().empty()) shown.set_reason(seen->second.waits_for);
    if (seen->second.state != v1::JOB_STATE_UNSPECIFIED) {
      shown.set_job(absl::StrCat("jobs/", TrialJobId(live.record, trial.number)));
    }
    const auto& last = seen->second.last;
    if (!shown.has_objective() && last.has_value()) {
      shown.set_objective(last->value());
      shown.set_objective_step(last->step());
    }
  }
  return shown;
}

v1::Trial SweepManager::WithJob(const v1::Sweep& sweep, v1::Trial trial) {
  if (!trial.job().empty() || sweep.spec().trained_by_clients()) return trial;
  const auto job = jobs_->Get(TrialJobId(sweep, trial.number()));
  if (!job.ok() || !IsJobOf(*job, sweep, trial.number())) return trial;
  trial.set_job(job->name());
  trial.set_job_state(job->state());
  trial.set_step(std::max(trial.step(), job->progress().step()));
  return trial;
}

v1::SweepSummary SweepManager::SummaryOf(const Live& live) const {
  const core::Search& search = live.search;
  v1::SweepSummary summary;
  summary.set_trials(static_cast<uint32_t>(search.trials().size()));
  summary.set_planned_trials(search.PlannedTrials());
  double sum = 0, squares = 0;
  uint64_t steps = 0;
  std::string waits = live.trouble;
  for (const core::SearchTrial& trial : search.trials()) {
    ++(*summary.mutable_trials_by_state())[core::EnumName(trial.state)];
    const auto seen = live.seen.find(trial.number);
    const uint64_t reached = std::max(trial.step, seen == live.seen.end() ? 0 : seen->second.step);
    steps += reached - std::min(reached, trial.parent_step);
    if (waits.empty() && seen != live.seen.end()) waits = seen->second.waits_for;
    if (trial.state != v1::TRIAL_STATE_SUCCEEDED || !trial.objective.has_value()) continue;
    summary.set_finished(summary.finished() + 1);
    sum += *trial.objective;
  }
  const double count = summary.finished();
  if (count > 0) summary.set_mean(sum / count);
  for (const core::SearchTrial& trial : search.trials()) {
    if (trial.state != v1::TRIAL_STATE_SUCCEEDED || !trial.objective.has_value()) continue;
    squares += (*trial.objective - summary.mean()) * (*trial.objective - summary.mean());
  }
  if (count > 1) summary.set_standard_deviation(std::sqrt(squares / (count - 1)));
  if (const core::SearchTrial* best = search.Best(); best != nullptr) {
    *summary.mutable_best() = PublicTrial(live, *best, false);
    if (summary.best().job().empty() && !live.record.spec().trained_by_clients()) {
      summary.mutable_best()->set_job(absl::StrCat("jobs/", TrialJobId(live.record, best->number)));
    }
  }
  summary.set_steps(steps);
  summary.set_full_steps(search.FullSteps());
  if (search.terminal()) return summary;
  if (waits.empty() && live.record.spec().trained_by_clients()) {
    waits = absl::StrCat(search.Running(), " trials are with clients");
  } else if (waits.empty() && live.record.spec().has_external() && search.Running() == 0) {
    waits = "waits for CreateTrial";
  }
  summary.set_waits_for(waits);
  const double age = static_cast<double>(TimeUtil::TimestampToNanoseconds(Stamp()) -
                                         TimeUtil::TimestampToNanoseconds(live.record.create_time()));
  const uint64_t planned = search.PlannedSteps();
  if (steps > 0 && planned > 0 && age > 0) {
    const double left = static_cast<double>(planned - std::min(planned, steps)) / static_cast<double>(steps) * age;
    if (left < 9e18) *summary.mutable_remaining() = TimeUtil::NanosecondsToDuration(static_cast<int64_t>(left));
  }
  return summary;
}

v1::Sweep SweepManager::Public(const Live& live) const {
  v1::Sweep sweep = live.record;
  sweep.set_state(live.search.state());
  sweep.set_state_reason(live.search.reason());
  sweep.set_last_sequence(live.search.last_sequence());
  if (TimeUtil::TimestampToNanoseconds(live.search.update_time()) >
      TimeUtil::TimestampToNanoseconds(sweep.update_time())) {
    *sweep.mutable_update_time() = live.search.update_time();
  }
  sweep.set_etag(EtagOfSweep(live.record, live.search.last_sequence()));
  *sweep.mutable_summary() = SummaryOf(live);
  return sweep;
}

std::optional<v1::Sweep> SweepManager::FindEnded(const std::string& id) {
  {
    absl::MutexLock lock(&mu_);
    if (live_.count(id) > 0) return std::nullopt;
  }
  auto stored = store_->Get(id);
  if (!stored.ok() || !stored->sweep.has_end_time() || !stored->sweep.has_summary()) return std::nullopt;
  stored->sweep.set_etag(EtagOfSweep(stored->sweep, stored->sweep.last_sequence()));
  return std::move(stored->sweep);
}

absl::StatusOr<v1::ListSweepsResponse> SweepManager::List(const v1::ListSweepsRequest& request, const Caller& caller) {
  core::FieldErrors::Root errors;
  const ListQuery query = ListQuery::Parse(ListRequestOf(request), SweepCollection(), errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  Page<v1::Sweep> page(query, caller);
  v1::ListSweepsResponse response;
  const auto add = [&](StoredSweep stored) {
    stored.sweep.clear_spec();
    const bool inside = page.Offer(std::move(stored.sweep), std::make_pair(stored.key, int32_t{0}));
    return inside || !query.own_order();
  };
  const auto damaged = [&](std::string name) {
    if (caller.IsAdmin()) *response.add_unreachable() = std::move(name);  // Whose it was cannot be read.
  };
  const auto* before = query.after_key() == nullptr ? nullptr : std::get_if<1>(query.after_key());
  const absl::Status listed = store_->List(before == nullptr ? 0 : before->first, add, damaged);
  if (!listed.ok()) return listed;
  page.MoveTo(*response.mutable_sweeps(), *response.mutable_next_page_token());
  for (v1::Sweep& sweep : *response.mutable_sweeps()) {
    auto shown = Get(std::string(IdOf(sweep.name())));
    if (!shown.ok()) continue;  // It was deleted just now, or its log is damaged: what is known of it is here.
    sweep = *std::move(shown);
    sweep.clear_spec();
  }
  if (response.ByteSizeLong() > kMaxPageBytes && response.sweeps_size() > 1) {  // With what their best trials have.
    v1::ListSweepsRequest smaller = request;
    smaller.set_page_size(response.sweeps_size() / 2);
    return List(smaller, caller);
  }
  return response;
}

absl::StatusOr<v1::Sweep> SweepManager::Get(const std::string& id) {
  if (auto ended = FindEnded(id); ended.has_value()) return *std::move(ended);
  absl::MutexLock lock(&mu_);
  const auto live = Find(id);
  if (!live.ok()) return live.status();
  return Public(**live);
}

absl::StatusOr<v1::Trial> SweepManager::GetTrial(const std::string& id, const std::string& number) {
  v1::Trial trial;
  v1::Sweep record;
  {
    absl::MutexLock lock(&mu_);
    const auto live = Find(id);
    if (!live.ok()) return live.status();
    uint32_t wanted = 0;
    const core::SearchTrial* found = number == "best"                    ? (*live)->search.Best()
                                     : absl::SimpleAtoi(number, &wanted) ? (*live)->search.Find(wanted)
                                                                         : nullptr;
    if (found == nullptr) {
      return NotFoundError(
          "Trial", absl::StrCat("sweeps/", id, "/trials/", number),
          number == "best" ? "no trial has a value yet" : absl::StrCat("there are ", (*live)->search.trials().size()));
    }
    trial = PublicTrial(**live, *found, true);
    record = (*live)->record;
  }
  return WithJob(record, std::move(trial));
}

absl::StatusOr<v1::ListTrialsResponse> SweepManager::ListTrials(const v1::ListTrialsRequest& request,
                                                                const std::string& id) {
  core::FieldErrors::Root errors;
  const std::string& order = request.order_by();
  size_t first = 0;
  if (!order.empty() && order != "number" && order != "number desc" && order != "objective") {
    errors.scope("order_by").Add("must be \"number\", \"number desc\" or \"objective\"");
  }
  // A place in the list, and its order: objectives change, so a page by objective is a picture of its moment.
  const std::string mark = absl::StrCat(order.empty() ? "number" : order, "@");
  if (!request.page_token().empty()) {
    const bool mine =
        request.page_token().rfind(mark, 0) == 0 && absl::SimpleAtoi(request.page_token().substr(mark.size()), &first);
    if (!mine) errors.scope("page_token").Add("is none of a list with this order_by");
  }
  if (request.page_size() < 0) errors.scope("page_size").Add("must not be negative");
  if (!errors.ok()) return errors.ToStatus();
  const auto size = static_cast<size_t>(PageSizeOf(request.page_size()));
  v1::ListTrialsResponse response;
  v1::Sweep record;
  {
    absl::MutexLock lock(&mu_);
    const auto live = Find(id);
    if (!live.ok()) return live.status();
    record = (*live)->record;
    const core::Search& search = (*live)->search;
    std::vector<const core::SearchTrial*> trials;
    if (order == "objective") {
      trials = search.Ranked();
    } else {
      for (const core::SearchTrial& trial : search.trials()) trials.push_back(&trial);
      if (order == "number desc") std::reverse(trials.begin(), trials.end());
    }
    size_t next = first, bytes = 0;
    for (; next < trials.size() && next - first < size && bytes <= kMaxPageBytes; ++next) {
      *response.add_trials() = PublicTrial(**live, *trials[next], false);
      bytes += response.trials().rbegin()->ByteSizeLong();
    }
    if (next < trials.size()) response.set_next_page_token(absl::StrCat(mark, next));
  }
  for (v1::Trial& trial : *response.mutable_trials()) trial = WithJob(record, std::move(trial));
  return response;
}

absl::StatusOr<v1::ListSweepEntriesResponse> SweepManager::ListEntries(const v1::ListSweepEntriesRequest& request,
                                                                       const std::string& id) {
  core::FieldErrors::Root errors;
  if (request.page_size() < 0) errors.scope("page_size").Add("must not be negative");
  if (request.after_sequence() < 0) errors.scope("after_sequence").Add("must not be negative");
  if (!errors.ok()) return errors.ToStatus();
  const auto key = store_->KeyOf(id);
  if (!key.ok()) return key.status();
  v1::ListSweepEntriesResponse response;
  constexpr int kAtOnce = 20;  // Entries with long values may be large.
  int64_t after = request.after_sequence();
  size_t bytes = 0;
  for (int left = PageSizeOf(request.page_size()); left > 0;) {
    auto entries = store_->ReadEntries(*key, after, std::min(left, kAtOnce));
    if (!entries.ok()) return entries.status();
    if (entries->empty()) return response;
    for (v1::SweepEntry& entry : *entries) {
      if (bytes > kMaxPageBytes) return response;
      bytes += entry.ByteSizeLong();
      after = entry.sequence();
      *response.add_entries() = std::move(entry);
    }
    left -= static_cast<int>(entries->size());
  }
  return response;
}

}  // namespace traind::server

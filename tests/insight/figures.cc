#include "tests/insight/figures.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace traind::insight {
namespace {

double SecondsOf(const google::protobuf::Duration& duration) {
  return static_cast<double>(duration.seconds()) + 1e-9 * duration.nanos();
}

Look LookBy(const Run& run, const Recording& recording, const Heard& heard) {
  Look look;
  look.warned = heard.Warned();
  look.seconds = heard.seconds;
  look.events = heard.events;
  look.report_seconds = heard.report_seconds;
  look.reports = heard.reports;
  if (run.fault != nullptr) look.verdict = JudgeFault(run, recording, heard);
  for (const Told* root : heard.Roots()) {
    const v1::Finding& finding = root->finding;
    look.roots.push_back({finding.id(), finding.rule(), finding.cause(), finding.fix().has_mask()});
  }
  for (const Told& one : heard.findings) {
    if (!one.warned_at.has_value()) continue;
    const auto entry = look.rules.try_emplace(one.finding.rule(), *one.warned_at).first;
    entry->second = std::min(entry->second, *one.warned_at);
  }
  return look;
}

absl::StatusOr<Examined> ExamineOne(const Run& run, const std::vector<Profile>& profiles, const std::string& folder) {
  const auto recording = Load(run.id, folder);
  if (!recording.ok()) return recording.status();
  Examined one;
  one.run = &run;
  one.outcome = OutcomeOf(*recording);
  one.train_seconds = SecondsOf(recording->job.trained());
  for (const auto& [name, insight] : profiles) {
    const Heard heard = Listen(*recording, insight);
    one.looks.push_back(LookBy(run, *recording, heard));
    const auto roots = heard.Roots();
    if (one.looks.size() > 1 || run.fault == nullptr || roots.empty()) continue;
    if (auto spec = Mended(*recording, roots.front()->finding)) {
      one.mended = run;
      one.mended->id += "+fix";
      one.mended->job.spec = *std::move(spec);
    }
  }
  return one;
}

void Stand(std::vector<Examined>& all) {
  std::map<std::string, const Examined*> healthy;
  for (Examined& one : all) {
    if (one.run->fault != nullptr) continue;
    one.standing = one.outcome.result >= Bar(one.run->job.data) ? Standing::kHealthy : Standing::kPoor;
    healthy[one.run->id] = &one;
  }
  for (Examined& one : all) {
    if (one.run->fault == nullptr) continue;
    const auto base = healthy.find(HealthyIdOf(*one.run));
    one.base_result = base == healthy.end() ? 0 : base->second->outcome.result;
    const bool has_base = base != healthy.end() && base->second->standing == Standing::kHealthy;
    const bool harm = one.outcome.result < one.base_result - kHarm;
    one.standing = !has_base ? Standing::kNoBase : harm ? Standing::kFaulty : Standing::kHarmless;
  }
}

}  // namespace

std::vector<Profile> AllProfiles(const v1::InsightSpec& own) {
  std::vector<Profile> profiles = {{"default", own}};
  for (const auto& [name, profile] : {std::pair{"sagemaker", v1::InsightSpec::PROFILE_SAGEMAKER},
                                      {"deepdiagnosis", v1::InsightSpec::PROFILE_DEEPDIAGNOSIS},
                                      {"autotrainer", v1::InsightSpec::PROFILE_AUTOTRAINER},
                                      {"thedeepchecker", v1::InsightSpec::PROFILE_THEDEEPCHECKER}}) {
    v1::InsightSpec insight;
    insight.set_profile(profile);
    profiles.emplace_back(name, insight);
  }
  return profiles;
}

absl::StatusOr<std::vector<Examined>> Examine(const std::vector<Run>& runs, const std::vector<Profile>& profiles,
                                              const std::string& folder, int threads) {
  std::vector<absl::StatusOr<Examined>> found(runs.size(), absl::UnknownError(""));
  std::atomic<size_t> next = 0;
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&] {
      for (size_t i = next++; i < runs.size(); i = next++) found[i] = ExamineOne(runs[i], profiles, folder);
    });
  }
  for (std::thread& worker : workers) worker.join();
  std::vector<Examined> all;
  int missing = 0;
  for (auto& one : found) {
    if (one.ok()) {
      all.push_back(*std::move(one));
    } else if (absl::IsNotFound(one.status())) {
      ++missing;
    } else {
      return one.status();
    }
  }
  if (missing > 0) absl::FPrintF(stderr, "left out: %d runs that are not recorded\n", missing);
  Stand(all);
  return all;
}

std::vector<Run> ChooseFixes(const std::vector<Examined>& all, int count) {
  std::map<std::string, std::vector<const Examined*>> by_kind;
  for (const Half half : {Half::kReporting, Half::kTuning}) {
    for (const Examined& one : all) {
      if (one.standing != Standing::kFaulty || !one.mended.has_value() || HalfOf(*one.run) != half) continue;
      by_kind[one.run->kind].push_back(&one);
    }
  }
  std::vector<Run> chosen;
  for (size_t turn = 0; static_cast<int>(chosen.size()) < count; ++turn) {
    const size_t before = chosen.size();
    for (const auto& [kind, ones] : by_kind) {
      if (turn < ones.size() && static_cast<int>(chosen.size()) < count) chosen.push_back(*ones[turn]->mended);
    }
    if (chosen.size() == before) break;
  }
  return chosen;
}

absl::Status ReadFixes(const std::string& folder, std::vector<Examined>& all) {
  for (Examined& one : all) {
    if (one.standing != Standing::kFaulty || !one.mended.has_value() || !IsRecorded(*one.mended, folder)) continue;
    const auto recording = Load(one.mended->id, folder);
    if (!recording.ok()) return recording.status();
    one.after_fix = OutcomeOf(*recording);
  }
  return absl::OkStatus();
}

bool FixHelped(const Examined& one) {
  const Outcome &before = one.outcome, &after = *one.after_fix;
  const bool other_loss =
      one.run->job.spec.loss().SerializeAsString() != one.mended->job.spec.loss().SerializeAsString();
  const bool better = other_loss ? after.result > before.result : after.evaluation_loss < before.evaluation_loss;
  return after.finished && (!before.finished || better);
}

void Figures::Add(const Examined& one, size_t profile) {
  const Look& look = one.looks[profile];
  switch (one.standing) {
    case Standing::kHealthy:
      ++healthy;
      warned += look.warned ? 1 : 0;
      return;
    case Standing::kHarmless:
      ++harmless;
      harmless_warned += look.warned ? 1 : 0;
      return;
    case Standing::kPoor:
    case Standing::kNoBase:
      return;
    case Standing::kFaulty:
      break;
  }
  const Verdict& verdict = look.verdict;
  ++faulty;
  noticed += verdict.noticed ? 1 : 0;
  named += verdict.named ? 1 : 0;
  placed += verdict.layer_right.has_value() ? 1 : 0;
  layer_right += verdict.layer_right.value_or(false) ? 1 : 0;
  if (verdict.late.has_value()) late.push_back(*verdict.late);
  if (profile > 0 || !one.after_fix.has_value()) return;  // Fixes are tried of the first profile's findings.
  ++fixes;
  helped += FixHelped(one) ? 1 : 0;
}

uint64_t Figures::MedianLate() const {
  std::vector<uint64_t> sorted = late;
  std::sort(sorted.begin(), sorted.end());
  return sorted.empty() ? 0 : sorted[sorted.size() / 2];
}

double Figures::ShareInTime() const {
  const auto in_time = std::count_if(late.begin(), late.end(), [](uint64_t steps) { return steps <= kInTime; });
  return late.empty() ? 0 : static_cast<double>(in_time) / static_cast<double>(late.size());
}

}  // namespace traind::insight

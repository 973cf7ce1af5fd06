#include "tests/insight/report.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/base/file.h"

namespace traind::insight {
namespace {

constexpr double kGoalRecall = 0.95, kGoalFalse = 0.05, kGoalLayer = 0.8, kGoalFix = 0.8, kGoalCost = 0.002;
constexpr char kBegin[] = "<!-- measured: begin -->\n", kEnd[] = "<!-- measured: end -->\n";

double ShareOf(int part, int whole) { return whole == 0 ? 0 : static_cast<double>(part) / whole; }

// "95.0 % of 120"; "-" of none.
std::string Percent(int part, int whole) {
  return whole == 0 ? "-" : absl::StrFormat("%.1f %% of %d", 100 * ShareOf(part, whole), whole);
}
std::string Short(int part, int whole) {
  return whole == 0 ? "-" : absl::StrFormat("%.0f %%", 100 * ShareOf(part, whole));
}

template <class Wanted>
Figures Sum(const std::vector<Examined>& all, size_t profile, const Wanted& wanted) {
  Figures figures;
  for (const Examined& one : all) {
    if (wanted(one)) figures.Add(one, profile);
  }
  return figures;
}

Figures SumOfHalf(const std::vector<Examined>& all, size_t profile, Half half) {
  return Sum(all, profile, [half](const Examined& one) { return HalfOf(*one.run) == half; });
}

// Those that are held out; all, where none is.
std::vector<Examined> Reported(const std::vector<Examined>& all) {
  std::vector<Examined> held_out;
  for (const Examined& one : all) {
    if (HalfOf(*one.run) == Half::kReporting) held_out.push_back(one);
  }
  return held_out.empty() ? all : held_out;
}

std::string Machine() {
  std::ifstream cpus("/proc/cpuinfo");
  std::string line, model = "an unknown CPU";
  while (std::getline(cpus, line)) {
    if (line.rfind("model name", 0) == 0) model = line.substr(line.find(':') + 2);
  }
  return absl::StrCat(model, ", ", std::thread::hardware_concurrency(), " cores");
}

std::string ProfileRow(const std::string& name, const Figures& of) {
  return absl::StrFormat("| %s | %s | %s | %s | %s | %d | %s |\n", name, Percent(of.noticed, of.faulty),
                         Percent(of.named, of.faulty), Percent(of.warned, of.healthy),
                         Percent(of.layer_right, of.placed), of.MedianLate(),
                         of.late.empty() ? "-" : absl::StrFormat("%.1f %%", 100 * of.ShareInTime()));
}

// What it found, most often first: "update_ratio 12, non_finite 3".
std::string Frequent(const std::map<std::string, int>& counts, size_t most) {
  std::vector<std::pair<int, std::string>> sorted;
  for (const auto& [name, count] : counts) sorted.emplace_back(-count, name);
  std::sort(sorted.begin(), sorted.end());
  sorted.resize(std::min(sorted.size(), most));
  return absl::StrJoin(
      sorted, ", ", [](std::string* out, const auto& one) { absl::StrAppend(out, "`", one.second, "` ", -one.first); });
}

// What insight takes of a job's time.
struct Cost {
  explicit Cost(const std::vector<Examined>& all) {
    for (const Examined& one : all) {
      const Look& look = one.looks.front();
      seconds += look.seconds;
      train += one.train_seconds;
      report_seconds += look.report_seconds;
      reports += static_cast<double>(look.reports);
      others += static_cast<double>(look.events - look.reports);
    }
  }
  double Share() const { return train == 0 ? 0 : seconds / train; }
  double PerReport() const { return reports == 0 ? 0 : report_seconds / reports; }
  double PerOther() const { return others == 0 ? 0 : (seconds - report_seconds) / others; }
  // Of a job with a report a second and metrics four times a second, as jobs have by default.
  double ByDefault() const { return PerReport() + 4 * PerOther(); }

  double seconds = 0, train = 0, report_seconds = 0, reports = 0, others = 0;
};

std::string Introduction(const std::vector<Examined>& all) {
  std::set<std::string> kinds, harmful;
  std::map<Standing, int> count;
  const Cost cost(all);
  for (const Examined& one : all) {
    ++count[one.standing];
    if (one.run->fault != nullptr) kinds.insert(one.run->kind);
    if (one.standing == Standing::kFaulty) harmful.insert(one.run->kind);
  }
  return absl::StrFormat(
      "Measured on %s (%s): %d runs of %d steps, %.0f minutes of training on one thread each. %d kinds of fault, of "
      "which "
      "%d do harm somewhere: %d runs with a result worse by at least %.2f (accuracy, or R squared) than the same run "
      "without the fault. In %d runs the fault was harmless, which is no run that has to be noticed. Of %d runs "
      "without a "
      "fault %d reach the bar of their data and count as healthy; %d faulty runs are left out because their healthy "
      "one "
      "does not.\n\nInsight took %.0f us for a report of statistics and %.1f us for any other event: %.3f %% of the "
      "time of "
      "a job that reports statistics once a second and metrics four times, as jobs do by default (goal: %.1f %%). Of "
      "these "
      "runs, which report metrics in every step of a millisecond or so and statistics in every %d. one, it is %.1f "
      "%%.\n\n",
      absl::FormatTime("%Y-%m-%d", absl::Now(), absl::UTCTimeZone()), Machine(), all.size(), kSteps, cost.train / 60,
      kinds.size(), harmful.size(), count[Standing::kFaulty], kHarm, count[Standing::kHarmless],
      count[Standing::kHealthy] + count[Standing::kPoor], count[Standing::kHealthy], count[Standing::kNoBase],
      1e6 * cost.PerReport(), 1e6 * cost.PerOther(), 100 * cost.ByDefault(), 100 * kGoalCost, kStatisticsEvery,
      100 * cost.Share());
}

std::string ProfileTable(const std::vector<Examined>& all, const std::vector<Profile>& profiles) {
  std::string text =
      absl::StrCat("| profile | noticed | cause named | false warnings | right layer first | median step | within ",
                   kInTime, " steps |\n|---|---|---|---|---|---|---|\n| goal | 95 % |  | at most 5 % | 80 % |  |  |\n");
  for (size_t p = 0; p < profiles.size(); ++p) {
    absl::StrAppend(&text, ProfileRow(absl::StrCat("`", profiles[p].first, "`"), SumOfHalf(all, p, Half::kReporting)));
  }
  absl::StrAppend(&text, ProfileRow("`default`, tuning runs", SumOfHalf(all, 0, Half::kTuning)),
                  ProfileRow("`default`, all runs", Sum(all, 0, [](const Examined&) { return true; })));
  return text + "\n";
}

std::string FaultTable(const std::vector<Examined>& all) {
  std::string text =
      "| fault | harmful runs | noticed | named | layer right | median step | fix helps | roots |\n"
      "|---|---|---|---|---|---|---|---|\n";
  for (const Fault& fault : Faults()) {
    int runs = 0;
    std::map<std::string, int> roots;
    const Figures of = Sum(all, 0, [&](const Examined& one) { return one.run->fault == &fault; });
    for (const Examined& one : all) {
      if (one.run->fault != &fault || one.standing == Standing::kNoBase) continue;
      ++runs;
      if (one.standing == Standing::kFaulty && !one.looks[0].roots.empty()) ++roots[one.looks[0].roots.front().rule];
    }
    absl::StrAppendFormat(&text, "| %s | %d of %d | %s | %s | %s | %d | %s | %s |\n", fault.what, of.faulty, runs,
                          Short(of.noticed, of.faulty), Short(of.named, of.faulty), Short(of.layer_right, of.placed),
                          of.MedianLate(), of.fixes == 0 ? "-" : absl::StrFormat("%d of %d", of.helped, of.fixes),
                          Frequent(roots, 3));
  }
  return text + "\n";
}

struct OfRule {
  int faulty = 0, first_root = 0, right = 0, healthy = 0, fixes = 0, helped = 0;
  std::vector<uint64_t> steps;
};

std::map<std::string, OfRule> ByRule(const std::vector<Examined>& all) {
  std::map<std::string, OfRule> rules;
  for (const Examined& one : all) {
    const Look& look = one.looks.front();
    for (const auto& [rule, step] : look.rules) {
      if (one.standing == Standing::kHealthy) ++rules[rule].healthy;
      if (one.standing != Standing::kFaulty) continue;
      ++rules[rule].faulty;
      rules[rule].steps.push_back(step);
    }
    if (one.standing != Standing::kFaulty || look.roots.empty()) continue;
    OfRule& root = rules[look.roots.front().rule];
    const auto& good = one.run->fault->rules;
    ++root.first_root;
    root.right += std::find(good.begin(), good.end(), look.roots.front().rule) != good.end() ? 1 : 0;
    if (!one.after_fix.has_value()) continue;
    ++root.fixes;
    root.helped += FixHelped(one) ? 1 : 0;
  }
  return rules;
}

std::string RuleTable(const std::vector<Examined>& all) {
  std::string text =
      "| rule | warned of faulty runs | first root | of these right | warned of healthy runs | median step | fix helps "
      "|\n|---|---|---|---|---|---|---|\n";
  for (auto& [rule, of] : ByRule(all)) {
    std::vector<uint64_t> steps = of.steps;
    std::sort(steps.begin(), steps.end());
    absl::StrAppendFormat(&text, "| `%s` | %d | %d | %s | %d | %s | %s |\n", rule, of.faulty, of.first_root,
                          Short(of.right, of.first_root), of.healthy,
                          steps.empty() ? "-" : absl::StrCat(steps[steps.size() / 2]),
                          of.fixes == 0 ? "-" : absl::StrFormat("%d of %d", of.helped, of.fixes));
  }
  return text + "\n";
}

// Every goal that is not met, then the faults and rules that are behind it.
std::string Shortfall(const std::vector<Examined>& all) {
  const Figures of = Sum(all, 0, [](const Examined&) { return true; });
  const Cost cost(all);
  std::string text;
  const auto unless = [&text](bool met, const std::string& what) {
    if (!met) absl::StrAppend(&text, "- ", what, "\n");
  };
  unless(ShareOf(of.noticed, of.faulty) >= kGoalRecall, "Recall: " + Percent(of.noticed, of.faulty) + " are noticed.");
  unless(ShareOf(of.warned, of.healthy) <= kGoalFalse,
         "False warnings: " + Percent(of.warned, of.healthy) + " healthy runs.");
  unless(ShareOf(of.layer_right, of.placed) >= kGoalLayer,
         "Layer: " + Percent(of.layer_right, of.placed) + " have the right one first.");
  unless(of.fixes > 0 && ShareOf(of.helped, of.fixes) >= kGoalFix,
         "Fixes: " + Percent(of.helped, of.fixes) + " that were tried lower the loss.");
  unless(cost.ByDefault() <= kGoalCost, absl::StrFormat("Cost: %.2f %% of a job.", 100 * cost.ByDefault()));
  for (const Fault& fault : Faults()) {
    const Figures one = Sum(all, 0, [&](const Examined& run) { return run.run->fault == &fault; });
    if (one.faulty == 0) continue;
    unless(ShareOf(one.noticed, one.faulty) >= kGoalRecall,
           absl::StrCat("`", fault.name, "` (", fault.what, "): ", one.faulty - one.noticed, " of ", one.faulty,
                        " runs are not noticed."));
    unless(ShareOf(one.named, one.faulty) >= kGoalLayer,
           absl::StrCat("`", fault.name, "`: ", one.faulty - one.named, " of ", one.faulty,
                        " runs have no root that names the cause."));
  }
  for (const auto& [rule, sum] : ByRule(all)) {
    unless(sum.healthy == 0, absl::StrCat("`", rule, "` warns of ", sum.healthy, " of ", of.healthy, " healthy runs."));
    unless(sum.fixes == 0 || ShareOf(sum.helped, sum.fixes) >= kGoalFix,
           absl::StrCat("The fix of `", rule, "` helps in ", sum.helped, " of ", sum.fixes, " runs."));
  }
  return text.empty() ? "All goals are met.\n\n" : text + "\n";
}

}  // namespace

std::string Report(const std::vector<Examined>& all, size_t planned, const std::vector<Profile>& profiles) {
  const std::vector<Examined> reported = Reported(all);
  const Figures of = Sum(reported, 0, [](const Examined&) { return true; });
  const bool held_out = !reported.empty() && HalfOf(*reported.front().run) == Half::kReporting;
  const std::string whose = held_out ? "Runs that are held out" : "All runs: none that is held out is recorded";
  return absl::StrCat(
      Introduction(all),
      all.size() == planned ? ""
                            : absl::StrCat("Only ", all.size(), " of ", planned, " planned runs are recorded.\n\n"),
      "### By profile\n\n",
      "Of runs that are held out (other seeds, other examples, other styles than those that thresholds were set by), "
      "but "
      "for the last rows. \"Noticed\": anything is WARNING or worse; \"named\": the rule of a root is one that says "
      "what is wrong; \"right layer first\": of faults that sit in certain layers, the first root names one of "
      "them.\n\n",
      ProfileTable(all, profiles),
      "Fixes of these that were tried, each in a run of its own: the loss of the evaluation is lower (with another "
      "loss "
      "the result better) in ",
      Percent(of.helped, of.fixes), " (goal: 80 %).\n\n", "### By fault\n\n", whose, ", profile `default`.\n\n",
      FaultTable(reported), "### By rule\n\n", whose, ", profile `default`.\n\n", RuleTable(reported),
      "### What falls short\n\n", Shortfall(reported));
}

std::string RunLines(const std::vector<Examined>& all, size_t profile) {
  constexpr const char* kStandings[] = {"healthy", "FAULTY", "harmless", "poor", "no base"};
  std::string text;
  for (const Examined& one : all) {
    const Look& look = one.looks[profile];
    absl::StrAppendFormat(&text, "%-40s %-8s %.3f", one.run->id, kStandings[static_cast<int>(one.standing)],
                          one.outcome.result);
    if (one.run->fault != nullptr) absl::StrAppendFormat(&text, " (healthy %.3f)", one.base_result);
    if (!one.outcome.finished) absl::StrAppend(&text, " FAILED");
    if (one.run->fault != nullptr && look.warned) {
      absl::StrAppend(&text, look.verdict.named ? " named" : " NOT NAMED",
                      look.verdict.layer_right.value_or(true) ? "" : " WRONG LAYER", " after ",
                      look.verdict.late.value_or(0));
    }
    if (one.standing == Standing::kFaulty && !look.warned) absl::StrAppend(&text, " NOT NOTICED");
    if (one.after_fix.has_value()) {
      absl::StrAppendFormat(&text, " fix %s: %.3f, loss %.4g, was %.4g", FixHelped(one) ? "helps" : "DOES NOT HELP",
                            one.after_fix->result, one.after_fix->evaluation_loss, one.outcome.evaluation_loss);
    }
    for (const auto& [rule, step] : look.rules) absl::StrAppend(&text, " ", rule, "@", step);
    absl::StrAppend(&text, "\n");
    for (const RootSeen& root : look.roots) absl::StrAppend(&text, "    ", root.id, ": ", root.cause, "\n");
  }
  return text;
}

absl::Status ReplaceMeasured(const std::string& path, const std::string& text) {
  auto content = core::ReadFile(path, int64_t{16} << 20);
  if (!content.ok()) return content.status();
  const size_t begin = content->find(kBegin), end = content->find(kEnd);
  const bool once = begin != std::string::npos && end != std::string::npos && begin < end &&
                    content->find(kBegin, begin + 1) == std::string::npos &&
                    content->find(kEnd, end + 1) == std::string::npos;
  if (!once) {
    return absl::FailedPreconditionError(absl::StrCat(path, " has not the lines ", absl::StripSuffix(kBegin, "\n"),
                                                      " and ", absl::StripSuffix(kEnd, "\n"), " once each"));
  }
  const size_t after = begin + sizeof(kBegin) - 1;
  return core::AtomicWrite(path, absl::StrCat(content->substr(0, after), "\n", text, content->substr(end)), 0666);
}

}  // namespace traind::insight

#include "tests/insight/pictures.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/fix.h"
#include "core/base/file.h"
#include "core/base/registry.h"
#include "core/insight/resolve.h"
#include "proto/commented.h"
#include "tests/insight/drawing.h"
#include "tests/insight/judge.h"
#include "tests/insight/pictured.h"

namespace traind::insight {
namespace {

// --- Runs.

absl::Status RecordThese(const std::vector<Run>& runs, const std::string& dir, int jobs) {
  std::map<std::string, Run> each;
  for (const Run& run : runs) each.emplace(run.id, run);
  std::vector<Run> once;
  for (auto& [id, run] : each) once.push_back(std::move(run));
  const std::vector<std::string> failed = RecordAll(once, dir, jobs);
  return failed.empty() ? absl::OkStatus() : absl::FailedPreconditionError(absl::StrJoin(failed, "; "));
}

// A run that has the rule, and the one it is compared with.
struct Pair {
  const Shown* shown = nullptr;
  std::string text;  // Of `shown->runs`.
  Run faulty, better;
  v1::Finding finding;
  uint64_t noticed_at = 0;
  bool mended = false;  // By the finding's own fix; else `better` is the healthy run.
};

absl::StatusOr<std::optional<Pair>> Find(const Shown& shown, const std::string& dir) {
  for (const char* text : shown.runs) {
    auto faulty = RunOf(text, false);
    if (!faulty.ok()) return faulty.status();
    const auto recording = Load(faulty->id, dir);
    if (!recording.ok()) return recording.status();
    const Heard heard = Listen(*recording, recording->job.spec().insight());
    const Told* told = nullptr;
    for (const Told& one : heard.findings) {
      if (one.finding.rule() == shown.rule && (told == nullptr || one.worst > told->worst)) told = &one;
    }
    if (told == nullptr) continue;
    auto healthy = RunOf(text, true);
    if (!healthy.ok()) return healthy.status();
    Pair pair = {.shown = &shown,
                 .text = text,
                 .faulty = *faulty,
                 .better = *std::move(healthy),
                 .finding = told->finding,
                 .noticed_at = told->warned_at.value_or(told->finding.first_step())};
    pair.finding.set_severity(told->worst);
    if (const auto spec = Mended(*recording, told->finding)) {
      pair.better = *std::move(faulty);
      pair.better.id = absl::StrCat(pair.better.id, "-mended-", shown.rule);
      pair.better.job.spec = *spec;
      pair.mended = true;
    }
    return pair;
  }
  return std::nullopt;
}

// --- Words and pictures.

std::vector<std::pair<uint64_t, double>> CurveOf(const Recording& recording, Quantity quantity) {
  std::vector<std::pair<uint64_t, double>> curve;
  for (const v1::Event& event : recording.events) {
    if (quantity == Quantity::kTrainLoss && event.has_train()) curve.emplace_back(event.step(), event.train().loss());
    if (quantity == Quantity::kTrainLoss || !event.has_evaluation()) continue;
    const v1::EvaluationMetrics& evaluation = event.evaluation();
    const double result =
        evaluation.has_accuracy() ? evaluation.accuracy() : 1 - evaluation.loss() / recording.target_variance;
    curve.emplace_back(event.step(), quantity == Quantity::kResult ? result : evaluation.loss());
  }
  return curve;
}

std::string NameOfQuantity(Quantity quantity) {
  return quantity == Quantity::kTrainLoss        ? "training loss"
         : quantity == Quantity::kEvaluationLoss ? "evaluation loss"
                                                 : "evaluation accuracy";
}

// The mean of the last tenth.
std::string EndOf(const std::vector<std::pair<uint64_t, double>>& curve) {
  const size_t count = std::max<size_t>(1, curve.size() / 10);
  double sum = 0;
  for (size_t i = curve.size() - std::min(count, curve.size()); i < curve.size(); ++i) sum += curve[i].second;
  return curve.empty() ? "-" : absl::StrFormat("%.3g", sum / static_cast<double>(count));
}

// Text in Markdown that is no markup.
std::string PlainText(const std::string& text) {
  return absl::StrReplaceAll(text, {{"<", "&lt;"}, {"|", "\\|"}, {"*", "\\*"}, {"_", "\\_"}});
}

std::string CommentOfRule(const std::string& rule) {
  const auto* holder = CommentedFiles().FindMessageTypeByName(v1::Rule::descriptor()->full_name());
  return CommentOf(*holder->FindFieldByName(rule)->message_type());
}

uint32_t SlideOf(const std::string& rule) {
  core::FieldErrors::Root ignored;
  v1::InsightSpec all;
  for (const auto& [name, one] : core::ResolveInsight(all, ignored.scope())) {
    if (name == rule) return one->traits().slide;
  }
  return 0;
}

std::string EvidenceText(const v1::Evidence& evidence) {
  if (evidence.relation() == v1::Evidence::RELATION_UNSPECIFIED) return "";
  return absl::StrFormat(" (%s %.3g, %s %.3g)", evidence.quantity(), evidence.value(),
                         evidence.relation() == v1::Evidence::RELATION_ABOVE ? "above" : "below", evidence.threshold());
}

std::string ChangeText(const v1::JobSpec& before, const v1::JobSpec& after) {
  constexpr size_t kMostChangesTold = 2;
  const std::vector<client::FieldChange> changes = client::ChangesBetween(before, after);
  std::vector<std::string> told;
  for (const client::FieldChange& change : changes) {
    if (told.size() == kMostChangesTold) break;
    told.push_back(absl::StrCat("`", change.path, "`: ", change.before.empty() ? "not set" : "`" + change.before + "`",
                                " becomes ", change.after.empty() ? "not set" : "`" + change.after + "`"));
  }
  const size_t more = changes.size() - told.size();
  return absl::StrCat(absl::StrJoin(told, ", "), more > 0 ? absl::StrCat(", and ", more, " more like it") : "");
}

std::string HeadingOf(const std::string& rule) {
  const uint32_t slide = SlideOf(rule);
  const std::string comment = CommentOfRule(rule);
  const bool told = slide == 0 || absl::StrContains(comment, "slide");
  return absl::StrCat("## `", rule, "`\n\n", PlainText(comment), told ? "" : absl::StrCat(" Slide ", slide, "."), "\n");
}

std::string SectionOf(const Pair& pair, const Drawing& drawing, const Recording& faulty, const Recording& better) {
  const std::vector<std::string> parts = absl::StrSplit(pair.text, ' ');
  const std::string severity = v1::Finding::Severity_Name(pair.finding.severity()).substr(sizeof("SEVERITY_") - 1);
  const std::string& words = pair.finding.fix().words();
  std::string text = absl::StrCat(
      HeadingOf(pair.shown->rule), "\n- Seen in network `", parts[0], "` on data `", parts[1], "`, ", WordsOf(parts[2]),
      ": **", severity, "** at step ", pair.noticed_at, ", \"", PlainText(pair.finding.cause()), "\"",
      PlainText(EvidenceText(pair.finding.evidence())), ".\n- What helps: ", PlainText(words), ".");
  if (pair.mended) {
    absl::StrAppend(&text, " Mended by the finding's fix: ", ChangeText(faulty.job.spec(), better.job.spec()), ".");
  } else {
    absl::StrAppend(&text, " No program can make this change; the other curve is the same job without the fault.");
  }
  absl::StrAppend(&text, "\n- At the end: ", drawing.quantity, " ", EndOf(drawing.with), " with it, ",
                  EndOf(drawing.without), " ", drawing.without_name, ".\n\n![", drawing.quantity,
                  " with the fault and ", drawing.without_name, "](insight/", pair.shown->rule, ".svg)\n\n");
  return text;
}

absl::StatusOr<std::string> Show(const Pair& pair, const std::string& dir, const std::string& root) {
  const auto faulty = Load(pair.faulty.id, dir);
  if (!faulty.ok()) return faulty.status();
  const auto better = Load(pair.better.id, dir);
  if (!better.ok()) return better.status();
  Drawing drawing = {.quantity = NameOfQuantity(pair.shown->quantity),
                     .with = CurveOf(*faulty, pair.shown->quantity),
                     .without = CurveOf(*better, pair.shown->quantity),
                     .without_name = pair.mended ? "mended" : "without it",
                     .noticed_at = pair.noticed_at,
                     .noticed = pair.finding.id()};
  if (pair.shown->quantity == Quantity::kResult && faulty->target_variance > 0) drawing.quantity = "R squared";
  const absl::Status status =
      core::AtomicWrite(absl::StrCat(root, "/docs/insight/", pair.shown->rule, ".svg"), Draw(drawing));
  if (!status.ok()) return status;
  return SectionOf(pair, drawing, *faulty, *better);
}

constexpr char kPageHead[] =
    R"(# The rules of insight, one by one

What each rule sees and why that is a fault (the words of `trainctl explain`), a run that has it, and the same run mended. Made by

    build/release/bin/traind-insight-bench --pictures .

of real runs: small jobs of 300 steps, the networks and data of [the benchmark](../tests/insight). The mended run has the change that
the finding itself suggests, where a program can make it; else it is the same job without the fault. The dotted line is where the
finding was told first. Some faults cost little in 300 steps, and their pictures show that, too. [insight.md](insight.md) says how it
is decided and how well it works.

)";

}  // namespace

absl::Status MakePictures(const std::string& root, const std::string& dir, int jobs) {
  for (const std::string& folder : {dir, root + "/docs/insight"}) {
    if (absl::Status status = core::CreateFolders(folder); !status.ok()) return status;
  }
  std::vector<Run> runs;
  for (const Shown& shown : AllShown()) {
    for (const char* text : shown.runs) {
      for (const bool healthy : {false, true}) {
        auto run = RunOf(text, healthy);
        if (!run.ok()) return run.status();
        runs.push_back(*std::move(run));
      }
    }
  }
  if (absl::Status status = RecordThese(runs, dir, jobs); !status.ok()) return status;
  std::map<std::string, Pair> pairs;
  std::vector<std::string> missing;
  runs.clear();
  for (const Shown& shown : AllShown()) {
    auto pair = Find(shown, dir);
    if (!pair.ok()) return pair.status();
    if (!pair->has_value()) {
      missing.push_back(absl::StrCat(shown.rule, ": none of its runs has it"));
      continue;
    }
    runs.push_back((*pair)->better);
    pairs.emplace(shown.rule, **std::move(pair));
  }
  if (absl::Status status = RecordThese(runs, dir, jobs); !status.ok())
    missing.push_back(std::string(status.message()));
  std::string page = kPageHead;
  for (const std::string& rule : core::RuleNames()) {
    const auto pair = pairs.find(rule);
    const auto none = std::find_if(WithoutPicture().begin(), WithoutPicture().end(),
                                   [&](const Unpictured& one) { return one.rule == rule; });
    if (pair != pairs.end()) {
      const auto section = Show(pair->second, dir, root);
      if (section.ok()) {
        page += *section;
        continue;
      }
      missing.push_back(absl::StrCat(rule, ": ", section.status().message()));
    }
    if (none != WithoutPicture().end()) {
      absl::StrAppend(&page, HeadingOf(rule), "\nIt has no picture. ", none->why, "\n\n");
    } else {
      absl::StrAppend(&page, HeadingOf(rule), "\nIt has no picture: none of the runs tried for it has it.\n\n");
    }
  }
  page.pop_back();
  if (absl::Status status = core::AtomicWrite(root + "/docs/insight-rules.md", page); !status.ok()) return status;
  return missing.empty() ? absl::OkStatus() : absl::FailedPreconditionError(absl::StrJoin(missing, "\n  "));
}

}  // namespace traind::insight

// traind-insight-bench: faults put into healthy jobs, and what insight says of them. tests/insight/README.md.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/base/engine_process.h"
#include "core/base/file.h"
#include "core/insight/resolve.h"
#include "google/protobuf/text_format.h"
#include "tests/insight/figures.h"
#include "tests/insight/pictures.h"
#include "tests/insight/report.h"
#include "tests/insight/runs.h"

namespace traind::insight {
namespace {

constexpr char kUsage[] =
    R"(traind-insight-bench: puts faults into healthy jobs, trains them, and counts what insight says of them.

  traind-insight-bench                                 all runs; recorded ones are not trained again
  traind-insight-bench --report docs/insight.md        ... and writes the section "Measured"
  traind-insight-bench --quick                         three faults, one seed, two networks: a few seconds
  traind-insight-bench --only rate_high,dead_layer --runs     what is told of each run with these faults
  traind-insight-bench --insight 'thresholds { dead_relu { most_share: 0.4 } }'    other thresholds, same recordings
  traind-insight-bench --list                          the faults, and which rules name them

  --dir DIR       where data and recordings are kept (default /var/tmp/traind-insight); remove it to begin anew
  --jobs N        trainings at a time, of one thread each (default 2)
  --seeds N       seeds of each run that thresholds may be set by (default 5; 0: none)
  --held-out N    other seeds, with other examples and styles, that the figures are of (default 2; 0: none)
  --only A,B      faults; healthy runs are then those that they are compared with
  --nets A,B      of lenet, mlp, cnn, residual
  --data A,B      of fashion, digits, blobs, circles, regression
  --fixes N       how many suggested fixes are tried, each by a training of its own (default 120)
  --insight TEXT  an InsightSpec in text format, in place of the default profile
  --profile NAME  with --runs: default, sagemaker, deepdiagnosis, autotrainer or thedeepchecker
  --runs          prints a line for each run, with its findings
  --recorded      trains nothing: figures of what is recorded
  --pictures ROOT trains a run for each rule and writes docs/insight-rules.md and its pictures below ROOT; nothing else
  --report FILE   replaces what stands between "<!-- measured: begin -->" and "<!-- measured: end -->" in the file

Exit code: 0; 1 when a run could not be recorded or read; 2 for a wrong command line.
)";

struct Options {
  std::string dir = "/var/tmp/traind-insight", report, pictures, profile = "default";
  Choice choice = {.held_out = 2, .faults = {}, .data = {}, .nets = {}};
  int jobs = 2, fixes = 120;
  bool whole = true, recorded = false, runs = false, list = false;
  v1::InsightSpec insight;
};

bool Fail(const std::string& message) {
  absl::FPrintF(stderr, "traind-insight-bench: %s; --help says more\n", message);
  return false;
}

bool ParseCount(const std::string& option, const std::string& text, int least, int& value) {
  if (absl::SimpleAtoi(text, &value) && value >= least && value <= 1000) return true;
  return Fail(absl::StrCat(option, " must be a number from ", least, " to 1000, not \"", text, "\""));
}

bool ParseNames(const std::string& option, const std::string& text, const std::vector<std::string>& known,
                std::vector<std::string>& names) {
  names = absl::StrSplit(text, ',');
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    return Fail(absl::StrCat(option, ": there is no \"", name, "\"; there are ", absl::StrJoin(known, ", ")));
  }
  return true;
}

bool ParseInsight(const std::string& text, v1::InsightSpec& insight) {
  if (!google::protobuf::TextFormat::ParseFromString(text, &insight)) {
    return Fail("--insight is no InsightSpec in text format");
  }
  core::FieldErrors::Root errors;
  v1::InsightSpec resolved = insight;
  core::ResolveInsight(resolved, errors.scope("insight"));
  return errors.ok() || Fail(std::string(errors.ToStatus().message()));
}

template <class All>
std::vector<std::string> NamesOf(const All& all) {
  std::vector<std::string> names;
  for (const auto one : all) names.push_back(NameOf(one));
  return names;
}

bool ParseValue(const std::string& option, const std::string& value, Options& options) {
  std::vector<std::string> faults, profiles;
  for (const Fault& fault : Faults()) faults.push_back(fault.name);
  for (const Profile& profile : AllProfiles({})) profiles.push_back(profile.first);
  std::vector<std::string> one;
  if (option == "--dir") return options.dir = value, !value.empty() || Fail("--dir must not be empty");
  if (option == "--report") return options.report = value, true;
  if (option == "--pictures") return options.pictures = value, !value.empty() || Fail("--pictures must not be empty");
  if (option == "--jobs") return ParseCount(option, value, 1, options.jobs);
  if (option == "--fixes") return ParseCount(option, value, 0, options.fixes);
  if (option == "--insight") return ParseInsight(value, options.insight);
  if (option == "--profile") return options.profile = value, ParseNames(option, value, profiles, one);
  options.whole = false;
  if (option == "--seeds") return ParseCount(option, value, 0, options.choice.seeds);
  if (option == "--held-out") return ParseCount(option, value, 0, options.choice.held_out);
  if (option == "--only") return ParseNames(option, value, faults, options.choice.faults);
  if (option == "--nets") return ParseNames(option, value, NamesOf(kAllNets), options.choice.nets);
  if (option == "--data") return ParseNames(option, value, NamesOf(kAllData), options.choice.data);
  return Fail("there is no option " + option);
}

bool Parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--runs") {
      options.runs = true;
    } else if (option == "--recorded") {
      options.recorded = true;
    } else if (option == "--list") {
      options.list = true;
    } else if (option == "--quick") {
      options.whole = false;
      options.choice = {.seeds = 1,
                        .held_out = 0,
                        .faults = {"zero_layer", "dead_layer", "rate_high"},
                        .data = {"blobs"},
                        .nets = {"mlp", "residual"}};
    } else if (i + 1 == argc) {
      return Fail(absl::StrCat("there is no option ", option, ", or it wants a value"));
    } else if (!ParseValue(option, argv[++i], options)) {
      return false;
    }
  }
  if (options.report.empty() || options.whole) return true;
  return Fail("--report takes all runs: not with --quick, --only, --seeds, --held-out, --nets or --data");
}

void List() {
  for (const Fault& fault : Faults()) {
    absl::PrintF("%-20s %s\n%-20s   named by %s\n", fault.name, fault.what, "", absl::StrJoin(fault.rules, ", "));
  }
}

// Starts this program again with the settings of a worker of one thread, unless it has them.
void BecomeAWorker(char** argv) {
  std::vector<std::string> settings = core::EngineEnvironment(environ, 1);
  std::vector<char*> pointers;
  bool same = true;
  for (size_t i = 0; i < settings.size(); ++i) {
    same = same && environ[i] != nullptr && settings[i] == environ[i];
    pointers.push_back(settings[i].data());
  }
  if (same) return;
  pointers.push_back(nullptr);
  execve("/proc/self/exe", argv, pointers.data());
  std::perror("cannot start again with the settings of a worker");
  std::exit(1);
}

void Tell(const std::vector<std::string>& failed) {
  for (const std::string& message : failed) absl::FPrintF(stderr, "not recorded: %s\n", message);
}

absl::Status Measure(const Options& options, bool& all_recorded) {
  if (absl::Status status = core::CreateFolders(options.dir); !status.ok()) return status;
  const std::vector<Run> runs = PlanRuns(options.choice);
  std::vector<std::string> failed;
  if (!options.recorded) failed = RecordAll(runs, options.dir, options.jobs);
  Tell(failed);
  all_recorded = failed.empty();
  const std::vector<Profile> profiles = AllProfiles(options.insight);
  auto all = Examine(runs, profiles, options.dir, options.jobs);
  if (!all.ok()) return all.status();
  failed.clear();
  if (!options.recorded) failed = RecordAll(ChooseFixes(*all, options.fixes), options.dir, options.jobs);
  Tell(failed);
  all_recorded = all_recorded && failed.empty();
  if (absl::Status status = ReadFixes(options.dir, *all); !status.ok()) return status;
  if (options.runs) {
    const auto profile = std::find_if(profiles.begin(), profiles.end(),
                                      [&](const Profile& one) { return one.first == options.profile; });
    absl::PrintF("%s\n", RunLines(*all, static_cast<size_t>(profile - profiles.begin())));
  }
  const std::string report = Report(*all, runs.size(), profiles);
  absl::PrintF("%s", report);
  return options.report.empty() ? absl::OkStatus() : ReplaceMeasured(options.report, report);
}

int Main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) != "--help" && std::string_view(argv[i]) != "-h") continue;
    std::fputs(kUsage, stdout);
    return 0;
  }
  Options options;
  if (!Parse(argc, argv, options)) return 2;
  if (options.list) {
    List();
    return 0;
  }
  BecomeAWorker(argv);
  bool all_recorded = true;
  const absl::Status status = options.pictures.empty() ? Measure(options, all_recorded)
                                                       : MakePictures(options.pictures, options.dir, options.jobs);
  if (!status.ok()) {
    absl::FPrintF(stderr, "traind-insight-bench: %s\n", std::string(status.message()));
    return 1;
  }
  return all_recorded ? 0 : 1;
}

}  // namespace
}  // namespace traind::insight

int main(int argc, char** argv) { return traind::insight::Main(argc, argv); }

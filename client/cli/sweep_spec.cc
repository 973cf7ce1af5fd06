#include "client/cli/sweep_spec.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "client/cli/flags.h"
#include "client/cli/labels.h"
#include "client/field_path.h"
#include "client/suggest.h"

namespace traind::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr uint32_t kMostSweepTrials = 1000;  // As in SweepBudget.max_trials.

absl::Status Wrong(absl::string_view vary, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("--vary ", vary, ": ", what));
}

// Cut at the commas outside of brackets and quotes.
std::vector<std::string> SplitValues(absl::string_view text) {
  std::vector<std::string> values(1);
  int depth = 0;
  char quote = 0;
  for (const char c : text) {
    if (c == ',' && depth == 0 && quote == 0) {
      values.emplace_back();
      continue;
    }
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '{' || c == '[' || c == '<') {
      ++depth;
    } else if (c == '}' || c == ']' || c == '>') {
      --depth;
    }
    values.back() += c;
  }
  for (std::string& value : values) value = std::string(absl::StripAsciiWhitespace(value));
  return values;
}

// Of a path that SetField takes.
const FieldDescriptor* FieldAt(absl::string_view path) {
  const absl::StatusOr<std::vector<FieldStep>> steps = ParseFieldPath(path);
  const Descriptor* message = v1::JobSpec::descriptor();
  const FieldDescriptor* field = nullptr;
  for (const FieldStep& step : *steps) {
    field = message->FindFieldByName(step.field);
    message = field->message_type();
  }
  return field;
}

bool IsInteger(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return true;
    default:
      return false;
  }
}

// "1e-4..1e-1:log:5" as its parts.
struct RangeText {
  std::string low, high;
  bool log = false, integer = false;
  uint32_t points = 0;
};

// Nullopt: no range. An error: one with something unknown behind it.
absl::StatusOr<std::optional<RangeText>> ReadRange(absl::string_view vary, absl::string_view values) {
  const std::vector<std::string> parts = absl::StrSplit(values, ':');
  const std::vector<std::string> ends = absl::StrSplit(parts[0], absl::MaxSplits("..", 1));
  double low = 0, high = 0;
  if (ends.size() != 2 || !absl::SimpleAtod(ends[0], &low) || !absl::SimpleAtod(ends[1], &high)) return std::nullopt;
  RangeText range{.low = ends[0], .high = ends[1]};
  for (size_t i = 1; i < parts.size(); ++i) {
    if (parts[i] == "log") {
      range.log = true;
    } else if (parts[i] == "int") {
      range.integer = true;
    } else if (!absl::SimpleAtoi(parts[i], &range.points) || range.points < 2) {
      return Wrong(vary, absl::StrCat("\"", parts[i],
                                      "\" behind a range: there are log, int and, for --grid, the number "
                                      "of points (2 or more), as in 1e-4..1e-1:log:5"));
    }
  }
  if (!(low < high)) return Wrong(vary, absl::StrCat(range.low, " must be less than ", range.high));
  if (range.log && !(low > 0)) return Wrong(vary, "log takes numbers greater than 0");
  return range;
}

absl::Status SetRange(absl::string_view vary, const RangeText& range, v1::Parameter& parameter) {
  if (range.integer) {
    v1::IntegerRange& integer = *parameter.mutable_integer();
    int64_t low = 0, high = 0;
    if (!absl::SimpleAtoi(range.low, &low) || !absl::SimpleAtoi(range.high, &high)) {
      return Wrong(vary, "the ends of a range of integers must be integers, as in 16..256");
    }
    integer.set_low(low);
    integer.set_high(high);
    integer.set_log(range.log);
    integer.set_points(range.points);
    return absl::OkStatus();
  }
  v1::Range& numbers = range.log ? *parameter.mutable_log_uniform() : *parameter.mutable_uniform();
  double low = 0, high = 0;
  if (!absl::SimpleAtod(range.low, &low) || !absl::SimpleAtod(range.high, &high)) return Wrong(vary, "no numbers");
  numbers.set_low(low);
  numbers.set_high(high);
  numbers.set_points(range.points);
  return absl::OkStatus();
}

// The algorithm that the options ask for; none: that of the file, or a grid where all has choices.
absl::Status SetAlgorithm(const Context& context, const SweepSpecOptions& options, v1::SweepSpec& spec) {
  const int asked =
      (options.grid ? 1 : 0) + (options.random ? 1 : 0) + (options.latin ? 1 : 0) + (options.asha ? 1 : 0);
  if (asked > 1) return absl::InvalidArgumentError("only one of --grid, --random, --latin and --asha can be said");
  if ((options.min_epochs || options.min_steps) && !options.asha && !spec.has_asha()) {
    return absl::InvalidArgumentError("--min-epochs and --min-steps are the first rung of --asha");
  }
  if (options.grid) {
    spec.mutable_grid();
  } else if (options.random) {
    spec.mutable_random();
  } else if (options.latin) {
    spec.mutable_latin_hypercube();
  } else if (options.asha) {
    spec.mutable_asha();
  } else if (spec.algorithm_case() == v1::SweepSpec::ALGORITHM_NOT_SET) {
    const bool choices = std::all_of(spec.space().begin(), spec.space().end(),
                                     [](const v1::Parameter& parameter) { return parameter.has_choice(); });
    if (!choices)
      return absl::InvalidArgumentError("how shall it search? say --random N, --latin N, --asha N or --grid");
    spec.mutable_grid();
    context.Note("a grid of all values; --random N tries N of them");
  }
  for (const std::optional<uint32_t>& trials : {options.random, options.latin, options.asha}) {
    if (trials) spec.mutable_budget()->set_max_trials(*trials);
  }
  if (options.min_epochs) spec.mutable_asha()->set_min_epochs(*options.min_epochs);
  if (options.min_steps) spec.mutable_asha()->set_min_steps(*options.min_steps);
  if (spec.has_asha() && spec.asha().min_case() == v1::Asha::MIN_NOT_SET) {
    return absl::InvalidArgumentError("--asha needs its first rung: --min-epochs or --min-steps");
  }
  return absl::OkStatus();
}

absl::Status SetRest(const SweepSpecOptions& options, v1::SweepSpec& spec) {
  if (!options.maximize.empty()) {
    spec.mutable_objective()->set_metric(options.maximize);
    spec.mutable_objective()->set_goal(v1::Objective::GOAL_MAXIMIZE);
  } else if (!options.minimize.empty()) {
    spec.mutable_objective()->set_metric(options.minimize);
    spec.mutable_objective()->set_goal(v1::Objective::GOAL_MINIMIZE);
  }
  if (options.parallel) spec.set_parallelism(*options.parallel);
  if (options.seed) spec.set_seed(*options.seed);
  SetLabels(options.labels, *spec.mutable_labels());
  if (options.duration.empty()) return absl::OkStatus();
  absl::Duration duration;
  if (!absl::ParseDuration(options.duration, &duration) || duration <= absl::ZeroDuration() ||
      duration == absl::InfiniteDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--max-time wants a duration such as 90s, 8m or 1h30m, not \"", options.duration, "\""));
  }
  spec.mutable_budget()->mutable_max_duration()->set_seconds(
      absl::ToInt64Seconds(absl::Ceil(duration, absl::Seconds(1))));
  return absl::OkStatus();
}

absl::StatusOr<MessageFile> ReadFileOrEmpty(const std::string& path) {
  absl::StatusOr<std::string> text = path.empty() ? std::string() : MessageFile::ReadText(path);
  if (!text.ok()) return text.status();
  return MessageFile::Parse(*text, path.empty() ? "the sweep" : MessageFile::NameOf(path),
                            std::make_unique<v1::SweepSpec>());
}

// "epochs=3" where "base.epochs=3" is meant.
std::string MeantOfJob(absl::string_view assignment) {
  const std::string first(assignment.substr(0, assignment.find_first_of(".[=")));
  const bool of_job = v1::SweepSpec::descriptor()->FindFieldByName(first) == nullptr &&
                      v1::JobSpec::descriptor()->FindFieldByName(first) != nullptr;
  return of_job ? absl::StrCat("--set ", assignment, ": fields of the job are those of base: --set base.", assignment)
                : "";
}

absl::Status Build(const Context& context, const SweepSpecOptions& options, MessageFile& file) {
  auto& spec = static_cast<v1::SweepSpec&>(file.mutable_message());
  if (!options.job.empty()) {
    absl::StatusOr<JobFile> job = JobFile::Read(options.job);
    if (!job.ok()) return job.status();
    if (job->is_network()) {
      return absl::InvalidArgumentError(
          absl::StrCat(options.job, " is a network alone; a sweep needs a job file, with its data"));
    }
    file.Include("base", *std::move(job));
  }
  for (const std::string& assignment : options.assignments) {
    if (const std::string meant = MeantOfJob(assignment); !meant.empty()) return absl::InvalidArgumentError(meant);
    if (absl::Status status = file.Set(assignment); !status.ok()) return status;
  }
  for (const std::string& vary : options.vary) {
    absl::StatusOr<v1::Parameter> parameter = ParseVary(vary, spec.base());
    if (!parameter.ok()) return parameter.status();
    file.AddSource(absl::StrCat("space[", spec.space_size(), "]"), absl::StrCat("--vary ", vary));
    *spec.add_space() = *std::move(parameter);
  }
  if (absl::Status status = SetAlgorithm(context, options, spec); !status.ok()) return status;
  return SetRest(options, spec);
}

}  // namespace

void AddSweepSpecOptions(CLI::App& command, SweepSpecOptions& options) {
  command.add_option("FILE", options.file,
                     "A traind.v1.SweepSpec in text format, YAML or JSON; - reads the standard input");
  command.add_option("--job", options.job, "The job file that is varied: the sweep's `base`")->type_name("FILE");
  command
      .add_option(
          "--vary", options.vary,
          "A field of the job and its values: a list (batch_size=32,64,128) or a range\n"
          "(optimizer.learning_rate=1e-4..1e-1:log). PATH as of `run --set`; several, with commas between them, get\n"
          "the same value. Behind a range: log, int, and the number of points for --grid. Can be repeated")
      ->type_name("PATH=VALUES")
      ->allow_extra_args(false);
  const auto trials = [&](const char* name, std::optional<uint32_t>& into, const char* help) {
    command.add_option(name, into, help)->check(CLI::Range(1u, kMostSweepTrials))->type_name("N");
  };
  command.add_flag("--grid", options.grid, "Every combination; a range then needs its number of points");
  trials("--random", options.random, "So many trials, each drawn by itself");
  trials("--latin", options.latin, "So many trials, spread evenly over each range (Latin hypercube)");
  trials("--asha", options.asha,
         "So many trials, of which only the best third trains on at each rung (asynchronous successive halving)");
  command
      .add_option("--min-epochs", options.min_epochs, "With --asha: the first rung; each next one is 3 times as long")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  command.add_option("--min-steps", options.min_steps, "The same in steps")->check(CLI::PositiveNumber)->type_name("N");
  CLI::Option& maximize =
      *command.add_option("--maximize", options.maximize, "What the best trial has most of: accuracy, ...")
           ->type_name("METRIC");
  command.add_option("--minimize", options.minimize, "What it has least of; default: loss")
      ->type_name("METRIC")
      ->excludes(&maximize);
  command
      .add_option("--parallel", options.parallel, "Trials at a time; default: as many as the server has threads for")
      ->check(CLI::Range(1u, 64u))
      ->type_name("N");
  command.add_option("--seed", options.seed, "Of the choice of trials; default 0")->type_name("N");
  command.add_option("--max-time", options.duration, "Ends the sweep after so long: 8m, 1h30m")->type_name("DURATION");
  command
      .add_option("--set", options.assignments,
                  "Change a field of the sweep; those of its job are base.PATH. Can be repeated")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
  AddLabel(command, options.labels);
}

absl::StatusOr<v1::Parameter> ParseVary(absl::string_view text, const v1::JobSpec& base) {
  size_t equals = 0;
  for (int depth = 0; equals < text.size(); ++equals) {
    if (text[equals] == '[') ++depth;
    if (text[equals] == ']') --depth;
    if (text[equals] == '=' && depth == 0) break;
  }
  if (equals == text.size()) return Wrong(text, "must be PATH=VALUES");
  const absl::string_view values = absl::StripAsciiWhitespace(text.substr(equals + 1));
  if (values.empty()) return Wrong(text, "there are no values behind the =");
  absl::StatusOr<std::optional<RangeText>> range = ReadRange(text, values);
  if (!range.ok()) return range.status();
  std::vector<std::string> choices = SplitValues(values);
  v1::Parameter parameter;
  for (const std::string& path : SplitValues(text.substr(0, equals))) {
    // A range is tried with its low end, as one that may be an integer.
    const std::vector<std::string> tried = *range ? std::vector<std::string>{(*range)->low} : choices;
    for (const std::string& value : tried) {
      v1::JobSpec changed = base;
      if (absl::StatusOr<std::string> set = SetField(changed, path, value); !set.ok()) {
        return Wrong(text, set.status().message());
      }
    }
    if (*range && IsInteger(*FieldAt(path))) (*range)->integer = true;
    parameter.add_paths(path);
  }
  if (*range) {
    if (absl::Status status = SetRange(text, **range, parameter); !status.ok()) return status;
  } else {
    for (std::string& value : choices) parameter.mutable_choice()->add_values(std::move(value));
  }
  return parameter;
}

std::optional<MessageFile> ReadSweepSpec(const Context& context, const SweepSpecOptions& options, int& code) {
  absl::StatusOr<MessageFile> file = ReadFileOrEmpty(options.file);
  const absl::Status status = file.ok() ? Build(context, options, *file) : file.status();
  if (!status.ok()) {
    code = context.Fail(status);
    return std::nullopt;
  }
  code = kOk;
  return *std::move(file);
}

MessageFile FoldsOf(JobFile job, uint32_t folds) {
  MessageFile file = *MessageFile::Parse("", "the sweep", std::make_unique<v1::SweepSpec>());
  file.Include("base", std::move(job));
  auto& spec = static_cast<v1::SweepSpec&>(file.mutable_message());
  spec.mutable_base()->mutable_data()->mutable_folds()->set_count(folds);
  v1::Parameter& fold = *spec.add_space();
  fold.set_name("fold");
  fold.add_paths("data.folds.index");
  fold.mutable_integer()->set_low(0);
  fold.mutable_integer()->set_high(folds - 1);
  spec.mutable_grid();
  *spec.mutable_labels() = spec.base().labels();
  for (const char* path : {"base.data.folds", "space[0]"}) file.AddSource(path, absl::StrCat("--folds ", folds));
  return file;
}

}  // namespace traind::client

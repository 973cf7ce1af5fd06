#include "client/cli/flags.h"

#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "client/cli/text.h"
#include "client/names.h"

namespace traind::client {
namespace {

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"");
}

// "labels.team = "vision"" for "team=vision"; the key alone asks whether there is such a label.
std::string LabelCondition(absl::string_view label) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(label, absl::MaxSplits('=', 1));
  if (!absl::StrContains(label, '=')) return absl::StrCat("labels:", Quoted(label));
  return absl::StrCat("labels.", parts.first, " = ", Quoted(parts.second));
}

// Without the indices of lists: "splits.images" for "splits[0].images".
std::string WithoutIndices(absl::string_view path) {
  std::string plain;
  bool inside = false;
  for (const char c : path) {
    inside = c == '[' || (inside && c != ']');
    if (!inside && c != ']') plain += c;
  }
  return plain;
}

// Where a request's field comes from. The longest field that covers a path counts.
constexpr std::pair<absl::string_view, absl::string_view> kFlags[] = {
    {"name", "NAME"},
    {"parent", "JOB"},
    {"operation", "OPERATION"},
    {"filter", "--filter"},
    {"order_by", "--sort"},
    {"page_size", "--limit"},
    {"after_sequence", "--after"},
    {"kinds", "--kinds"},
    {"layers", "--layers"},
    {"job_id", "--job-id"},
    {"images", "--image"},
    {"table", "--input"},
    {"table.delimiter", "--delimiter"},
    {"model_id", "NAME"},
    {"mean", "--mean"},
    {"running_statistics", "--running-statistics"},
    {"sweep_id", "--sweep-id"},
    {"sweep.labels", "labels"},
    {"epochs", "--epochs"},
    {"steps", "--steps"},
    {"job.priority", "--priority"},
    {"job.display_name", "--display-name"},
    {"job.labels", "labels"},
    {"dataset.labels", "labels"},
    {"model.labels", "labels"},
    {"labels", "--label"},
    {"header.labels", "--label"},
    {"header.model_id", "ID"},
    {"dataset_id", "ID"},
    {"class_names", "--class-names"},
    {"splits", "--split"},
    {"splits.examples_array", "--examples-array"},
    {"splits.labels_array", "--labels-array"},
    {"splits.format", "--format"},
    {"splits.images", "--image-size"},
    {"splits.images.grayscale", "--grayscale"},
    {"splits.csv.label_column", "--label-column"},
    {"splits.csv.target_columns", "--target-columns"},
    {"splits.csv.feature_columns", "--feature-columns"},
    {"splits.csv.drop_columns", "--drop-columns"},
    {"splits.csv.categorical_columns", "--categorical-columns"},
    {"splits.csv.delimiter", "--delimiter"},
    {"splits.csv.missing", "--missing"},
    {"splits.csv.missing_value", "--missing"},
    {"splits.layout", "--layout"},
    {"skip_bad_files", "--skip-bad-files"},
    {"model.model", "WEIGHTS"},
    {"model.job", "--job"},
    {"data.dataset", "--dataset"},
    {"data.evaluation_split", "--split"},
    {"data.max_evaluation_examples", "--max-examples"},
    {"batch_size", "--batch-size"},
    {"range.dataset", "--dataset"},
    {"range.split", "--split"},
    {"range.first", "--first"},
    {"range.count", "--count"},
    {"test_time.scales", "--scales"},
    {"test_time.five_crops", "--five-crops"},
    {"test_time.flips", "--flips"},
    {"test_time.fractional_samples", "--samples"},
    {"test_time.dropout_samples", "--dropout-samples"},
    {"histogram_bins", "--bins"},
    {"augmentation", "--augment"},
    {"split", "--split"},
    {"rows", "--rows"},
    {"columns", "--columns"},
    {"scale", "--scale"},
    {"max_examples", "--max-examples"},
    {"examples", "--input"},
    {"seed", "--seed"},
};

}  // namespace

void AddListFlags(CLI::App& command, ListFlags& flags, const ListFlagsOf& of) {
  command
      .add_option(
          "--filter", flags.filter,
          absl::StrCat("Only those for which it is true: 'a = 1 AND (b:text OR NOT c > 2026-01-31)'; over ", of.fields))
      ->type_name("TEXT");
  if (of.labels) {
    command.add_option("-l,--label", flags.labels, "Only those with this label; can be repeated")
        ->type_name("KEY[=VALUE]")
        ->allow_extra_args(false);
  }
  if (of.sort) {
    command.add_option("--sort", flags.sort, "By this field of the filter's; can be repeated")
        ->type_name("FIELD[,desc]")
        ->allow_extra_args(false);
  }
  command.add_option("--limit", flags.limit, "At most so many; default: all")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
}

ListOptions ToListOptions(const ListFlags& flags, const std::string& more) {
  std::vector<std::string> conditions;
  for (const std::string& label : flags.labels) conditions.push_back(LabelCondition(label));
  if (!more.empty()) conditions.push_back(more);
  // The person's own text alone stays as it is, so that the places in errors are right.
  if (!flags.filter.empty()) {
    conditions.push_back(conditions.empty() ? flags.filter : absl::StrCat("(", flags.filter, ")"));
  }
  return {.filter = absl::StrJoin(conditions, " AND "),
          .order_by = absl::StrReplaceAll(absl::StrJoin(flags.sort, ", "), {{",desc", " desc"}}),
          .limit = flags.limit,
          .unreachable = &flags.unreachable};
}

void NoteUnreachable(const Context& context, const ListOptions& options) {
  if (options.unreachable == nullptr) return;
  for (const std::string& name : *options.unreachable) {
    context.err() << "warning: the server cannot read " << Printable(name)
                  << "; what is wrong is in its log, and it can be deleted\n";
  }
}

void AddSet(CLI::App& command, std::vector<std::string>& assignments) {
  command
      .add_option("--set", assignments,
                  "Change a field of the file; can be repeated. PATH is made of the file's names, with [2] or [conv1]\n"
                  "for an element of a list and the next index to append one. VALUE is written as in the file; text\n"
                  "needs no quotes, a duration may be 90s, an empty value clears the field")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
}

void AddLabel(CLI::App& command, std::vector<std::string>& labels) {
  command.add_option("--label", labels, "A label to give it; can be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false)
      ->check(CLI::Validator(
          [](const std::string& text) {
            return text.find('=') == std::string::npos ? "must be KEY=VALUE" : std::string();
          },
          ""));
}

void AddAsync(CLI::App& command, bool& async) {
  command.add_flag("--async", async, "Do not wait: print the name of the operation, for `trainctl wait`");
}

CLI::App& AddVerb(CLI::App& app, Context& context, const Verb& verb) {
  CLI::App& command = *app.add_subcommand(verb.verb, verb.help);
  command.footer(verb.footer);
  auto names = std::make_shared<std::vector<std::string>>();
  command.add_option(verb.kind, *names, "One or more names")->required();
  command.callback([&context, names, verb] {
    context.action = [&context, names, verb] {
      return ForEach(*names, [&](const std::string& name) { return verb.run(context, verb.full_name(name)); });
    };
  });
  return command;
}

namespace {

struct Chosen {
  std::vector<std::string> names;
  ListFlags which;
  bool yes = false;
};

// The jobs that --filter and --label find; kUsage, after it named them, without --yes.
int FindJobs(const Context& context, absl::string_view verb, Chosen& chosen) {
  const auto jobs = context.MakeClient().ListJobs(ToListOptions(chosen.which));
  if (!jobs.ok()) return context.Fail(jobs.status());
  for (const v1::Job& job : *jobs) chosen.names.push_back(job.name());
  if (chosen.names.empty()) context.Note("no such jobs");
  if (chosen.yes || chosen.names.empty()) return kOk;
  for (const std::string& name : chosen.names) context.out() << name << "\n";
  const std::string what = chosen.names.size() == 1 ? "this job" : absl::StrCat("these ", chosen.names.size(), " jobs");
  context.err() << "error: nothing was done: say --yes to " << verb << " " << what << "\n";
  return kUsage;
}

}  // namespace

CLI::App& AddJobVerb(CLI::App& app, Context& context, const Verb& verb) {
  CLI::App& command = *app.add_subcommand(verb.verb, verb.help);
  command.footer(verb.footer);
  auto chosen = std::make_shared<Chosen>();
  CLI::Option& names = *command.add_option(verb.kind, chosen->names, "One or more names");
  CLI::Option& filter =
      *command.add_option("--filter", chosen->which.filter, "All jobs for which it is true, as in `list`")
           ->type_name("TEXT");
  CLI::Option& label =
      *command.add_option("-l,--label", chosen->which.labels, "All jobs with this label; can be repeated")
           ->type_name("KEY[=VALUE]")
           ->allow_extra_args(false);
  command.add_flag("-y,--yes", chosen->yes,
                   "Do it to all that --filter and --label find; without it they are only named");
  names.excludes(&filter)->excludes(&label);
  command.callback([&context, chosen, verb] {
    if (chosen->names.empty() && chosen->which.filter.empty() && chosen->which.labels.empty()) {
      throw CLI::RequiredError(absl::StrCat(verb.kind, ", --filter or --label"));
    }
    context.action = [&context, chosen, verb] {
      if (chosen->names.empty()) {
        if (const int code = FindJobs(context, verb.verb, *chosen); code != kOk) return code;
      }
      return ForEach(chosen->names, [&](const std::string& name) { return verb.run(context, verb.full_name(name)); });
    };
  });
  return command;
}

std::string JobName(absl::string_view text) { return FullName("jobs", text); }
std::string DatasetName(absl::string_view text) { return FullName("datasets", text); }
std::string ModelName(absl::string_view text) { return FullName("models", text); }
std::string UploadName(absl::string_view text) { return FullName("uploads", text); }
std::string OperationName(absl::string_view text) { return FullName("operations", text); }
std::string SweepName(absl::string_view text) { return FullName("sweeps", text); }

std::string TrialName(absl::string_view text) {
  const std::string name = SweepName(text);
  const std::vector<std::string> parts = absl::StrSplit(name, '/');
  return parts.size() == 3 ? absl::StrCat("sweeps/", parts[1], "/trials/", parts[2]) : name;
}

int ForEach(const std::vector<std::string>& names, absl::FunctionRef<int(const std::string&)> act) {
  int code = kOk;
  for (const std::string& name : names) {
    const int one = act(name);
    if (one == kDetached) return one;
    if (code == kOk) code = one;
  }
  return code;
}

std::string FlagOf(absl::string_view field) {
  const std::string path = WithoutIndices(field);
  std::pair<absl::string_view, absl::string_view> best;
  for (const auto& known : kFlags) {
    const bool covers = path == known.first || absl::StartsWith(path, absl::StrCat(known.first, "."));
    if (covers && known.first.size() > best.first.size()) best = known;
  }
  return std::string(best.second);
}

}  // namespace traind::client

// `trainctl run`, `submit` and `fork`: what makes a job.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "client/cli/auto_fix.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/labels.h"
#include "client/cli/sweep_folds.h"
#include "client/cli/sweep_spec.h"
#include "client/cli/sweep_watch.h"
#include "client/cli/text.h"
#include "client/cli/watch.h"
#include "client/enum_names.h"
#include "client/errors.h"
#include "client/names.h"
#include "client/parse_text.h"
#include "traind/rpc/error_details.pb.h"

namespace traind::client {
namespace {

struct SubmitOptions {
  std::string file;
  std::string job_id;
  std::vector<std::string> assignments;
  std::vector<std::string> labels;
  bool validate_only = false;
};

struct ForkOptions {
  std::string from;  // "cnn", "cnn/400", "cnn/best".
  std::string step;
  std::string job_id;
  std::vector<std::string> assignments;
  std::vector<std::string> labels;
  bool dry_run = false;
  bool watch = false;
};

constexpr char kJobFileHelp[] =
    "A job file is a traind.v1.JobSpec in protobuf text format:\n"
    "  network {\n"
    "    layers { name: \"hidden\" dense { units: 100 } activation { relu {} } }\n"
    "    layers { name: \"logits\" dense { units: 10 } }\n"
    "  }\n"
    "  data { dataset: \"fashion\" preprocessing { scale {} } }\n"
    "  optimizer { sgd { momentum: 0.9 } learning_rate: 0.05 }\n"
    "  epochs: 5\n"
    "or the same in YAML or JSON, in a file that ends in .yaml, .yml or .json:\n"
    "  network:\n"
    "    layers:\n"
    "      - {name: hidden, dense: {units: 100}, activation: {relu: {}}}\n"
    "      - {name: logits, dense: {units: 10}}\n"
    "  data: {dataset: fashion, preprocessing: [{scale: {}}]}\n"
    "`trainctl schema` prints its JSON Schema, with which editors complete it.\n";

void DeclareSubmit(CLI::App& command, SubmitOptions& options) {
  command.add_option("FILE", options.file, "Job file; - reads the standard input")->required();
  command.add_option("--job-id", options.job_id, "Name of the job: a-z, 0-9 and -; default: the server makes one up");
  AddSet(command, options.assignments);
  AddLabel(command, options.labels);
}

absl::Status NetworkAlone(const std::string& file) {
  return absl::InvalidArgumentError(
      absl::StrCat(file, " is a network alone; a job file has it inside `network { ... }`, beside `data { ... }`"));
}

// Creates the job, or checks it. `job` is set when the code is kOk.
int Submit(const Context& context, const SubmitOptions& options, v1::Job* job) {
  int code = kOk;
  const std::optional<JobFile> file = ReadJobFile(context, options.file, options.assignments, code);
  if (!file) return code;
  if (file->is_network()) return context.Fail(NetworkAlone(options.file));
  v1::CreateJobRequest request;
  *request.mutable_spec() = file->spec();
  SetLabels(options.labels, *request.mutable_spec()->mutable_labels());
  request.set_job_id(options.job_id);
  request.set_validate_only(options.validate_only);
  absl::StatusOr<v1::Job> created = context.MakeClient().CreateJob(request);
  if (!created.ok()) return context.Fail(created.status(), &*file);
  *job = *std::move(created);
  context.Warnings(job->warnings());
  return kOk;
}

// What a new job is called.
void PrintSubmitted(const Context& context, const v1::Job& job) {
  if (context.json) {
    context.PrintJson(job);
  } else if (context.quiet) {
    context.out() << ShortName(job.name()) << "\n";
  } else {
    context.out() << job.name() << " " << EnumName(job.state()) << "\n";
    context.Note(absl::StrCat("  trainctl watch ", ShortName(job.name()), "   see it train"));
  }
}

// What a job that was only checked would take.
void PrintChecked(const Context& context, absl::string_view what, const v1::Job& job) {
  if (context.json) return context.PrintJson(job);
  context.out() << what << " is valid: " << job.threads() << " threads, at most "
                << FormatBytes(job.memory_bound_bytes()) << "\n";
}

int SubmitCommand(const Context& context, const SubmitOptions& options) {
  v1::Job job;
  if (const int code = Submit(context, options, &job); code != kOk) return code;
  if (options.validate_only) {
    PrintChecked(context, options.file, job);
  } else {
    PrintSubmitted(context, job);
  }
  return kOk;
}

int RunCommand(const Context& context, const SubmitOptions& options, const WatchOptions& watch, int most_fixes) {
  v1::Job job;
  if (const int code = Submit(context, options, &job); code != kOk) return code;
  context.Note(absl::StrCat(job.name(), " submitted; Ctrl-C detaches"));
  return most_fixes > 0 ? WatchAndFix(context, job.name(), watch, most_fixes) : WatchJob(context, job.name(), watch);
}

// With --folds --job-id names the sweep.
absl::Status AtJobId(absl::Status status) {
  const auto payload = status.GetPayload(kBadRequestUrl);
  rpc::BadRequest bad;
  if (!payload.has_value() || !bad.ParseFromString(std::string(*payload))) return status;
  for (auto& violation : *bad.mutable_field_violations()) {
    if (violation.field() == "sweep_id") violation.set_field("job_id");
  }
  status.SetPayload(kBadRequestUrl, absl::Cord(bad.SerializeAsString()));
  return status;
}

// The job once for each of its folds.
int RunFolds(const Context& context, const SubmitOptions& options, const WatchOptions& watch, uint32_t folds) {
  int code = kOk;
  std::optional<JobFile> job = ReadJobFile(context, options.file, options.assignments, code);
  if (!job) return code;
  if (job->is_network()) return context.Fail(NetworkAlone(options.file));
  MessageFile file = FoldsOf(*std::move(job), folds);
  v1::CreateSweepRequest request;
  *request.mutable_spec() = static_cast<const v1::SweepSpec&>(file.message());
  SetLabels(options.labels, *request.mutable_spec()->mutable_base()->mutable_labels());
  SetLabels(options.labels, *request.mutable_spec()->mutable_labels());
  request.set_sweep_id(options.job_id);
  Client client = context.MakeClient();
  const absl::StatusOr<v1::Sweep> sweep = client.CreateSweep(request);
  if (!sweep.ok()) return context.Fail(AtJobId(sweep.status()), &file);
  context.Warnings(sweep->warnings());
  context.Note(absl::StrCat(sweep->name(), " submitted: ", folds, " folds; Ctrl-C detaches"));
  code = WatchSweep(context, sweep->name(), {.plain = watch.plain});
  if (code == kDetached || code == kNoServer) return code;
  const absl::StatusOr<std::vector<v1::Trial>> trials = client.ListTrials(sweep->name());
  if (!trials.ok()) return context.Fail(trials.status());
  std::vector<v1::Job> jobs;
  for (const v1::Trial& trial : *trials) {
    if (trial.job().empty()) continue;
    absl::StatusOr<v1::Job> one = client.GetJob(trial.job(), v1::JOB_VIEW_BASIC);
    if (!one.ok()) return context.Fail(one.status());
    jobs.push_back(*std::move(one));
  }
  if (context.json) {
    context.out() << FoldJson(jobs) << "\n";
  } else {
    context.out() << FoldTable(jobs).Render(context.console.width, context.color());
  }
  return code;
}

// The checkpoint to begin with: "jobs/cnn/checkpoints/400".
std::string ForkedCheckpoint(const ForkOptions& options) {
  const std::string name = WeightsName(options.from);
  return options.step.empty() ? name : absl::StrCat(name.substr(0, name.rfind('/') + 1), options.step);
}

// The spec of the job that is forked, as a file.
absl::StatusOr<JobFile> SpecToFork(Client& client, const std::string& checkpoint) {
  const std::string job = checkpoint.substr(0, checkpoint.find("/checkpoints/"));
  const absl::StatusOr<v1::Job> record = client.GetJob(job, v1::JOB_VIEW_SPEC);
  if (!record.ok()) return record.status();
  v1::JobSpec spec = record->spec();
  *spec.mutable_labels() = record->labels();
  spec.set_display_name(record->display_name());
  spec.set_priority(record->priority());
  return JobFile::Parse(PrintText(spec), absl::StrCat(job, "'s job file"));
}

int ForkCommand(const Context& context, const ForkOptions& options, const WatchOptions& watch) {
  Client client = context.MakeClient();
  v1::ForkJobRequest request;
  request.set_name(ForkedCheckpoint(options));
  request.set_job_id(options.job_id);
  request.set_validate_only(options.dry_run);
  std::optional<JobFile> file;
  if (!options.assignments.empty() || !options.labels.empty()) {
    absl::StatusOr<JobFile> changed = SpecToFork(client, request.name());
    if (!changed.ok()) return context.Fail(changed.status());
    if (const int code = ApplyAssignments(context, options.assignments, *changed); code != kOk) return code;
    file = *std::move(changed);
    *request.mutable_spec() = file->spec();
    SetLabels(options.labels, *request.mutable_spec()->mutable_labels());
  }
  const absl::StatusOr<v1::Job> job = client.ForkJob(request);
  if (!job.ok()) return context.Fail(job.status(), file ? &*file : nullptr);
  context.Warnings(job->warnings());
  if (options.dry_run) {
    PrintChecked(context, absl::StrCat("a fork of ", request.name()), *job);
    return kOk;
  }
  if (!options.watch) {
    PrintSubmitted(context, *job);
    return kOk;
  }
  context.Note(absl::StrCat(job->name(), " begins at ", job->forked_from(), "; Ctrl-C detaches"));
  return WatchJob(context, job->name(), watch);
}

void AddFork(CLI::App& app, Context& context) {
  CLI::App& command = *app.add_subcommand("fork", "A new job that begins at a checkpoint of another one");
  command.footer(
      "Examples:\n"
      "  trainctl fork cnn --from-step 400 --set optimizer.learning_rate=0.01 --id cnn-slow --watch\n"
      "  trainctl fork cnn/best --set data.dataset=fashion-2\n"
      "  trainctl fork cnn --set optimizer.adam={} --dry-run    what would change, and the warnings\n"
      "Weights, the optimizer's state, the step and the fitted preprocessing are those of the checkpoint. Without "
      "--set\n"
      "the fork trains what the job trains, bit for bit.");
  auto options = std::make_shared<ForkOptions>();
  auto watch = std::make_shared<WatchOptions>();
  command.add_option("JOB", options->from, "Job to fork; JOB/STEP and JOB/best name a checkpoint")->required();
  command.add_option("--from-step", options->step, "Step of the checkpoint to begin with; default: latest")
      ->type_name("N|best|latest");
  command.add_option("--id,--job-id", options->job_id, "Name of the new job; default: the server makes one up")
      ->type_name("NEW");
  AddSet(command, options->assignments);
  AddLabel(command, options->labels);
  command.add_flag("--dry-run", options->dry_run, "Check everything, create nothing");
  command.add_flag("--watch", options->watch, "Watch the new job; the exit code is then as that of run");
  command.callback([&context, options, watch] {
    context.action = [&context, options, watch] { return ForkCommand(context, *options, *watch); };
  });
}

}  // namespace

void AddSubmitCommands(CLI::App& app, Context& context) {
  {
    CLI::App& command = *app.add_subcommand("run", "Submit a job and watch it; the exit code is 0 if it SUCCEEDED");
    command.footer(absl::StrCat(
        "Examples:\n"
        "  trainctl run job.textproto\n"
        "  trainctl run job.textproto --job-id cnn --set epochs=1\n"
        "  trainctl run job.textproto --set network.layers[conv1].conv2d.kernel=[5,5]\n"
        "  trainctl run job.textproto --folds 5        five-fold cross-validation\n"
        "  trainctl run job.textproto --auto-fix 2     fixes what is found in it, if that is proven to help\n"
        "Ctrl-C detaches: the job goes on, `trainctl watch JOB` looks at it again.\n\n",
        kJobFileHelp));
    auto options = std::make_shared<SubmitOptions>();
    auto watch = std::make_shared<WatchOptions>();
    DeclareSubmit(command, *options);
    AddWatchFlags(command, *watch);
    auto most_fixes = std::make_shared<int>(0);
    auto folds = std::make_shared<uint32_t>(0);
    CLI::Option* of_folds =
        command
            .add_option("--folds", *folds,
                        "Cross-validation: a sweep of N jobs, each without another N-th of the training examples, by "
                        "which it is judged; prints mean and spread. --job-id names the sweep")
            ->check(CLI::Range(2, 1000))
            ->type_name("N");
    const CLI::Option* auto_fix =
        command
            .add_option(
                "--auto-fix", *most_fixes,
                "Try the fixes of what is found, at most N of them (1 without a number): each in two jobs, with it "
                "and without; the job goes on with those that help")
            ->expected(0, 1)
            ->check(CLI::Range(1, 20))
            ->type_name("N")
            ->excludes(of_folds);
    command.callback([&context, options, watch, most_fixes, auto_fix, folds] {
      const int most = auto_fix->count() > 0 ? std::max(*most_fixes, 1) : 0;  // Without a number it is 0.
      context.action = [&context, options, watch, most, folds] {
        return *folds > 0 ? RunFolds(context, *options, *watch, *folds) : RunCommand(context, *options, *watch, most);
      };
    });
  }
  {
    CLI::App& command = *app.add_subcommand("submit", "Submit a job and return at once");
    command.footer(
        absl::StrCat("Examples:\n"
                     "  trainctl submit job.textproto\n"
                     "  trainctl submit job.textproto --validate-only\n"
                     "  trainctl submit job.textproto --set optimizer.learning_rate=0.1 --set steps=100\n"
                     "  trainctl submit - --set optimizer.adam={} < job.textproto\n\n",
                     kJobFileHelp));
    auto options = std::make_shared<SubmitOptions>();
    DeclareSubmit(command, *options);
    command.add_flag("--validate-only", options->validate_only, "Check everything, create nothing");
    command.callback(
        [&context, options] { context.action = [&context, options] { return SubmitCommand(context, *options); }; });
  }
  AddFork(app, context);
}

}  // namespace traind::client

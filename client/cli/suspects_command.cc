// `trainctl suspects`: training examples whose labels are likely wrong, by the area under the margin.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/contact_sheet.h"
#include "client/cli/flags.h"
#include "client/cli/interrupt.h"
#include "client/cli/operation_view.h"
#include "client/cli/progress_bar.h"
#include "client/cli/styled.h"
#include "client/cli/suspects_page.h"
#include "client/cli/text.h"
#include "client/enum_names.h"
#include "client/names.h"

namespace traind::client {
namespace {

constexpr uint64_t kKept = 16;         // Checkpoints that --train keeps.
constexpr size_t kFewCheckpoints = 5;  // With fewer, or none of the first half of the training, it says what is better.

struct SuspectsOptions {
  std::string job;
  uint64_t most = 20;
  uint64_t checkpoints = kKept;
  std::string output;
  bool force = false;
  std::string train;
};

absl::Status CheckSuspectable(const v1::Job& job) {
  const v1::DataIdentity& data = job.trained_on();
  if (job.resolved_spec().data().targets() == v1::TARGET_SOURCE_INPUT) {
    return absl::FailedPreconditionError(
        absl::StrCat(job.name(), " learns its own input (data.targets) and reads no labels: it can suspect none"));
  }
  if (data.num_classes() == 0 && data.target_width() > 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        job.name(), " is no classifier, its data has targets and no classes: a margin is between classes"));
  }
  for (const v1::DatasetSplit& split : data.splits()) {
    if (split.name() != job.resolved_spec().data().train_split()) continue;
    if (split.num_examples() <= MarginTally::kMostExamples) continue;
    return absl::FailedPreconditionError(absl::StrCat(data.dataset(), " has ", split.num_examples(),
                                                      " training examples; at most ", MarginTally::kMostExamples,
                                                      " can be ranked"));
  }
  return absl::OkStatus();
}

// Rounded up, so that those that are kept span the whole length.
uint64_t CadenceFor(const v1::Job& job) {
  return std::max<uint64_t>(1, (job.progress().total_steps() + kKept - 1) / kKept);
}

// How to have checkpoints of the whole training.
std::string HowToKeep(const v1::Job& job) {
  return absl::StrCat("`trainctl suspects ", ShortName(job.name()),
                      " --train NAME` trains it once more and keeps them; or let the job file keep them: checkpoint { "
                      "every_steps: ",
                      CadenceFor(job), " keep_last: ", kKept, " }");
}

// At most so many of the trained ones, evenly over the training, the newest among them.
absl::StatusOr<std::vector<v1::Checkpoint>> ChooseCheckpoints(Client& client, const v1::Job& job, uint64_t most) {
  absl::StatusOr<std::vector<v1::Checkpoint>> all = client.ListCheckpoints(job.name());
  if (!all.ok()) return all.status();
  std::erase_if(*all, [](const v1::Checkpoint& one) { return one.step() == 0; });
  if (all->empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(job.name(), " has no checkpoint of a step that it has trained; ", HowToKeep(job)));
  }
  std::vector<v1::Checkpoint> chosen;
  const size_t count = std::min<size_t>(all->size(), most);
  for (size_t i = 1; i <= count; ++i) chosen.push_back((*all)[i * all->size() / count - 1]);
  return chosen;
}

// Adds the margins of one checkpoint. Returns the exit code, after it said what is wrong.
int AddMargins(const Context& context, Client& client, const v1::Job& job, const v1::Checkpoint& checkpoint,
               std::optional<MarginTally>& tally) {
  v1::PredictSplitRequest request;
  request.mutable_model()->set_model(checkpoint.name());
  request.mutable_range()->set_split(job.resolved_spec().data().train_split());
  request.mutable_test_time();  // One look, whatever the job's evaluations take.
  return FinishOperation(context, client, client.PredictSplit(request), false, [&](const v1::Operation& done) {
    v1::PredictSplitResponse made;
    if (!done.response().UnpackTo(&made)) return context.Fail(absl::InternalError("the server predicted nothing"));
    if (!tally && (made.examples() < 1 || made.examples() > MarginTally::kMostExamples)) {
      return context.Fail(absl::FailedPreconditionError(absl::StrCat(
          "the split has ", made.examples(), " examples; 1 to ", MarginTally::kMostExamples, " can be ranked")));
    }
    if (!tally) tally.emplace(made.examples());
    const std::unique_ptr<PredictionReader> reader = client.ReadPredictions(made.operation());
    while (true) {
      const absl::StatusOr<std::optional<v1::PredictResponse>> part = reader->Next();
      if (!part.ok()) return context.Fail(part.status());
      if (!part->has_value()) break;
      const absl::Status status = tally->Add(**part);
      if (status.ok()) continue;
      return context.Fail(absl::Status(status.code(), absl::StrCat(checkpoint.name(), ": ", status.message())));
    }
    client.DeleteOperation(done.name()).IgnoreError();  // All of it was read.
    if (tally->between()) return static_cast<int>(kOk);
    return context.Fail(absl::DataLossError(
        absl::StrCat(checkpoint.name(), ": the server sent fewer predictions than ", tally->examples())));
  });
}

// What the margins are of, in a sentence.
std::string Basis(const MarginTally& tally, const std::vector<v1::Checkpoint>& used, const v1::Job& job) {
  std::string text =
      absl::StrCat("margins of ", tally.examples(), " examples of ", job.resolved_spec().data().train_split(), " over ",
                   used.size(), used.size() == 1 ? " checkpoint" : " checkpoints", " of ", job.name(), ", step");
  if (used.size() == 1) return absl::StrCat(text, " ", used[0].step());
  return absl::StrCat(text, "s ", used.front().step(), " to ", used.back().step());
}

void SayHowSure(const Context& context, const MarginTally& tally, const std::vector<v1::Checkpoint>& used,
                const v1::Job& job) {
  context.Note(absl::StrCat(Basis(tally, used, job), "; ", tally.doubted(),
                            " are below 0: as a mean, another class was the answer"));
  if (const uint64_t sample = job.resolved_spec().data().max_train_examples(); sample > 0) {
    context.Note(absl::StrCat("the job trains on ", sample, " of them (data.max_train_examples); all were ranked"));
  }
  const v1::DataSpec& data = job.resolved_spec().data();
  if (data.validation_fraction() > 0 || data.has_folds()) {
    context.Note(
        "the job does not train on the examples that it holds out (data.validation_fraction or folds); all were "
        "ranked, and of those the margins show how hard they are rather than how wrong");
  }
  if (used.size() < kFewCheckpoints || 2 * used.front().step() > used.back().step()) {
    context.Note(absl::StrCat(
        "warning: these are ", used.size() < kFewCheckpoints ? "few checkpoints" : "checkpoints of the end",
        ". A network comes to know wrong labels by heart; what tells is how late. ", HowToKeep(job)));
  }
}

int PrintSuspects(const Context& context, const std::vector<Suspect>& suspects,
                  const std::vector<std::string>& classes) {
  Table table({{.title = "example", .right = true},
               {.title = "label"},
               {.title = "taken for"},
               {.title = "margin", .right = true}});
  for (const Suspect& one : suspects) {
    if (context.json) {
      nlohmann::json json = {
          {"example", one.example}, {"label", one.label}, {"taken_for", one.taken}, {"margin", one.margin}};
      if (!classes.empty()) json["label_name"] = ClassName(classes, one.label);
      if (!classes.empty()) json["taken_for_name"] = ClassName(classes, one.taken);
      context.out() << json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    } else if (context.quiet) {
      context.out() << one.example << "\n";
    }
    table.Add({{.text = absl::StrCat(one.example)},
               {.text = Printable(ClassName(classes, one.label))},
               {.text = Printable(ClassName(classes, one.taken)), .style = Style::kBold},
               {.text = FormatNumber(one.margin), .style = one.margin < 0 ? Style::kBad : Style::kPlain}});
  }
  if (!context.json && !context.quiet) context.out() << table.Render(context.console.width, context.color());
  return kOk;
}

int WritePage(const Context& context, Client& client, const v1::Job& job, SuspectsPage page, const std::string& path) {
  const absl::StatusOr<v1::Dataset> dataset =
      client.GetDataset(FullName("datasets", job.resolved_spec().data().dataset()));
  if (!dataset.ok()) return context.Fail(dataset.status());
  if (const absl::Status shape = PictureShapeOf(*dataset).status(); shape.ok()) {
    std::vector<int64_t> examples;
    for (const Suspect& one : page.suspects) examples.push_back(one.example);
    absl::StatusOr<std::vector<std::string>> pictures =
        FetchPictures(client, *dataset, job.resolved_spec().data().train_split(), examples);
    if (!pictures.ok()) return context.Fail(pictures.status());
    page.pictures = *std::move(pictures);
  } else {
    context.Note(absl::StrCat("no pictures in ", path, ": ", shape.message()));
  }
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << RenderSuspectsPage(page);
  file.close();
  if (!file) return context.Fail(absl::ErrnoToStatus(errno, absl::StrCat("--output: cannot write ", path)));
  context.Note(absl::StrCat(path, " shows them"));
  return kOk;
}

// The same training once more, with checkpoints of its whole length. Nullopt: `code` says why, after it was told.
std::optional<v1::Job> TrainAgain(const Context& context, Client& client, const v1::Job& job, const std::string& id,
                                  int& code) {
  const auto fail = [&](const absl::Status& status) {
    code = context.Fail(status);
    return std::nullopt;
  };
  const absl::StatusOr<v1::Job> submitted = client.GetJob(job.name(), v1::JOB_VIEW_SPEC);
  if (!submitted.ok()) return fail(submitted.status());
  v1::JobSpec spec = submitted->spec();
  *spec.mutable_labels() = submitted->labels();
  (*spec.mutable_labels())["suspects-of"] = ShortName(job.name());
  const uint64_t cadence = CadenceFor(job);
  spec.mutable_checkpoint()->set_every_steps(static_cast<uint32_t>(std::min<uint64_t>(cadence, UINT32_MAX)));
  spec.mutable_checkpoint()->mutable_every();  // Not by time, too.
  spec.mutable_checkpoint()->set_keep_last(kKept);
  absl::StatusOr<v1::Job> made;
  if (job.forked_from().empty()) {
    v1::CreateJobRequest request;
    request.set_job_id(id);
    *request.mutable_spec() = std::move(spec);
    made = client.CreateJob(request);
  } else {
    v1::ForkJobRequest request;
    request.set_name(job.forked_from());
    request.set_job_id(id);
    *request.mutable_spec() = std::move(spec);
    made = client.ForkJob(request);
  }
  if (!made.ok()) return fail(made.status());
  context.Note(absl::StrCat(made->name(), " trains as ", job.name(), " did, with a checkpoint every ", cadence,
                            " steps, ", kKept, " of them kept"));
  v1::WatchJobRequest request;
  request.set_name(made->name());
  request.add_kinds(v1::EVENT_KIND_TRAIN);
  const std::unique_ptr<JobWatch> watch = client.WatchJob(request);
  const Interrupt interrupt([&] { watch->Cancel(); });
  {
    StatusLine line(context.err(), context.console.err_is_terminal && !context.quiet && !context.json);
    while (true) {
      const absl::StatusOr<std::optional<v1::Event>> event = watch->Next();
      if (interrupt.happened()) break;
      if (!event.ok()) return fail(event.status());
      if (!event->has_value()) break;
      const double total = static_cast<double>(std::max<uint64_t>(1, made->progress().total_steps()));
      const double share = std::min(1.0, static_cast<double>((*event)->step()) / total);
      line.Draw(Clip(absl::StrCat("train ", made->name(), "  ", Bar(share, 30), "  step ", (*event)->step(), " of ",
                                  made->progress().total_steps()),
                     context.console.width - 1));
    }
  }
  if (interrupt.happened()) {
    context.Note(absl::StrCat("detached: ", made->name(), " goes on at the server; then: trainctl suspects ", id));
    code = kDetached;
    return std::nullopt;
  }
  absl::StatusOr<v1::Job> ended = client.GetJob(made->name(), v1::JOB_VIEW_RESOLVED);
  if (!ended.ok()) return fail(ended.status());
  if (ended->state() == v1::JOB_STATE_SUCCEEDED) return *std::move(ended);
  context.Note(absl::StrCat("error: ", ended->name(), " ", EnumName(ended->state()), ": ",
                            Printable(ended->has_error() ? ended->error().message() : ended->state_reason())));
  code = ended->state() == v1::JOB_STATE_FAILED ? kJobFailed : kJobCancelled;
  return std::nullopt;
}

int SuspectsCommand(const Context& context, const SuspectsOptions& options) {
  if (!options.output.empty() && !options.force && access(options.output.c_str(), F_OK) == 0) {
    return context.Fail(absl::AlreadyExistsError(absl::StrCat(options.output, " exists; --force replaces it")));
  }
  Client client = context.MakeClient();
  absl::StatusOr<v1::Job> job = client.GetJob(JobName(options.job), v1::JOB_VIEW_RESOLVED);
  if (!job.ok()) return context.Fail(job.status());
  if (const absl::Status status = CheckSuspectable(*job); !status.ok()) {
    context.Fail(status);
    return kRefused;
  }
  int code = kOk;
  if (!options.train.empty()) {
    std::optional<v1::Job> again = TrainAgain(context, client, *job, options.train, code);
    if (!again) return code;
    job = *std::move(again);
  }
  const absl::StatusOr<std::vector<v1::Checkpoint>> used = ChooseCheckpoints(client, *job, options.checkpoints);
  if (!used.ok()) {
    code = context.Fail(used.status());
    return code == kFailed ? static_cast<int>(kRefused) : code;
  }
  std::optional<MarginTally> tally;
  for (const v1::Checkpoint& checkpoint : *used) {
    code = AddMargins(context, client, *job, checkpoint, tally);
    if (code != kOk) return code;
  }
  const std::vector<Suspect> suspects = tally->Lowest(options.most);
  const std::vector<std::string> classes(job->trained_on().class_names().begin(),
                                         job->trained_on().class_names().end());
  PrintSuspects(context, suspects, classes);
  SayHowSure(context, *tally, *used, *job);
  if (options.output.empty()) return kOk;
  return WritePage(context, client, *job,
                   {.title = absl::StrCat("Suspect labels of ", ShortName(job->trained_on().dataset())),
                    .words = Basis(*tally, *used, *job),
                    .classes = classes,
                    .suspects = suspects,
                    .pictures = {}},
                   options.output);
}

}  // namespace

void AddSuspectsCommand(CLI::App& app, Context& context) {
  CLI::App& command = *app.add_subcommand("suspects", "Training examples whose labels are likely wrong");
  command.footer(
      "Examples:\n"
      "  trainctl suspects cnn                          the twenty most suspect ones\n"
      "  trainctl suspects cnn -n 100 -o suspects.html  with pictures, to look through\n"
      "  trainctl suspects cnn --train cnn-margins      trains cnn once more, for checkpoints of its whole length\n"
      "  trainctl suspects cnn -n 500 --json            for a program\n"
      "They are the examples with the lowest area under the margin (Pleiss et al. 2020): the output of the label "
      "minus\n"
      "the largest other one, as a mean over the job's checkpoints. Each of these predicts the training split once.\n"
      "That says where to look, not that a label is wrong: rare and hard examples have low margins, too.");
  auto options = std::make_shared<SuspectsOptions>();
  command.add_option("JOB", options->job, "Classifier whose training split to look at")->required();
  command.add_option("-n,--limit", options->most, "How many, 1 to 10000")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command
      .add_option("--checkpoints", options->checkpoints,
                  "Of the job's checkpoints use at most so many, evenly over the training")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command.add_option("-o,--output", options->output, "Write a page with them and, of images, their pictures")
      ->type_name("FILE.html");
  command.add_flag("--force", options->force, "Replace a file that is there");
  command
      .add_option("--train", options->train,
                  "Train the job once more first, under this name, with 16 checkpoints over its whole length")
      ->type_name("NAME");
  command.callback(
      [&context, options] { context.action = [&context, options] { return SuspectsCommand(context, *options); }; });
}

}  // namespace traind::client

// `trainctl export`: a job's record for other tools.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/export_predictions.h"
#include "client/cli/flags.h"
#include "client/cli/interrupt.h"
#include "client/names.h"
#include "core/tensorboard/event_file.h"

namespace traind::client {
namespace {

struct RecordOptions {
  std::vector<std::string> words;  // Jobs, and last the folder.
  bool predictions = false;
  std::string split;  // To predict; empty: the job's evaluation split.
};

// Adds to the job's file what there is now beyond its end. The code is kOk when it has all of it.
int AddEvents(const Context& context, Client& client, const v1::Job& job, tensorboard::EventFile& file) {
  v1::WatchJobRequest request;
  request.set_name(job.name());
  request.set_uid(job.uid());
  request.set_after_sequence(file.last_sequence());
  request.set_until_now(true);
  for (const v1::EventKind kind :
       {v1::EVENT_KIND_TRAIN, v1::EVENT_KIND_EVALUATION, v1::EVENT_KIND_TEST, v1::EVENT_KIND_STATISTICS}) {
    request.add_kinds(kind);
  }
  const std::unique_ptr<JobWatch> watch = client.WatchJob(request);
  const Interrupt interrupt([&] { watch->Cancel(); });
  while (true) {
    const absl::StatusOr<std::optional<v1::Event>> event = watch->Next();
    const bool over = !event.ok() || !event->has_value();
    const absl::Status status = over ? file.Flush() : file.Append(**event);
    if (!status.ok()) return context.Fail(status);
    if (interrupt.happened()) return kDetached;  // Another export goes on from here.
    if (!event.ok()) return context.Fail(event.status());
    if (over) break;
  }
  context.out() << file.path() << "\n";
  return kOk;
}

int ExportJob(const Context& context, const std::string& name, const std::string& folder,
              const RecordOptions& options) {
  Client client = context.MakeClient();
  const absl::StatusOr<v1::Job> job = client.GetJob(name, v1::JOB_VIEW_RESOLVED);
  if (!job.ok()) return context.Fail(job.status());
  if (options.predictions) {
    if (absl::Status status = CheckPredicted(*job, options.split); !status.ok()) return context.Fail(status);
  }
  std::string predictions;
  {
    absl::StatusOr<tensorboard::EventFile> file = tensorboard::EventFile::Open(folder, *job);
    if (!file.ok()) return context.Fail(file.status());
    if (const int code = AddEvents(context, client, *job, *file); code != kOk) return code;
    predictions = file->predictions_path();
  }
  return options.predictions ? ExportPredictions(context, *job, options.split, predictions) : kOk;
}

int Export(const Context& context, const RecordOptions& options) {
  std::vector<std::string> words = options.words;
  if (words.size() < 2) {
    context.Fail(absl::InvalidArgumentError(
        absl::StrCat("name one job or more, and last the folder to write to",
                     options.split.empty() ? "" : "; --predictions took the word after it for a split")));
    return kUsage;
  }
  const std::string folder = words.back();
  words.pop_back();
  int code = kOk;
  for (const std::string& word : words) {
    const int done = ExportJob(context, JobName(word), folder, options);
    if (done == kDetached) return done;
    if (done != kOk) code = done;
  }
  if (code == kOk) context.Note(absl::StrCat("  tensorboard --logdir ", folder, "   looks at it"));
  return code;
}

}  // namespace

void AddExportCommands(CLI::App& app, Context& context) {
  CLI::App& group = *app.add_subcommand("export", "A job's record for other tools");
  group.require_subcommand(1);
  CLI::App& command = *group.add_subcommand("tensorboard", "Write event files of TensorBoard");
  command.footer(
      "Examples:\n"
      "  trainctl export tensorboard cnn runs           runs/cnn/events.out.tfevents...\n"
      "  trainctl export tensorboard cnn mlp resnet runs\n"
      "  trainctl export tensorboard cnn runs --predictions\n"
      "  trainctl export tensorboard cnn runs --predictions train\n"
      "Curves (loss, accuracy, learning rate, gradient norm, time of a step; of each layer mean, std, zeros, "
      "saturated, dead\n"
      "units, update ratio), histograms of the layers' outputs, settings as hyperparameters, the network's graph. "
      "Called\n"
      "again, it adds what is new.\n"
      "With --predictions the newest checkpoint predicts a split, and a second file has the PR curves of the first 200 "
      "classes\n"
      "and, of images, the 48 surest mistakes. It is replaced when made again, also for another split; a TensorBoard "
      "that runs\n"
      "must be started again to show it. Ctrl-C leaves no half file, and what the server predicts goes on there.");
  auto options = std::make_shared<RecordOptions>();
  command.add_option("JOB", options->words, "Jobs, and last the folder to write to")->required()->type_name("... DIR");
  CLI::Option* predictions =
      command
          .add_option("--predictions", options->split,
                      "PR curves and pictures of mistakes of classifiers; default: the job's evaluation split")
          ->expected(0, 1)
          ->type_name("[SPLIT]");
  command.callback([&context, options, predictions] {
    options->predictions = predictions->count() > 0;
    context.action = [&context, options] { return Export(context, *options); };
  });
}

}  // namespace traind::client

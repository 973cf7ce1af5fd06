#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "client/cli/commands.h"
#include "client/cli/job_view.h"
#include "client/cli/progress_bar.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"
#include "client/names.h"

namespace traind::client {
namespace {

struct ModelOptions {
  std::string weights;
  std::string job;
  // download
  std::string output;
  bool force = false;
  // eval, predict
  std::string dataset, split;
  uint32_t batch_size = 0;
  uint64_t max_examples = 0;
  uint64_t first = 0;
  uint64_t count = 10;
  std::vector<uint32_t> scales;
  bool five_crops = false;
  bool flips = false;
  uint32_t samples = 0;
  uint32_t dropout_samples = 0;
};

int ListCheckpoints(const Context& context, const std::string& job) {
  const absl::StatusOr<std::vector<v1::Checkpoint>> checkpoints = context.MakeClient().ListCheckpoints(job);
  if (!checkpoints.ok()) return context.Fail(checkpoints.status());
  Table table({{.title = "checkpoint"},
               {.title = "step", .right = true},
               {.title = "loss", .right = true},
               {.title = "accuracy", .right = true},
               {.title = "size", .right = true},
               {.title = "saved", .rank = 1},
               {.title = ""}});
  for (const v1::Checkpoint& checkpoint : *checkpoints) {
    if (context.json) context.PrintJson(checkpoint);
    if (context.quiet && !context.json) context.out() << checkpoint.name() << "\n";
    table.Add({{.text = checkpoint.name(), .style = Style::kBold},
               {.text = absl::StrCat(checkpoint.step())},
               {.text = checkpoint.has_evaluation_loss() ? FormatNumber(checkpoint.evaluation_loss()) : "-"},
               {.text = checkpoint.has_evaluation_accuracy() ? FormatPercent(checkpoint.evaluation_accuracy()) : "-"},
               {.text = FormatBytes(checkpoint.size_bytes())},
               {.text = absl::FormatTime("%Y-%m-%d %H:%M:%S", ToTime(checkpoint.create_time()), absl::LocalTimeZone())},
               {.text = checkpoint.best() ? "best" : "", .style = Style::kGood}});
  }
  if (context.json || context.quiet) return kOk;
  if (checkpoints->empty()) {
    context.Note(absl::StrCat(job, " has no checkpoint yet"));
  } else {
    context.out() << table.Render(context.console.width, context.color());
  }
  return kOk;
}

ProgressBar MakeBar(const Context& context, const std::string& title) {
  return ProgressBar(context.err(), context.console.err_is_terminal && !context.quiet && !context.json, title,
                     context.console.width);
}

Client TransferClient(const Context& context) {
  return context.MakeClient(
      [&context](const absl::Status&, absl::Duration) { context.Note("connection lost, trying again"); });
}

// "jobs/cnn/checkpoints/best" is saved as "cnn-best.safetensors", "models/mine" as "mine.safetensors".
std::string DefaultOutput(const std::string& name) {
  if (absl::StartsWith(name, "models/")) return absl::StrCat(ShortName(name), ".safetensors");
  return absl::StrCat(absl::StrReplaceAll(absl::StripPrefix(name, "jobs/"), {{"/checkpoints/", "-"}}), ".safetensors");
}

int Download(const Context& context, const ModelOptions& options) {
  const std::string name = WeightsName(options.weights);
  const std::string path = options.output.empty() ? DefaultOutput(name) : options.output;
  if (!options.force && access(path.c_str(), F_OK) == 0) {
    return context.Fail(absl::AlreadyExistsError(absl::StrCat(path, " exists; --force replaces it")));
  }
  absl::StatusOr<int64_t> size;
  {
    ProgressBar bar = MakeBar(context, ShortName(path));
    size = TransferClient(context).DownloadCheckpoint(name, path,
                                                      [&](int64_t done, int64_t total) { bar.Update(done, total); });
  }
  if (!size.ok()) return context.Fail(size.status());
  if (context.json) {
    v1::Checkpoint result;
    result.set_name(name);
    result.set_size_bytes(*size);
    context.PrintJson(result);
  } else if (context.quiet) {
    context.out() << path << "\n";
  } else {
    context.out() << path << ": " << FormatBytes(*size) << ", checksum right\n";
  }
  return kOk;
}

int UploadCommand(const Context& context, const std::string& id, const std::string& path) {
  absl::StatusOr<v1::Model> model;
  {
    ProgressBar bar = MakeBar(context, ShortName(path));
    model = TransferClient(context).UploadModel(std::string(absl::StripPrefix(id, "models/")), path,
                                                [&](int64_t done, int64_t total) { bar.Update(done, total); });
  }
  if (!model.ok()) return context.Fail(model.status());
  if (context.json) {
    context.PrintJson(*model);
    return kOk;
  }
  if (context.quiet) {
    context.out() << model->name() << "\n";
    return kOk;
  }
  context.out() << model->name() << ": " << model->tensors_size() << " tensors, " << FormatBytes(model->size_bytes())
                << "\n";
  Table table({{.title = "tensor"}, {.title = "shape"}});
  for (const v1::TensorInfo& tensor : model->tensors()) {
    table.Add({{.text = Printable(tensor.name())}, {.text = FormatShape(tensor.shape())}});
  }
  context.out() << table.Render(context.console.width, context.color());
  context.Note(absl::StrCat("start a job from it with --set initial_weights.model=", model->name()));
  return kOk;
}

void SetModel(const ModelOptions& options, v1::ModelRef* model) {
  model->set_model(WeightsName(options.weights));
  if (!options.job.empty()) model->set_job(FullName("jobs", options.job));
}

// Leaves it out when no option was given: the job's own is used then.
template <class Request>
void SetTestTime(const ModelOptions& options, Request* request) {
  if (options.scales.empty() && !options.five_crops && !options.flips && options.samples == 0 &&
      options.dropout_samples == 0) {
    return;
  }
  v1::TestTime& test_time = *request->mutable_test_time();
  test_time.mutable_scales()->Assign(options.scales.begin(), options.scales.end());
  test_time.set_five_crops(options.five_crops);
  test_time.set_flips(options.flips);
  test_time.set_fractional_samples(options.samples);
  test_time.set_dropout_samples(options.dropout_samples);
}

int Evaluate(const Context& context, const ModelOptions& options) {
  v1::EvaluateRequest request;
  SetModel(options, request.mutable_model());
  SetTestTime(options, &request);
  if (!options.dataset.empty()) request.mutable_data()->set_dataset(FullName("datasets", options.dataset));
  if (!options.split.empty()) request.mutable_data()->set_evaluation_split(options.split);
  if (options.max_examples > 0) request.mutable_data()->set_max_evaluation_examples(options.max_examples);
  if (options.batch_size > 0) request.set_batch_size(options.batch_size);
  const absl::StatusOr<v1::EvaluationMetrics> metrics = context.MakeClient().Evaluate(request);
  if (!metrics.ok()) return context.Fail(metrics.status());
  if (context.json) {
    context.PrintJson(*metrics);
  } else {
    context.out() << DescribeEvaluation(*metrics) << "\n";
  }
  return kOk;
}

int Predict(const Context& context, const ModelOptions& options) {
  v1::PredictSplitRequest request;
  SetModel(options, request.mutable_model());
  SetTestTime(options, &request);
  v1::SplitRange& range = *request.mutable_range();
  if (!options.dataset.empty()) range.set_dataset(FullName("datasets", options.dataset));
  range.set_split(options.split);
  range.set_first(options.first);
  range.set_count(options.count);
  Client client = context.MakeClient();
  const absl::StatusOr<v1::PredictResponse> response = client.PredictSplit(request);
  if (!response.ok()) return context.Fail(response.status());
  if (context.json) {
    context.PrintJson(*response);
    return kOk;
  }
  if (response->shape_size() != 2 || response->outputs_size() != response->shape(0) * response->shape(1)) {
    return context.Fail(absl::InternalError("the server's answer has outputs of another shape than it says"));
  }
  const int64_t examples = response->shape(0), width = response->shape(1);
  const bool classes = response->classes_size() == examples;
  const bool labels = response->labels_size() == examples;
  const bool probable = response->probabilities_size() == response->outputs_size();
  const bool spread = response->spread_size() == response->outputs_size();
  Table table(classes ? std::vector<Column>{{.title = "example", .right = true},
                                            {.title = "class", .right = true},
                                            {.title = labels ? "label" : "", .right = true},
                                            {.title = ""},
                                            {.title = probable ? "probability" : "output", .right = true},
                                            {.title = spread ? "spread" : "", .right = true},
                                            {.title = ""}}
                      : std::vector<Column>{{.title = "example", .right = true}, {.title = "outputs"}});
  int right = 0;
  for (int64_t i = 0; i < examples; ++i) {
    const std::string number = absl::StrCat(options.first + static_cast<uint64_t>(i));
    if (!classes) {
      std::string outputs;
      for (int64_t j = 0; j < width; ++j) {
        absl::StrAppend(
            &outputs, j == 0 ? "" : "  ", FormatNumber(response->outputs(static_cast<int>(i * width + j))),
            spread ? absl::StrCat(" +- ", FormatNumber(response->spread(static_cast<int>(i * width + j)))) : "");
      }
      table.Add({{.text = number}, {.text = outputs}});
      continue;
    }
    const int64_t chosen = response->classes(static_cast<int>(i));
    const bool hit = labels && chosen == response->labels(static_cast<int>(i));
    right += hit ? 1 : 0;
    const int at = static_cast<int>(i * width + std::clamp<int64_t>(chosen, 0, width - 1));
    const double value = probable ? response->probabilities(at) : response->outputs(at);
    table.Add({{.text = number},
               {.text = absl::StrCat(chosen), .style = Style::kBold},
               {.text = labels ? absl::StrCat(response->labels(static_cast<int>(i))) : ""},
               {.text = !labels ? ""
                        : hit   ? "right"
                                : "wrong",
                .style = hit ? Style::kGood : Style::kBad},
               {.text = probable ? FormatPercent(value) : FormatNumber(value)},
               {.text = spread ? FormatNumber(response->spread(at)) : ""},
               {.text = probable ? Bar(value, 20) : "", .style = Style::kDim}});
  }
  context.out() << table.Render(context.console.width, context.color());
  if (classes && labels) context.Note(absl::StrCat(right, " of ", examples, " right"));
  return kOk;
}

constexpr char kWeightsHelp[] = "JOB, JOB/STEP, JOB/best, or models/ID";

void DeclareData(CLI::App& command, ModelOptions& options) {
  command.add_option("WEIGHTS", options.weights, kWeightsHelp)->required();
  command.add_option("--job", options.job, "Job whose network and preprocessing to use; needed with models/ID");
  command.add_option("--dataset", options.dataset, "Default: the job's");
  command.add_option("--split", options.split, "Default: the job's evaluation split");
  command.add_option("--scales", options.scales, "Average over these lengths of the image's short side")
      ->delimiter(',');
  command.add_flag("--five-crops", options.five_crops, "Average over four corners and the centre of each scale");
  command.add_flag("--flips", options.flips, "Average over each crop and its mirror image");
  command.add_option("--samples", options.samples, "Average over so many draws of fractional pooling");
  command.add_option("--dropout-samples", options.dropout_samples,
                     "Leave dropout, drop_connect, stochastic_depth on, average over so many draws");
}

}  // namespace

void AddModelCommands(CLI::App& app, Context& context) {
  CLI::App& model = *app.add_subcommand("model", "Trained weights: list, download, upload, evaluate, predict");
  model.require_subcommand(1);
  model.footer("Examples:\n  trainctl model download cnn\n  trainctl model predict --help");
  {
    CLI::App& command = *model.add_subcommand("list", "List the checkpoints of a job, oldest first");
    command.footer("Example:\n  trainctl model list cnn");
    auto job = std::make_shared<std::string>();
    command.add_option("JOB", *job, "Job whose checkpoints to list")->required();
    command.callback([&context, job] {
      context.action = [&context, job] { return ListCheckpoints(context, FullName("jobs", *job)); };
    });
  }
  {
    CLI::App& command = *model.add_subcommand("download", "Save weights as a safetensors file");
    command.footer(
        "Examples:\n"
        "  trainctl model download cnn                      the newest checkpoint, to cnn-latest.safetensors\n"
        "  trainctl model download cnn/best -o best.safetensors\n"
        "A broken download goes on where it stopped, also when the command is given again.\n"
        "In Python: safetensors.numpy.load_file(\"best.safetensors\")[\"conv1.weight\"]");
    auto options = std::make_shared<ModelOptions>();
    command.add_option("WEIGHTS", options->weights, kWeightsHelp)->required();
    command.add_option("-o,--output", options->output, "Where to; default: named after the job and checkpoint")
        ->type_name("FILE");
    command.add_flag("--force", options->force, "Replace a file that is there");
    command.callback(
        [&context, options] { context.action = [&context, options] { return Download(context, *options); }; });
  }
  {
    CLI::App& command = *model.add_subcommand("upload", "Store a safetensors file as models/ID");
    command.footer(
        "Examples:\n"
        "  trainctl model upload mine weights.safetensors\n"
        "  trainctl run job.textproto --set initial_weights.model=models/mine\n"
        "Tensors are float32 and named as the server names them: conv1.weight, conv1.bias, bn1.running_mean ...");
    auto id = std::make_shared<std::string>();
    auto path = std::make_shared<std::string>();
    command.add_option("ID", *id, "Name for the model: a-z, 0-9 and -")->required();
    command.add_option("FILE", *path, "safetensors file")->required();
    command.callback(
        [&context, id, path] { context.action = [&context, id, path] { return UploadCommand(context, *id, *path); }; });
  }
  {
    CLI::App& command = *model.add_subcommand("eval", "Loss and accuracy of weights on a split");
    command.footer(
        "Examples:\n"
        "  trainctl model eval cnn\n"
        "  trainctl model eval cnn/best --split train --max-examples 10000\n"
        "  trainctl model eval cnn --scales 32,36 --five-crops --flips    averaged over 20 looks at each image\n"
        "  trainctl model eval models/mine --job cnn");
    auto options = std::make_shared<ModelOptions>();
    DeclareData(command, *options);
    command.add_option("--batch-size", options->batch_size, "Default: the job's");
    command.add_option("--max-examples", options->max_examples, "The first so many only; default: all");
    command.callback(
        [&context, options] { context.action = [&context, options] { return Evaluate(context, *options); }; });
  }
  {
    CLI::App& command = *model.add_subcommand("predict", "The network's answer for some examples of a split");
    command.footer(
        "Examples:\n"
        "  trainctl model predict cnn\n"
        "  trainctl model predict cnn/best --split test --first 100 --count 20\n"
        "  trainctl model predict cnn --dropout-samples 50    mean and spread over 50 draws of dropout\n"
        "  trainctl model predict cnn --json    with all outputs and probabilities");
    auto options = std::make_shared<ModelOptions>();
    DeclareData(command, *options);
    command.add_option("--first", options->first, "Index of the first example")->capture_default_str();
    command.add_option("--count", options->count, "How many; 0: all that follow")->capture_default_str();
    command.callback(
        [&context, options] { context.action = [&context, options] { return Predict(context, *options); }; });
  }
}

}  // namespace traind::client

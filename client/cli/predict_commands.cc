// `trainctl model eval` and `trainctl model predict`.
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/example_file.h"
#include "client/cli/flags.h"
#include "client/cli/operation_view.h"
#include "client/cli/prediction_output.h"
#include "client/names.h"

namespace traind::client {
namespace {

struct DataOptions {
  std::string weights;
  std::string job;
  std::string dataset, split;
  bool async = false;
  // eval
  uint32_t batch_size = 0;
  uint64_t max_examples = 0;
  // predict
  uint64_t first = 0;
  std::optional<uint64_t> count;
  std::string input;
  std::string output;
  bool force = false;
  // How each example is looked at.
  std::vector<uint32_t> scales;
  bool five_crops = false;
  bool flips = false;
  uint32_t samples = 0;
  uint32_t dropout_samples = 0;
};

void SetModel(const DataOptions& options, v1::ModelRef* model) {
  model->set_model(WeightsName(options.weights));
  if (!options.job.empty()) model->set_job(JobName(options.job));
}

// Leaves it out when no option was given: the job's own is used then.
template <class Request>
void SetTestTime(const DataOptions& options, Request* request) {
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

int Evaluate(const Context& context, const DataOptions& options) {
  v1::EvaluateRequest request;
  SetModel(options, request.mutable_model());
  SetTestTime(options, &request);
  if (!options.dataset.empty()) request.mutable_data()->set_dataset(DatasetName(options.dataset));
  if (!options.split.empty()) request.mutable_data()->set_evaluation_split(options.split);
  if (options.max_examples > 0) request.mutable_data()->set_max_evaluation_examples(options.max_examples);
  if (options.batch_size > 0) request.set_batch_size(options.batch_size);
  Client client = context.MakeClient();
  return FinishOperation(context, client, client.Evaluate(request), options.async,
                         [&](const v1::Operation& done) { return ShowResult(context, client, done); });
}

// So many examples of `size` numbers that neither they nor `outputs` numbers of each (thrice: outputs, probabilities,
// spread) come near the API's 4 MiB.
int64_t ExamplesPerCall(int64_t size, int64_t outputs) {
  constexpr int64_t kNumbers = (2 << 20) / sizeof(float);
  return std::max<int64_t>(1, kNumbers / std::max(size, 3 * outputs + 8));
}

// Predicts the examples of a file, a few at a time.
int PredictFile(const Context& context, const DataOptions& options) {
  const absl::StatusOr<ExampleFile> file = ExampleFile::Open(options.input);
  if (!file.ok()) {
    context.Fail(file.status());
    return kUsage;
  }
  const int64_t first = static_cast<int64_t>(std::min<uint64_t>(options.first, file->examples()));
  const int64_t left = file->examples() - first;
  const int64_t count = options.count.value_or(0) == 0 ? left : std::min<int64_t>(left, *options.count);
  Client client = context.MakeClient();
  v1::PredictRequest request;
  SetModel(options, request.mutable_model());
  SetTestTime(options, &request);
  std::unique_ptr<PredictionWriter> writer;
  v1::PredictSplitResponse made;
  made.set_examples(count);
  for (int64_t done = 0; done < count;) {
    // The first answer tells how large they are.
    const int64_t part = std::min(count - done, done == 0 ? 1 : ExamplesPerCall(file->example_size(), made.outputs()));
    absl::StatusOr<v1::Examples> examples = file->Read(first + done, part);
    if (!examples.ok()) return context.Fail(examples.status());
    *request.mutable_examples() = *std::move(examples);
    absl::StatusOr<v1::PredictResponse> response = client.Predict(request);
    if (!response.ok()) return context.Fail(response.status());
    response->set_first(first + done);
    if (writer == nullptr) {
      made.set_outputs(response->shape_size() > 1 ? response->shape(1) : 0);
      absl::StatusOr<std::unique_ptr<PredictionWriter>> begun = MakePredictionWriter(context, made, options.output);
      if (!begun.ok()) return context.Fail(begun.status());
      writer = *std::move(begun);
    }
    if (absl::Status status = WritePredictions(*response, made, *writer); !status.ok()) return context.Fail(status);
    done += part;
  }
  if (writer == nullptr) return context.Fail(absl::OutOfRangeError("--first is past the last example"));
  return FinishPredictions(context, made, *writer, options.output);
}

int Predict(const Context& context, const DataOptions& options) {
  if (absl::Status status = CheckPredictionOutput(options.output); !status.ok()) {
    context.Fail(status);
    return kUsage;
  }
  if (!options.output.empty() && !options.force && access(options.output.c_str(), F_OK) == 0) {
    return context.Fail(absl::AlreadyExistsError(absl::StrCat(options.output, " exists; --force replaces it")));
  }
  if (!options.input.empty()) return PredictFile(context, options);
  constexpr uint64_t kShown = 10;  // In a table, when nobody says how many.
  v1::PredictSplitRequest request;
  SetModel(options, request.mutable_model());
  SetTestTime(options, &request);
  v1::SplitRange& range = *request.mutable_range();
  if (!options.dataset.empty()) range.set_dataset(DatasetName(options.dataset));
  range.set_split(options.split);
  range.set_first(options.first);
  range.set_count(options.count.value_or(options.output.empty() ? kShown : 0));
  Client client = context.MakeClient();
  return FinishOperation(context, client, client.PredictSplit(request), options.async, [&](const v1::Operation& done) {
    const int code = ShowResult(context, client, done, options.output);
    // Whoever waited has all of it.
    if (code == kOk) client.DeleteOperation(done.name()).IgnoreError();
    return code;
  });
}

void DeclareData(CLI::App& command, DataOptions& options) {
  command.add_option("WEIGHTS", options.weights, kWeightsHelp)->required();
  command.add_option("--job", options.job, "Job whose network and preprocessing to use; needed with models/ID");
  command.add_option("--dataset", options.dataset,
                     "Default: the job's. Classes are matched by name, or by number where there are no names");
  command.add_option("--split", options.split, "Default: the job's evaluation split");
  command.add_option("--scales", options.scales, "Average over these lengths of the image's short side")
      ->delimiter(',');
  command.add_flag("--five-crops", options.five_crops, "Average over four corners and the centre of each scale");
  command.add_flag("--flips", options.flips, "Average over each crop and its mirror image");
  command.add_option("--samples", options.samples, "Average over so many draws of fractional pooling");
  command.add_option("--dropout-samples", options.dropout_samples,
                     "Leave dropout, drop_connect, stochastic_depth on, average over so many draws");
  AddAsync(command, options.async);
}

}  // namespace

void AddPredictCommands(CLI::App& model, Context& context) {
  {
    CLI::App& command = *model.add_subcommand("eval", "Loss and accuracy of weights on a split");
    command.footer(
        "Examples:\n"
        "  trainctl model eval cnn\n"
        "  trainctl model eval cnn/best --split train --max-examples 10000\n"
        "  trainctl model eval cnn --scales 32,36 --five-crops --flips    averaged over 20 looks at each image\n"
        "  trainctl model eval models/mine --job cnn\n"
        "  trainctl model eval cnn --async    print the operation's name; `trainctl wait` waits for it\n"
        "Ctrl-C while it waits detaches: the evaluation goes on.");
    auto options = std::make_shared<DataOptions>();
    DeclareData(command, *options);
    command.add_option("--batch-size", options->batch_size, "Default: the job's");
    command.add_option("--max-examples", options->max_examples,
                       "A sample of so many, each class with its share; default: all");
    command.callback(
        [&context, options] { context.action = [&context, options] { return Evaluate(context, *options); }; });
  }
  {
    CLI::App& command = *model.add_subcommand("predict", "The network's answer for examples of a split");
    command.footer(
        "Examples:\n"
        "  trainctl model predict cnn                          ten examples, as a table\n"
        "  trainctl model predict cnn/best --split test --first 100 --count 20\n"
        "  trainctl model predict cnn -o outputs.npy           the whole split: numpy.load(\"outputs.npy\")\n"
        "  trainctl model predict cnn --input digits.npy       examples of your own\n"
        "  trainctl model predict cnn --dropout-samples 50     mean and spread over 50 draws of dropout\n"
        "  trainctl model predict cnn --json                   with all outputs and probabilities\n"
        "  trainctl model predict cnn --count 0 --async        for `trainctl operation result`");
    auto options = std::make_shared<DataOptions>();
    DeclareData(command, *options);
    command.add_option("--first", options->first, "Index of the first example")->capture_default_str();
    command.add_option("--count", options->count,
                       "How many, 0: all that follow; default 10, or all with --output or --input");
    command.add_option("--input", options->input, "Examples of your own instead of a split: a .npy file from here")
        ->type_name("FILE")
        ->excludes("--dataset")
        ->excludes("--split")
        ->excludes("--async");
    command.add_option("-o,--output", options->output, kPredictionOutputHelp)->type_name("FILE");
    command.add_flag("--force", options->force, "Replace a file that is there");
    command.callback(
        [&context, options] { context.action = [&context, options] { return Predict(context, *options); }; });
  }
}

}  // namespace traind::client

// `trainctl model eval` and `trainctl model predict`.
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/commands.h"
#include "client/cli/flags.h"
#include "client/cli/operation_view.h"
#include "client/cli/own_examples.h"
#include "client/cli/prediction_output.h"
#include "client/cli/text.h"
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
  std::vector<std::string> images;
  TableOptions table;
  PredictionStyle style;
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

bool IsTable(const std::string& path) {
  return absl::EndsWithIgnoreCase(path, ".csv") || absl::EndsWithIgnoreCase(path, ".tsv");
}

absl::StatusOr<std::unique_ptr<OwnExamples>> OpenOwn(const DataOptions& options, std::vector<std::string>& notes) {
  if (!options.images.empty()) return OpenImages(options.images, notes);
  if (IsTable(options.input)) return OpenTable(options.input, options.table);
  const TableOptions& table = options.table;
  if (!table.label_column.empty() || !table.target_columns.empty() || !table.drop_columns.empty() ||
      !table.delimiter.empty()) {
    return absl::InvalidArgumentError(
        "--label-column, --target-columns, --drop-columns and --delimiter are for an --input of .csv or .tsv");
  }
  return OpenNumbers(options.input);
}

// The notes of many calls, each said once.
class Notes {
 public:
  explicit Notes(const Context& context) : context_(context) {}
  template <class All>
  void Say(const All& notes) {
    for (const std::string& note : notes) {
      if (said_.insert(note).second) context_.Note(absl::StrCat("note: ", Printable(note)));
    }
  }

 private:
  const Context& context_;
  std::set<std::string> said_;
};

// Predicts the examples of files, a few at a time.
int PredictOwn(const Context& context, const DataOptions& options) {
  std::vector<std::string> left_out;
  const absl::StatusOr<std::unique_ptr<OwnExamples>> own = OpenOwn(options, left_out);
  if (!own.ok()) {
    context.Fail(own.status());
    return kUsage;
  }
  Notes notes(context);
  notes.Say(left_out);
  const int64_t first = static_cast<int64_t>(std::min<uint64_t>(options.first, (*own)->count()));
  const int64_t left = (*own)->count() - first;
  const int64_t count = options.count.value_or(0) == 0 ? left : std::min<int64_t>(left, *options.count);
  Client client = context.MakeClient();
  v1::PredictRequest request;
  SetModel(options, request.mutable_model());
  SetTestTime(options, &request);
  PredictionStyle style = options.style;
  for (int64_t i = 0; !options.images.empty() && i < first + count; ++i) style.files.push_back((*own)->file(i));
  std::unique_ptr<PredictionWriter> writer;
  v1::PredictSplitResponse made;
  made.set_examples(count);
  // The first answer tells how large they are. Few examples come in one call, so that its notes are of all.
  constexpr int64_t kFew = 16;
  int64_t begin_with = options.input.empty() || IsTable(options.input) ? kFew : 1;
  for (int64_t done = 0; done < count;) {
    const int64_t most = done == 0 ? begin_with : ExamplesPerCall((*own)->example_size(), made.outputs());
    const absl::StatusOr<int64_t> part = (*own)->Fill(first + done, std::min(count - done, most), request);
    if (!part.ok()) return context.Fail(part.status());
    absl::StatusOr<v1::PredictResponse> response = client.Predict(request);
    if (absl::IsInvalidArgument(response.status()) && done == 0 && *part > 1) {  // They may be too many for an answer.
      begin_with = 1;
      continue;
    }
    if (!response.ok()) return context.Fail(response.status());
    if (response->shape_size() != 2 || response->shape(0) != *part) {
      return context.Fail(absl::InternalError(
          absl::StrCat("the server's answer is not of the ", *part, " examples that it was asked about")));
    }
    notes.Say(response->notes());
    response->set_first(first + done);
    if (writer == nullptr) {
      made.set_outputs(response->shape(1));
      made.mutable_class_names()->Swap(response->mutable_class_names());
      made.mutable_target_names()->Swap(response->mutable_target_names());
      absl::StatusOr<std::unique_ptr<PredictionWriter>> begun = MakePredictionWriter(context, made, style);
      if (!begun.ok()) return context.Fail(begun.status());
      writer = *std::move(begun);
    }
    if (absl::Status status = WritePredictions(*response, made, *writer); !status.ok()) return context.Fail(status);
    done += *part;
  }
  if (writer == nullptr) return context.Fail(absl::OutOfRangeError("--first is past the last example"));
  return FinishPredictions(context, made, *writer, style.path);
}

int Predict(const Context& context, const DataOptions& options) {
  if (absl::Status status = CheckPredictionOutput(options.style); !status.ok()) {
    context.Fail(status);
    return kUsage;
  }
  const std::string& output = options.style.path;
  if (!output.empty() && !options.force && access(output.c_str(), F_OK) == 0) {
    return context.Fail(absl::AlreadyExistsError(absl::StrCat(output, " exists; --force replaces it")));
  }
  if (!options.input.empty() || !options.images.empty()) return PredictOwn(context, options);
  constexpr uint64_t kShown = 10;  // In a table, when nobody says how many.
  v1::PredictSplitRequest request;
  SetModel(options, request.mutable_model());
  SetTestTime(options, &request);
  v1::SplitRange& range = *request.mutable_range();
  if (!options.dataset.empty()) range.set_dataset(DatasetName(options.dataset));
  range.set_split(options.split);
  range.set_first(options.first);
  range.set_count(options.count.value_or(output.empty() ? kShown : 0));
  Client client = context.MakeClient();
  return FinishOperation(context, client, client.PredictSplit(request), options.async, [&](const v1::Operation& done) {
    const int code = ShowResult(context, client, done, options.style);
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

void DeclareOwn(CLI::App& command, DataOptions& options) {
  for (CLI::Option* own : {command
                               .add_option("--input", options.input,
                                           "Examples of your own instead of a split: a .npy file, or .csv or .tsv "
                                           "lines under the names of the dataset's columns")
                               ->type_name("FILE"),
                           command
                               .add_option("--image", options.images,
                                           "Images of your own: JPEG and PNG files, and folders of them. They are "
                                           "resized and cut as the import of the model's dataset does it")
                               ->type_name("FILE")}) {
    own->excludes("--dataset")->excludes("--split")->excludes("--async");
  }
  command.get_option("--image")->excludes("--input");
  command.add_option("--label-column", options.table.label_column,
                     "Column of the .csv file with the right classes; default: the dataset's, if it is there");
  command
      .add_option("--target-columns", options.table.target_columns,
                  "Columns with the right answers; default: the dataset's, if they are there")
      ->delimiter(',');
  command.add_option("--drop-columns", options.table.drop_columns, "Columns that are not read")->delimiter(',');
  command.add_option("--delimiter", options.table.delimiter, "Between fields; default: comma, semicolon or tab");
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
    CLI::App& command =
        *model.add_subcommand("predict", "The network's answer for examples of a split, or of your own");
    command.footer(
        "Examples:\n"
        "  trainctl model predict cnn                          ten examples, as a table\n"
        "  trainctl model predict cnn/best --split test --first 100 --count 20\n"
        "  trainctl model predict cnn -o outputs.npy           the whole split: numpy.load(\"outputs.npy\")\n"
        "  trainctl model predict cnn --image a.png b.jpg      images of your own; a folder, too\n"
        "  trainctl model predict cnn --input digits.npy       examples of your own\n"
        "  trainctl model predict houses --input new.csv       columns by their names\n"
        "  trainctl model predict cnn --image photos --top 3 --output-format csv\n"
        "  trainctl model predict cnn --dropout-samples 50     mean and spread over 50 draws of dropout\n"
        "  trainctl model predict cnn --json                   with all outputs and probabilities\n"
        "  trainctl model predict cnn --count 0 --async        for `trainctl operation result`");
    auto options = std::make_shared<DataOptions>();
    DeclareData(command, *options);
    command.add_option("--first", options->first, "Index of the first example")->capture_default_str();
    command.add_option("--count", options->count,
                       "How many, 0: all that follow; default 10, or all with --output or examples of your own");
    DeclareOwn(command, *options);
    command.add_option("--top", options->style.top, "So many classes of each example, the best first")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    command
        .add_option("--output-format", options->style.format,
                    "How predictions are written; json: an object a line for each example. Default: by the ending of "
                    "--output, else a table")
        ->check(CLI::IsMember({"table", "csv", "json"}));
    command.add_option("-o,--output", options->style.path, kPredictionOutputHelp)->type_name("FILE");
    command.add_flag("--force", options->force, "Replace a file that is there");
    command.callback(
        [&context, options] { context.action = [&context, options] { return Predict(context, *options); }; });
  }
}

}  // namespace traind::client

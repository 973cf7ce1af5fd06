// `trainctl dataset import` and `trainctl dataset upload`.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/dataset_view.h"
#include "client/cli/flags.h"
#include "client/cli/labels.h"
#include "client/cli/operation_view.h"
#include "client/cli/progress_bar.h"
#include "client/enum_names.h"
#include "client/names.h"

namespace traind::client {
namespace {

struct ImportOptions {
  std::string name;
  std::vector<std::string> splits;
  std::vector<std::string> class_names;
  std::vector<std::string> labels;
  std::string examples_array, labels_array;
  std::string format;
  std::string image_size;  // "32x32".
  bool grayscale = false;
  std::string label_column;
  std::vector<std::string> target_columns, feature_columns;
  bool async = false;
};

// "train=EXAMPLES,LABELS", "train=BOTH.npz", or, of a format with the labels inside, "train=FILE,FILE,...".
struct Split {
  std::string name;
  std::vector<std::string> files;
};

absl::StatusOr<Split> ParseSplit(absl::string_view text, bool labels_inside) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
  Split split{.name = std::string(parts.first), .files = absl::StrSplit(parts.second, ',')};
  const bool incomplete = split.files.empty() || std::any_of(split.files.begin(), split.files.end(),
                                                             [](const auto& file) { return file.empty(); });
  if (split.name.empty() || incomplete || (!labels_inside && split.files.size() > 2)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--split ", text, ": must be ",
        labels_inside ? "NAME=FILE or NAME=FILE,FILE,..." : "NAME=EXAMPLES,LABELS, or NAME=FILE.npz with both inside"));
  }
  return split;
}

absl::Status ParseImageSize(const std::string& text, v1::ImageOptions* images) {
  const std::vector<std::string> sides = absl::StrSplit(absl::AsciiStrToLower(text), 'x');
  uint32_t height = 0;
  uint32_t width = 0;
  if (sides.size() > 2 || !absl::SimpleAtoi(sides.front(), &height) || !absl::SimpleAtoi(sides.back(), &width)) {
    return absl::InvalidArgumentError(absl::StrCat("--image-size ", text, ": must be HEIGHTxWIDTH, for example 64x64"));
  }
  images->set_height(height);
  images->set_width(width);
  return absl::OkStatus();
}

// Options that only one format has say which one is meant.
v1::Format FormatOf(const ImportOptions& options) {
  const auto* format = FindEnumValue(*v1::Format_descriptor(), absl::AsciiStrToUpper(options.format));
  if (format != nullptr) return static_cast<v1::Format>(format->number());
  if (!options.image_size.empty()) return v1::FORMAT_IMAGES;
  if (!options.label_column.empty() || !options.target_columns.empty()) return v1::FORMAT_CSV;
  return v1::FORMAT_UNSPECIFIED;
}

absl::Status FillSource(const ImportOptions& options, v1::SplitSource* source) {
  source->set_format(FormatOf(options));
  source->set_examples_array(options.examples_array);
  source->set_labels_array(options.labels_array);
  if (!options.image_size.empty()) {
    if (absl::Status status = ParseImageSize(options.image_size, source->mutable_images()); !status.ok()) return status;
  }
  if (options.grayscale) source->mutable_images()->set_grayscale(true);
  if (!options.label_column.empty()) source->mutable_csv()->set_label_column(options.label_column);
  for (const std::string& column : options.target_columns) source->mutable_csv()->add_target_columns(column);
  for (const std::string& column : options.feature_columns) source->mutable_csv()->add_feature_columns(column);
  return absl::OkStatus();
}

// Uploads a local file, showing how far it is.
absl::StatusOr<std::string> Send(const Context& context, Client& client, const std::string& path) {
  ProgressBar bar(context.err(), context.console.err_is_terminal && !context.quiet && !context.json, ShortName(path),
                  context.console.width);
  const absl::StatusOr<v1::Upload> upload =
      client.UploadFile(path, [&](int64_t done, int64_t total) { bar.Update(done, total); });
  if (!upload.ok()) return upload.status();
  return upload->name();
}

int Import(const Context& context, const ImportOptions& options, bool upload) {
  v1::ImportDatasetRequest request;
  request.set_dataset_id(options.name);
  for (const std::string& name : options.class_names) request.add_class_names(name);
  SetLabels(options.labels, *request.mutable_labels());
  v1::SplitSource source;
  const absl::Status filled = FillSource(options, &source);
  if (!filled.ok()) {
    context.Fail(filled);
    return kUsage;
  }
  const bool labels_inside = source.format() != v1::FORMAT_UNSPECIFIED && source.format() != v1::FORMAT_ARRAYS;
  std::vector<Split> splits;
  for (const std::string& text : options.splits) {
    absl::StatusOr<Split> split = ParseSplit(text, labels_inside);
    if (!split.ok()) {
      context.Fail(split.status());
      return kUsage;
    }
    splits.push_back(*std::move(split));
  }
  Client client =
      context.MakeClient([&](const absl::Status&, absl::Duration) { context.Note("connection lost, trying again"); });
  std::map<std::string, std::string> uploads;  // A file that is given twice is sent once.
  const auto add = [&](const std::string& path, v1::DataFile* file) {
    if (!upload) {
      file->set_path(path);
      return absl::OkStatus();
    }
    if (const auto sent = uploads.find(path); sent != uploads.end()) {
      file->set_upload(sent->second);
      return absl::OkStatus();
    }
    const absl::StatusOr<std::string> name = Send(context, client, path);
    if (name.ok()) file->set_upload(uploads[path] = *name);
    return name.status();
  };
  for (const Split& split : splits) {
    v1::SplitSource& target = *request.add_splits();
    target = source;
    target.set_name(split.name);
    absl::Status status = add(split.files[0], target.mutable_examples());
    for (size_t i = 1; status.ok() && i < split.files.size(); ++i) {
      status = add(split.files[i], labels_inside ? target.add_more_examples() : target.mutable_labels());
    }
    if (!status.ok()) return context.Fail(status);
  }
  return FinishOperation(context, client, client.ImportDataset(request), options.async,
                         [&](const v1::Operation& done) { return ShowResult(context, client, done); });
}

void AddOptions(CLI::App& command, ImportOptions& options) {
  command.add_option("ID", options.name, "Name for the dataset: a-z, 0-9 and -")->required();
  command.add_option("--split", options.splits, "A split and its files; can be repeated")
      ->required()
      ->type_name("NAME=FILE,...")
      ->allow_extra_args(false);
  command.add_option("--class-names", options.class_names, "Names of the classes, in order")
      ->delimiter(',')
      ->type_name("NAME,...");
  command
      .add_option("--format", options.format,
                  "arrays, cifar10, cifar100, images or csv; default by the options below, or by the first bytes")
      ->check(CLI::IsMember({"arrays", "cifar10", "cifar100", "images", "csv"}, CLI::ignore_case));
  command.add_option("--examples-array", options.examples_array, "Array of an NPZ; default x, images or examples");
  command.add_option("--labels-array", options.labels_array, "Array of an NPZ; default y, labels or targets");
  command.add_option("--image-size", options.image_size, "Of images: the size that they get")
      ->type_name("HEIGHTxWIDTH");
  command.add_flag("--grayscale", options.grayscale, "Of images: one channel instead of three");
  command.add_option("--label-column", options.label_column, "Of CSV: integers or class names")->type_name("COLUMN");
  command.add_option("--target-columns", options.target_columns, "Of CSV, instead of labels: numbers to predict")
      ->delimiter(',')
      ->type_name("COLUMN,...");
  command.add_option("--feature-columns", options.feature_columns, "Of CSV; default all other columns")
      ->delimiter(',')
      ->type_name("COLUMN,...");
  AddLabel(command, options.labels);
  AddAsync(command, options.async);
}

constexpr const char* kImportExamples =
    "Examples:\n"
    "  trainctl dataset import fashion \\\n"
    "      --split train=train-images-idx3-ubyte.gz,train-labels-idx1-ubyte.gz \\\n"
    "      --split test=t10k-images-idx3-ubyte.gz,t10k-labels-idx1-ubyte.gz\n"
    "  trainctl dataset import digits --split train=digits.npz --examples-array images\n"
    "  trainctl dataset import cifar10 --format cifar10 --split test=test_batch.bin \\\n"
    "      --split train=data_batch_1.bin,data_batch_2.bin,data_batch_3.bin,data_batch_4.bin,data_batch_5.bin\n"
    "  trainctl dataset import pets --image-size 64x64 --split train=pets/train --split test=pets/test\n"
    "Paths are on the server, relative to its --dataset-root; `dataset upload` sends files from here. Ctrl-C "
    "detaches:\n"
    "the import goes on; with --async trainctl does not wait at all.\n";
constexpr const char* kUploadExamples =
    "Examples:\n"
    "  trainctl dataset upload digits --split train=x.npy,y.npy --split test=xt.npy,yt.npy\n"
    "  trainctl dataset upload digits --split train=digits.npz\n"
    "  trainctl dataset upload pets --image-size 64x64 --split train=pets.tar.gz\n"
    "  trainctl dataset upload iris --label-column species --split train=iris.csv\n"
    "A broken upload goes on where it stopped, also when the command is given again.\n";
constexpr const char* kFormats =
    "Formats and what a split is made of:\n"
    "  arrays    EXAMPLES,LABELS as IDX (.gz too) or NPY, or one NPZ with both. Examples are [N, features] or\n"
    "            [N, channels, height, width], bytes or float32; labels are integers, or float32 targets.\n"
    "  cifar10, cifar100   binary batches, as many as there are: FILE,FILE,...\n"
    "  images    tar archives (.gz too) or, on the server, folders of JPEG and PNG: <class>/<image>\n"
    "  csv       text files with a header line";

}  // namespace

void AddImportCommands(CLI::App& dataset, Context& context) {
  for (const bool upload : {false, true}) {
    CLI::App& command =
        *dataset.add_subcommand(upload ? "upload" : "import", upload ? "Send local files to the server and import them"
                                                                     : "Import files that are on the server");
    command.footer(absl::StrCat(upload ? kUploadExamples : kImportExamples, kFormats));
    auto options = std::make_shared<ImportOptions>();
    AddOptions(command, *options);
    command.callback([&context, options, upload] {
      context.action = [&context, options, upload] { return Import(context, *options, upload); };
    });
  }
}

}  // namespace traind::client

// `trainctl dataset import` and `trainctl dataset upload`.
#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
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
#include "client/packed_folder.h"

namespace traind::client {
namespace {

struct ImportOptions {
  std::string name;
  std::vector<std::string> files;  // In place of splits.
  std::vector<std::string> splits;
  std::vector<std::string> class_names;
  std::vector<std::string> labels;
  std::string examples_array, labels_array;
  std::string layout;  // "channels-last".
  std::string format;
  std::string image_size;  // "32x32".
  bool grayscale = false;
  bool skip_bad_files = false;
  std::string label_column;
  std::vector<std::string> target_columns, feature_columns, drop_columns, categorical_columns;
  std::string delimiter;  // "tab".
  std::string missing;    // "value:0".
  bool async = false;
};

// "train=EXAMPLES,LABELS", "train=BOTH.npz", "train=BOTH.npz:ARRAY,ARRAY", or, of a format with the labels inside,
// "train=FILE,FILE,...".
struct Split {
  std::string name;
  std::vector<std::string> files;
  std::string examples_array = "";
  std::string labels_array = "";
};

// Takes the array off "x.npz:x_train".
std::string TakeArray(std::string* file) {
  const size_t at = absl::AsciiStrToLower(*file).rfind(".npz:");
  if (at == std::string::npos) return "";
  constexpr size_t kExtension = 4;
  std::string array = file->substr(at + kExtension + 1);
  file->resize(at + kExtension);
  return array;
}

// Behind an array of an NPZ stands another array of it, unless it looks like a file.
void TakeArrays(Split* split) {
  split->examples_array = TakeArray(&split->files[0]);
  if (split->files.size() < 2) return;
  split->labels_array = TakeArray(&split->files[1]);
  const bool is_file = !split->labels_array.empty() || absl::StrContains(split->files[1], '.') ||
                       absl::StrContains(split->files[1], '/');
  if (split->examples_array.empty() || is_file) return;
  split->labels_array = split->files[1];
  split->files.pop_back();
}

absl::StatusOr<Split> ParseSplit(absl::string_view text, bool labels_inside) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
  Split split{.name = std::string(parts.first), .files = absl::StrSplit(parts.second, ',')};
  const bool incomplete = split.files.empty() || std::any_of(split.files.begin(), split.files.end(),
                                                             [](const auto& file) { return file.empty(); });
  if (split.name.empty() || incomplete || (!labels_inside && split.files.size() > 2)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--split ", text, ": must be ",
                     labels_inside ? "NAME=FILE or NAME=FILE,FILE,..."
                                   : "NAME=EXAMPLES,LABELS, NAME=FILE.npz or NAME=FILE.npz:ARRAY,ARRAY"));
  }
  if (!labels_inside) TakeArrays(&split);
  return split;
}

// The splits of files that are given without names: of an NPZ training and test, of which each takes the arrays with
// its name; otherwise training alone.
std::vector<Split> UnnamedSplits(const std::vector<std::string>& files) {
  const bool npz = files.size() == 1 && absl::EndsWithIgnoreCase(files[0], ".npz");
  std::vector<Split> splits = {{.name = "train", .files = files}};
  if (npz) splits.push_back({.name = "test", .files = files});
  return splits;
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

// Whether one of the files, with split or without, ends like this.
bool EndsLike(const ImportOptions& options, std::initializer_list<const char*> extensions) {
  const auto ends = [&](absl::string_view file) {
    return std::any_of(extensions.begin(), extensions.end(),
                       [&](const char* extension) { return absl::EndsWithIgnoreCase(file, extension); });
  };
  return std::any_of(options.splits.begin(), options.splits.end(), ends) ||
         std::any_of(options.files.begin(), options.files.end(), ends);
}

// Options that only one format has say which one is meant, and so do the names of files.
v1::Format FormatOf(const ImportOptions& options) {
  const auto* format = FindEnumValue(*v1::Format_descriptor(), absl::AsciiStrToUpper(options.format));
  if (format != nullptr) return static_cast<v1::Format>(format->number());
  if (!options.image_size.empty()) return v1::FORMAT_IMAGES;
  const bool csv = !options.label_column.empty() || !options.target_columns.empty() || !options.drop_columns.empty() ||
                   !options.categorical_columns.empty() || !options.delimiter.empty() || !options.missing.empty() ||
                   EndsLike(options, {".csv", ".tsv", ".csv.gz", ".tsv.gz"});
  if (csv) return v1::FORMAT_CSV;
  const bool images = options.grayscale || options.skip_bad_files ||
                      EndsLike(options, {".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst", ".zip"});
  return images ? v1::FORMAT_IMAGES : v1::FORMAT_UNSPECIFIED;
}

absl::Status ParseMissing(const std::string& text, v1::CsvOptions* csv) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  const auto* how = FindEnumValue(*v1::CsvOptions::Missing_descriptor(), absl::AsciiStrToUpper(parts.first));
  const bool known = how != nullptr && how->number() != v1::CsvOptions::MISSING_UNSPECIFIED;
  double value = 0;
  const bool with_value = known && how->number() == v1::CsvOptions::MISSING_VALUE;
  if (!known || (with_value && !absl::SimpleAtod(parts.second, &value)) || (!with_value && !parts.second.empty())) {
    return absl::InvalidArgumentError(absl::StrCat("--missing ", text, ": must be error, drop, mean or value:NUMBER"));
  }
  csv->set_missing(static_cast<v1::CsvOptions::Missing>(how->number()));
  csv->set_missing_value(value);
  return absl::OkStatus();
}

absl::Status FillCsv(const ImportOptions& options, v1::CsvOptions* csv) {
  csv->set_label_column(options.label_column);
  csv->mutable_target_columns()->Add(options.target_columns.begin(), options.target_columns.end());
  csv->mutable_feature_columns()->Add(options.feature_columns.begin(), options.feature_columns.end());
  csv->mutable_drop_columns()->Add(options.drop_columns.begin(), options.drop_columns.end());
  csv->mutable_categorical_columns()->Add(options.categorical_columns.begin(), options.categorical_columns.end());
  static const std::map<std::string, std::string> kNames = {
      {"comma", ","}, {"semicolon", ";"}, {"tab", "\t"}, {"\\t", "\t"}, {"space", " "}};
  const auto named = kNames.find(options.delimiter);
  csv->set_delimiter(named == kNames.end() ? options.delimiter : named->second);
  return options.missing.empty() ? absl::OkStatus() : ParseMissing(options.missing, csv);
}

absl::Status FillSource(const ImportOptions& options, v1::SplitSource* source) {
  source->set_format(FormatOf(options));
  source->set_examples_array(options.examples_array);
  source->set_labels_array(options.labels_array);
  if (!options.layout.empty()) {
    source->set_layout(options.layout == "channels-last" ? v1::SplitSource::LAYOUT_CHANNELS_LAST
                                                         : v1::SplitSource::LAYOUT_CHANNELS_FIRST);
  }
  if (!options.image_size.empty()) {
    if (absl::Status status = ParseImageSize(options.image_size, source->mutable_images()); !status.ok()) return status;
  }
  if (options.grayscale) source->mutable_images()->set_grayscale(true);
  const bool csv = source->format() == v1::FORMAT_CSV || !options.feature_columns.empty();
  return csv ? FillCsv(options, source->mutable_csv()) : absl::OkStatus();
}

// Uploads a local file or folder, showing how far it is.
absl::StatusOr<std::string> Send(const Context& context, Client& client, const std::string& path) {
  ProgressBar bar(context.err(), context.console.err_is_terminal && !context.quiet && !context.json, ShortName(path),
                  context.console.width);
  const absl::StatusOr<v1::Upload> upload =
      client.UploadFile(path, [&](int64_t done, int64_t total) { bar.Update(done, total); });
  if (!upload.ok()) return upload.status();
  return upload->name();
}

// The files that a request names, once each.
std::vector<v1::DataFile*> FilesOf(v1::ImportDatasetRequest& request) {
  std::vector<v1::DataFile*> files;
  for (v1::SplitSource& split : *request.mutable_splits()) {
    files.push_back(split.mutable_examples());
    for (v1::DataFile& file : *split.mutable_more_examples()) files.push_back(&file);
    if (split.has_labels()) files.push_back(split.mutable_labels());
  }
  return files;
}

// Finds what would end the sending of a file or folder, and says what of it is not sent.
absl::Status LookAt(const Context& context, const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return absl::NotFoundError(absl::StrCat(path, ": there is no such file or folder"));
  }
  if (!std::filesystem::is_directory(path, error)) return absl::OkStatus();
  const absl::StatusOr<PackedFolder> folder = PackedFolder::Open(path);
  if (folder.ok() && folder->num_hidden() > 0) {
    context.Note(absl::StrCat(path, ": hidden files and folders that are not sent: ", folder->num_hidden()));
  }
  return folder.status();
}

// Has the server check all that it can without the files, then sends them. A file that is given twice is sent once.
absl::Status SendFiles(const Context& context, Client& client, v1::ImportDatasetRequest* request) {
  for (v1::SplitSource& split : *request->mutable_splits()) {
    std::error_code ignored;
    const bool folder = std::filesystem::is_directory(split.examples().path(), ignored);
    if (folder && split.format() == v1::FORMAT_UNSPECIFIED) split.set_format(v1::FORMAT_IMAGES);
  }
  for (v1::DataFile* file : FilesOf(*request)) {
    file->set_display_name(file->path());
    if (absl::Status status = LookAt(context, file->path()); !status.ok()) return status;
  }
  v1::ImportDatasetRequest trial = *request;
  trial.set_validate_only(true);
  for (v1::DataFile* file : FilesOf(trial)) file->set_upload("uploads/to-be-sent");
  const absl::Status valid = client.ImportDataset(trial).status();
  // A server of before 0.3 misses the uploads.
  if (!valid.ok() && !absl::IsNotFound(valid)) return valid;
  std::map<std::string, std::string> uploads;
  for (v1::DataFile* file : FilesOf(*request)) {
    std::string& name = uploads[file->display_name()];
    if (name.empty()) {
      const absl::StatusOr<std::string> sent = Send(context, client, file->display_name());
      if (!sent.ok()) return sent.status();
      name = *sent;
    }
    file->set_upload(name);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Split>> SplitsOf(const ImportOptions& options, bool labels_inside) {
  if (options.splits.empty() == options.files.empty()) {
    return absl::InvalidArgumentError("either --split NAME=FILE,... or files without --split are needed");
  }
  if (!options.files.empty()) return UnnamedSplits(options.files);
  std::vector<Split> splits;
  for (const std::string& text : options.splits) {
    absl::StatusOr<Split> split = ParseSplit(text, labels_inside);
    if (!split.ok()) return split.status();
    splits.push_back(*std::move(split));
  }
  return splits;
}

absl::StatusOr<v1::ImportDatasetRequest> RequestOf(const ImportOptions& options) {
  v1::ImportDatasetRequest request;
  request.set_dataset_id(options.name);
  request.set_skip_bad_files(options.skip_bad_files);
  for (const std::string& name : options.class_names) request.add_class_names(name);
  SetLabels(options.labels, *request.mutable_labels());
  v1::SplitSource source;
  if (absl::Status status = FillSource(options, &source); !status.ok()) return status;
  const bool labels_inside = source.format() != v1::FORMAT_UNSPECIFIED && source.format() != v1::FORMAT_ARRAYS;
  const absl::StatusOr<std::vector<Split>> splits = SplitsOf(options, labels_inside);
  if (!splits.ok()) return splits.status();
  for (const Split& split : *splits) {
    v1::SplitSource& target = *request.add_splits();
    target = source;
    target.set_name(split.name);
    if (!split.examples_array.empty()) target.set_examples_array(split.examples_array);
    if (!split.labels_array.empty()) target.set_labels_array(split.labels_array);
    target.mutable_examples()->set_path(split.files[0]);
    for (size_t i = 1; i < split.files.size(); ++i) {
      v1::DataFile* file = labels_inside ? target.add_more_examples() : target.mutable_labels();
      file->set_path(split.files[i]);
    }
  }
  return request;
}

int Import(const Context& context, const ImportOptions& options, bool upload) {
  absl::StatusOr<v1::ImportDatasetRequest> request = RequestOf(options);
  if (!request.ok()) {
    context.Fail(request.status());
    return kUsage;
  }
  Client client =
      context.MakeClient([&](const absl::Status&, absl::Duration) { context.Note("connection lost, trying again"); });
  if (upload) {
    if (absl::Status status = SendFiles(context, client, &*request); !status.ok()) return context.Fail(status);
  }
  return FinishOperation(context, client, client.ImportDataset(*request), options.async,
                         [&](const v1::Operation& done) { return ShowResult(context, client, done); });
}

void AddOptions(CLI::App& command, ImportOptions& options) {
  command.add_option("ID", options.name, "Name for the dataset: a-z, 0-9 and -")->required();
  command.add_option("FILE", options.files,
                     "In place of --split: one NPZ with arrays for training and test, or the files of the split train");
  command.add_option("--split", options.splits, "A split and its files; can be repeated")
      ->type_name("NAME=FILE,...")
      ->allow_extra_args(false);
  command.add_option("--class-names", options.class_names, "Names of the classes, in order")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("NAME,...");
  command
      .add_option("--format", options.format,
                  "arrays, cifar10, cifar100, images or csv; default by the options below, or by the first bytes")
      ->check(CLI::IsMember({"arrays", "cifar10", "cifar100", "images", "csv"}, CLI::ignore_case));
  command.add_option("--examples-array", options.examples_array,
                     "Array of an NPZ; default x_SPLIT, SPLIT_images and the like, or x, images or examples");
  command.add_option("--labels-array", options.labels_array,
                     "Array of an NPZ; default y_SPLIT, SPLIT_labels and the like, or y, labels or targets");
  command
      .add_option("--layout", options.layout,
                  "Of arrays of four dimensions; default channels-last where only the last is 1, 3 or 4")
      ->check(CLI::IsMember({"channels-first", "channels-last"}));
  command.add_option("--image-size", options.image_size, "Of images: the size that they get")
      ->type_name("HEIGHTxWIDTH");
  command.add_flag("--grayscale", options.grayscale, "Of images: one channel instead of three");
  command.add_flag("--skip-bad-files", options.skip_bad_files,
                   "Of images: leave out files that cannot be read, and list them in the dataset");
  command.add_option("--label-column", options.label_column, "Of CSV: integers or class names")->type_name("COLUMN");
  command.add_option("--target-columns", options.target_columns, "Of CSV, instead of labels: numbers to predict")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("COLUMN,...");
  command.add_option("--feature-columns", options.feature_columns, "Of CSV; default all other columns")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("COLUMN,...");
  command.add_option("--drop-columns", options.drop_columns, "Of CSV: all other columns but these are features")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("COLUMN,...");
  command
      .add_option("--categorical-columns", options.categorical_columns,
                  "Of CSV, columns of words: a feature of 0 or 1 for each word")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("COLUMN,...");
  command.add_option("--delimiter", options.delimiter,
                     "Of CSV: one character, or comma, semicolon, tab or space; default by the header line");
  command
      .add_option("--missing", options.missing,
                  "Of CSV, for fields that are empty, NA, N/A, NaN, null or ?: error (the default), drop the line,\n"
                  "mean of the column over the first split, or value:NUMBER")
      ->type_name("HOW");
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
    "  trainctl dataset upload mnist mnist.npz                     x_train, y_train, x_test, y_test\n"
    "  trainctl dataset upload digits --split train=d.npz:x,y --split test=d.npz:x_val,y_val\n"
    "  trainctl dataset upload pets --image-size 64x64 --split train=pets/train --split test=pets-test.zip\n"
    "  trainctl dataset upload iris --label-column species --split train=iris.csv\n"
    "Name and options are checked before anything is sent. A folder is packed on the way, without a copy. A broken\n"
    "upload goes on where it stopped, also when the command is given again.\n";
constexpr const char* kFormats =
    "Formats and what a split is made of:\n"
    "  arrays    EXAMPLES,LABELS as IDX (.gz too) or NPY; or one NPZ with both, FILE.npz or FILE.npz:ARRAY,ARRAY.\n"
    "            Examples are [N, features] or images [N, height, width], [N, channels, height, width] or\n"
    "            [N, height, width, channels]: uint8 and bool become bytes, all other numbers float32.\n"
    "            Labels are integers [N] or [N, 1] or one-hot rows; floats are targets\n"
    "  cifar10, cifar100   binary batches, as many as there are: FILE,FILE,...\n"
    "  images    folders and archives (.tar, .tar.gz, .tar.xz, .tar.bz2, .tar.zst, .zip) of JPEG and PNG:\n"
    "            <class>/<image>. Hidden and system files are passed over, EXIF orientation is applied\n"
    "  csv       text files with a header line (.gz too)";

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

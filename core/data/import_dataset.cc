#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/checksum.h"
#include "core/base/enum_name.h"
#include "core/base/errors.h"
#include "core/base/labels.h"
#include "core/base/utf8.h"
#include "core/data/array_reader.h"
#include "core/data/dataset_dir.h"
#include "core/data/dataset_files.h"
#include "core/data/split_reader.h"

namespace traind::core {
namespace {

constexpr int kMaxSplits = 16;
// Of a Dataset: clients take answers of 4 MiB by default, and labels may come later.
constexpr size_t kMaxDescription = 7 << 19;
constexpr size_t kMaxFeatureNames = 1 << 20;  // Bytes of them.
constexpr size_t kMaxSkipped = 1000;
constexpr size_t kMaxNotes = 100;
constexpr size_t kLongestFileName = 1000;  // Of a file, in bytes.
constexpr absl::string_view kTemporaryPrefix = ".importing-";

struct Input {
  const SplitOrigin& origin;
  std::unique_ptr<SplitReader> reader;
};

// All splits must look alike.
void CheckAlike(const std::vector<Input>& inputs) {
  const SplitHeader& first = inputs.front().reader->header();
  const std::string& first_name = inputs.front().origin.source->name();
  for (const auto& [origin, reader] : inputs) {
    const SplitHeader& header = reader->header();
    for (const std::string& name : header.class_names) {
      if (IsUtf8(name)) continue;
      origin.labels_field().Add(absl::StrCat("the class '", absl::CHexEscape(name), "' is not valid UTF-8"));
    }
    if (header.shape != first.shape) {
      origin.examples_field().Add(absl::StrCat("examples of shape ", ToString(header.shape), ", but split '",
                                               first_name, "' has ", ToString(first.shape)));
    }
    if (header.type != first.type) {
      origin.examples_field().Add(absl::StrCat("examples of type ", EnumName(header.type), ", but split '", first_name,
                                               "' has ", EnumName(first.type)));
    }
    if (header.target_width != first.target_width) {
      auto kind = [](int64_t width) {
        return width == 0 ? std::string("integer labels") : absl::StrCat("float targets of width ", width);
      };
      origin.labels_field().Add(
          absl::StrCat(kind(header.target_width), ", but split '", first_name, "' has ", kind(first.target_width)));
    }
    if (header.class_names != first.class_names) {
      origin.labels_field().Add(
          absl::StrCat(header.class_names.empty() ? "classes without names" : "classes with names", ", but in split '",
                       first_name, "' it is not so"));
    }
  }
}

// Calls `found` for each file or array that has the examples of two splits, with the second and the first of them.
void ForSameExamples(const std::vector<Input>& inputs,
                     absl::FunctionRef<void(const ExampleOrigin&, const SplitOrigin&, const SplitOrigin&)> found) {
  std::map<std::pair<std::string, std::string>, const SplitOrigin*> seen;
  for (const auto& [origin, reader] : inputs) {
    for (const ExampleOrigin& from : reader->origins()) {
      const auto [first, is_new] = seen.emplace(std::pair(from.file.path, from.member), &origin);
      if (!is_new && first->second != &origin) found(from, origin, *first->second);
    }
  }
}

// An NPZ has room for the arrays of both: taking the same twice is a mistake.
void CheckDifferent(const std::vector<Input>& inputs) {
  ForSameExamples(inputs, [](const ExampleOrigin& from, const SplitOrigin& second, const SplitOrigin& first) {
    if (from.member.empty()) return;
    second.examples_field().Add(absl::StrCat(from.file.name, ": ", from.member, ".npy holds the examples of split '",
                                             first.source->name(), "' already; ", second.source->name(), "=",
                                             from.file.name, ":EXAMPLES,LABELS names other arrays"));
  });
}

void NoteSameExamples(const std::vector<Input>& inputs, v1::Dataset* dataset) {
  ForSameExamples(inputs, [&](const ExampleOrigin& from, const SplitOrigin& second, const SplitOrigin& first) {
    dataset->add_notes(absl::StrCat(from.file.name, ": '", first.source->name(), "' and '", second.source->name(),
                                    "' have the same examples: a result on one of them says nothing of new data"));
  });
}

// Arrays of an NPZ that no split has taken.
void NoteUnusedArrays(const std::vector<Input>& inputs, v1::Dataset* dataset) {
  std::map<std::string, std::set<std::string>> used;
  std::map<std::string, InputFile> files;
  for (const Input& input : inputs) {
    for (const ExampleOrigin& from : input.reader->origins()) {
      if (from.member.empty()) continue;
      files.emplace(from.file.path, from.file);
      used[from.file.path].insert({from.member, from.labels_member});
    }
  }
  for (const auto& [path, file] : files) {
    auto members = NpzMembers(file);
    if (!members.ok()) continue;
    std::vector<std::string> unused;
    for (const std::string& member : *members) {
      if (!used[path].contains(member)) unused.push_back(absl::CHexEscape(member));
    }
    if (unused.empty()) continue;
    dataset->add_notes(
        absl::StrCat(file.name, ": arrays that no split uses: ", absl::StrJoin(unused, ", ").substr(0, 500)));
  }
}

// What the readers have to say of what they did.
void AddNotes(const std::vector<Input>& inputs, v1::Dataset* dataset) {
  std::set<std::string> said;
  for (const Input& input : inputs) {
    for (const std::string& note : input.reader->notes()) {
      if (said.insert(note).second && said.size() <= kMaxNotes) dataset->add_notes(note);
    }
    for (const v1::SkippedFile& file : input.reader->skipped()) {
      if (static_cast<size_t>(dataset->skipped_files_size()) < kMaxSkipped) *dataset->add_skipped_files() = file;
    }
    dataset->set_num_skipped_files(dataset->num_skipped_files() + input.reader->num_skipped());
  }
  NoteSameExamples(inputs, dataset);
  NoteUnusedArrays(inputs, dataset);
  for (std::string& note : *dataset->mutable_notes()) note = EscapedUnlessUtf8(note);
}

// The names of the features, unless they are too many for an answer.
void AddFeatures(const SplitHeader& header, v1::Dataset* dataset) {
  size_t bytes = 0;
  for (const std::string& name : header.feature_names) bytes += name.size();
  for (const v1::CategoricalColumn& column : header.categorical_columns) bytes += column.ByteSizeLong();
  if (bytes > kMaxFeatureNames) {
    dataset->add_notes(absl::StrCat("the names of the features take ", bytes >> 10, " KiB and are not kept"));
    return;
  }
  dataset->mutable_feature_names()->Add(header.feature_names.begin(), header.feature_names.end());
  dataset->mutable_categorical_columns()->Add(header.categorical_columns.begin(), header.categorical_columns.end());
}

using AppendedBytes = std::function<void(size_t)>;

absl::Status CopySplit(const std::string& dir, const Input& input, const AppendedBytes& progress, v1::Dataset* dataset,
                       int64_t* largest_label) {
  Crc32 crc;
  const SplitHeader& header = input.reader->header();
  const std::string& name = input.origin.source->name();
  Shape shape = header.shape;
  shape.insert(shape.begin(), header.count);
  auto examples = ChecksummedFile::Create(ExamplesPath(dir, name), &crc, &progress);
  if (!examples.ok()) return examples.status();
  absl::Status status = examples->Append(NpyHeader(NpyType(header.type), shape));
  if (status.ok()) status = input.reader->CopyExamples(*examples);
  if (status.ok()) status = examples->Close();
  if (!status.ok()) return status;

  auto labels = ChecksummedFile::Create(LabelsPath(dir, name), &crc, &progress);
  if (!labels.ok()) return labels.status();
  const bool has_labels = header.target_width == 0;
  const Shape label_shape = has_labels ? Shape{header.count} : Shape{header.count, header.target_width};
  status = labels->Append(NpyHeader(has_labels ? "<i4" : "<f4", label_shape));
  if (status.ok()) status = input.reader->CopyLabels(*labels, largest_label);
  if (status.ok()) status = labels->Close();
  if (!status.ok()) return status;

  v1::DatasetSplit* split = dataset->add_splits();
  split->set_name(name);
  split->set_num_examples(header.count);
  split->set_checksum(absl::StrCat("crc32:", crc.hex()));
  dataset->set_size_bytes(dataset->size_bytes() + examples->size() + labels->size());
  return absl::OkStatus();
}

void CheckFileName(const v1::DataFile& file, const FieldErrors& field) {
  if (file.display_name().size() > kLongestFileName) {
    field.At("display_name").Add(absl::StrCat("at most ", kLongestFileName, " bytes"));
  }
}

// What can be checked without a file.
void CheckRequest(const v1::ImportDatasetRequest& request, const FieldErrors& errors) {
  if (request.splits().empty()) errors.At("splits").Add("at least one split is required");
  if (request.splits_size() > kMaxSplits) errors.At("splits").Add(absl::StrCat("at most ", kMaxSplits, " splits"));
  CheckLabels(request.labels(), errors.At("labels"));
  std::set<std::string> classes;
  for (int i = 0; i < request.class_names_size(); ++i) {
    if (!classes.insert(request.class_names(i)).second) errors.At("class_names", i).Add("the name of an earlier class");
  }
  std::set<std::string> names;
  for (int i = 0; i < request.splits_size(); ++i) {
    const FieldErrors field = errors.At("splits", i);
    const v1::SplitSource& source = request.splits(i);
    if (!IsSplitName(source.name())) field.At("name").Add("must match [a-z0-9_-]{1,32}");
    if (!names.insert(source.name()).second) field.At("name").Add("used by an earlier split");
    if (source.examples().source_case() == v1::DataFile::SOURCE_NOT_SET) field.At("examples").Add("required");
    CheckFileName(source.examples(), field.At("examples"));
    CheckFileName(source.labels(), field.At("labels"));
    CheckSource(source, field);
    for (int k = 0; k < source.more_examples_size(); ++k) {
      CheckFileName(source.more_examples(k), field.At("more_examples", k));
      if (source.more_examples(k).source_case() == v1::DataFile::SOURCE_NOT_SET) {
        field.At("more_examples", k).Add("needs a path or an upload");
      }
    }
    if (source.has_labels() && source.labels().source_case() == v1::DataFile::SOURCE_NOT_SET) {
      field.At("labels").Add("needs a path or an upload");
    }
  }
}

// Of what the dataset takes on disk: cannot overflow, and exact enough for a limit.
double BytesOf(const std::vector<Input>& inputs) {
  double bytes = 0;
  for (const Input& input : inputs) {
    const SplitHeader& header = input.reader->header();
    const double per_example =
        static_cast<double>(Elements(header.shape)) * (header.type == v1::ELEMENT_TYPE_UINT8 ? 1.0 : 4.0) +
        4.0 * static_cast<double>(std::max<int64_t>(header.target_width, 1));
    bytes += static_cast<double>(header.count) * per_example;
  }
  return bytes;
}

absl::Status CheckSize(double bytes, int64_t max_bytes) {
  if (bytes <= static_cast<double>(max_bytes)) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("the dataset needs ", bytes, " bytes; at most ", max_bytes));
}

// The readers of all splits, in their order. `origins`, which they refer to, and `class_names`, those of the request,
// outlive them; names that the first split brings go there. INVALID_ARGUMENT is in `root` alone.
absl::StatusOr<std::vector<Input>> OpenInputs(const v1::ImportDatasetRequest& request, const ImportOptions& options,
                                              FieldErrors::Root& root, std::deque<SplitOrigin>& origins,
                                              std::vector<std::string>& class_names) {
  std::vector<Input> inputs;
  for (int i = 0; i < request.splits_size(); ++i) {
    const SplitHeader* first = inputs.empty() ? nullptr : &inputs.front().reader->header();
    if (class_names.empty() && first != nullptr) class_names = first->class_names;
    const SplitOrigin& origin = origins.emplace_back(SplitOrigin{.source = &request.splits(i),
                                                                 .field = root.scope().At("splits", i),
                                                                 .root = &root,
                                                                 .resolve = &options.resolve,
                                                                 .class_names = class_names,
                                                                 .first = first,
                                                                 .skip_bad_files = request.skip_bad_files()});
    auto reader = OpenSplitReader(origin);
    if (reader.ok()) {
      inputs.push_back({.origin = origin, .reader = *std::move(reader)});
    } else if (!absl::IsInvalidArgument(reader.status())) {
      return reader.status();
    }
  }
  if (root.ok()) CheckDifferent(inputs);
  if (root.ok()) CheckAlike(inputs);
  if (root.ok() && class_names.empty()) class_names = inputs.front().reader->header().class_names;
  return inputs;
}

// What is known of the dataset before its splits are copied.
v1::Dataset NewDataset(const v1::ImportDatasetRequest& request, const ImportOptions& options, const SplitHeader& header,
                       const std::vector<std::string>& class_names) {
  v1::Dataset dataset;
  dataset.set_name(absl::StrCat("datasets/", request.dataset_id()));
  dataset.mutable_example_shape()->Add(header.shape.begin(), header.shape.end());
  dataset.set_element_type(header.type);
  dataset.set_target_width(header.target_width);
  dataset.mutable_class_names()->Add(class_names.begin(), class_names.end());
  dataset.mutable_create_time()->set_seconds(absl::ToUnixSeconds(options.create_time));
  *dataset.mutable_update_time() = dataset.create_time();
  dataset.set_uid(options.uid);
  dataset.set_owner(options.owner);
  *dataset.mutable_labels() = request.labels();
  dataset.set_label_column(header.label_column);
  dataset.mutable_target_columns()->Add(header.target_columns.begin(), header.target_columns.end());
  AddFeatures(header, &dataset);
  return dataset;
}

// Copies the splits into `dir`, `bytes` in all, and counts the classes. Where the format knows them, they count,
// whether each has an example or not. After bad content the other splits are still read, for their violations.
absl::Status CopySplits(const ImportOptions& options, const std::string& dir, const std::vector<Input>& inputs,
                        double bytes, v1::Dataset* dataset) {
  const auto total = static_cast<int64_t>(bytes);
  int64_t done = 0;
  // The headers of the files, too, are bytes that were done.
  const AppendedBytes progress = [&](size_t size) {
    done = std::min(done + static_cast<int64_t>(size), total);
    if (options.progress != nullptr) options.progress(done, total);
  };
  int64_t largest_label = -1;
  absl::Status bad;
  for (const Input& input : inputs) {
    absl::Status status = CopySplit(dir, input, progress, dataset, &largest_label);
    if (!status.ok() && !absl::IsInvalidArgument(status)) return status;
    if (!status.ok()) bad = status;
  }
  if (!bad.ok()) return bad;
  AddNotes(inputs, dataset);
  const std::vector<std::string>& known = inputs.front().reader->header().class_names;
  dataset->set_num_classes(known.empty() ? largest_label + 1 : static_cast<int64_t>(known.size()));
  return absl::OkStatus();
}

void CheckClassNames(const v1::ImportDatasetRequest& request, const v1::Dataset& dataset, const FieldErrors& errors) {
  if (request.class_names().empty() || request.class_names_size() == dataset.num_classes()) return;
  errors.At("class_names")
      .Add(absl::StrCat(request.class_names_size(), " names for ", dataset.num_classes(), " classes"));
}

// The description of the dataset must fit an answer.
void CheckDescription(const v1::Dataset& dataset, const FieldErrors& errors) {
  if (dataset.ByteSizeLong() <= kMaxDescription) return;
  errors.At("class_names")
      .Add(absl::StrCat("with ", dataset.class_names_size(), " names the dataset's description takes ",
                        dataset.ByteSizeLong() >> 10, " KiB, and no answer may hold more than ", kMaxDescription >> 10,
                        "; give shorter ones, or none"));
}

// A name beside `dir` that no other import has.
std::string TemporaryFor(const std::filesystem::path& dir) {
  static std::atomic<uint64_t> counter = 0;
  const std::string name =
      absl::StrCat(kTemporaryPrefix, dir.filename().string(), "-", getpid(), "-", counter.fetch_add(1));
  return (dir.parent_path() / name).string();
}

// Makes the whole folder appear under its name, durably or not at all.
absl::Status Publish(const std::string& temporary, const std::string& dir) {
  if (absl::Status status = SyncFolder(temporary); !status.ok()) return status;
  absl::Status status = Rename(temporary, dir);
  std::error_code ignored;
  // Renamed, but not durably: the caller must not find it after an error.
  if (!status.ok() && !std::filesystem::exists(temporary, ignored)) RemoveAll(dir).IgnoreError();
  return status;
}

}  // namespace

absl::Status CheckImportRequest(const v1::ImportDatasetRequest& request) {
  FieldErrors::Root root;
  CheckRequest(request, root.scope());
  return root.ToStatus();
}

absl::StatusOr<v1::Dataset> ImportDataset(const v1::ImportDatasetRequest& request, const ImportOptions& options) {
  FieldErrors::Root root;
  CheckRequest(request, root.scope());
  if (!root.ok()) return root.ToStatus();
  std::error_code ignored;
  if (std::filesystem::exists(options.dir, ignored)) {
    return absl::AlreadyExistsError(absl::StrCat("dataset '", request.dataset_id(), "' exists already"));
  }
  std::deque<SplitOrigin> origins;
  std::vector<std::string> class_names(request.class_names().begin(), request.class_names().end());
  const auto inputs = OpenInputs(request, options, root, origins, class_names);
  if (!inputs.ok()) return inputs.status();
  if (!root.ok()) return root.ToStatus();
  const double bytes = BytesOf(*inputs);
  if (absl::Status status = CheckSize(bytes, options.max_bytes); !status.ok()) return status;

  const std::string temporary = TemporaryFor(options.dir);
  if (absl::Status status = CreateFolders(temporary); !status.ok()) return status;
  const absl::Cleanup remove_temporary = [&] { RemoveAll(temporary).IgnoreError(); };
  v1::Dataset dataset = NewDataset(request, options, inputs->front().reader->header(), class_names);
  if (absl::Status status = CopySplits(options, temporary, *inputs, bytes, &dataset); !status.ok()) return status;
  CheckClassNames(request, dataset, root.scope());
  CheckDescription(dataset, root.scope());
  if (!root.ok()) return root.ToStatus();
  if (absl::Status status = SaveDataset(dataset, temporary); !status.ok()) return status;
  if (absl::Status status = Publish(temporary, options.dir); !status.ok()) return status;
  return dataset;
}

absl::Status RemoveUnfinishedImports(const std::string& datasets_dir) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(datasets_dir, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().starts_with(std::string(kTemporaryPrefix))) {
      if (absl::Status status = RemoveAll(it->path().string()); !status.ok()) return status;
    }
  }
  if (error) return ErrnoStatus(error.value(), "list", datasets_dir);
  return absl::OkStatus();
}

}  // namespace traind::core

// How one split of an import is read, whatever the format of its files. A reader is opened, which reads as much as it
// takes to know how many examples there are, of what shape and of which classes; then it copies all examples, and after
// them all labels. One format, one file; OpenSplitReader picks the format. Thread-compatible.
//
// Bad content of a file becomes a violation of the field that named the file, with the place in it; the status that
// comes back then is that of all violations so far. Other errors, which name the file, stay as they are.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/errors.h"
#include "core/data/byte_source.h"
#include "core/data/checksummed_file.h"
#include "core/tensor/tensor.h"
#include "traind/v1/dataset.pb.h"

namespace traind::core {

struct CsvSchema;

// All that is known of a split once it is open.
struct SplitHeader {
  int64_t count = 0;
  Shape shape = {};  // Of one stored example: [features] or [channels, height, width].
  v1::ElementType type = v1::ELEMENT_TYPE_UNSPECIFIED;
  int64_t target_width = 0;                     // 0: labels.
  std::vector<std::string> class_names = {};    // Of labels that have names, in the order of the labels.
  std::vector<std::string> feature_names = {};  // Of CSV: one for each feature.
  std::vector<v1::CategoricalColumn> categorical_columns = {};  // Of CSV.
  std::string label_column = "";                                // Of CSV with labels.
  std::vector<std::string> target_columns = {};                 // Of CSV with targets.
  std::shared_ptr<const CsvSchema> csv = nullptr;               // What the first split of CSV decides for the others.
};

// Where a split has its examples from. Two splits of the same are a mistake.
struct ExampleOrigin {
  InputFile file;
  std::string member = "";  // Of an NPZ.
  std::string labels_member = "";
};

class SplitReader {
 public:
  virtual ~SplitReader() = default;
  const SplitHeader& header() const { return header_; }
  // What was guessed or changed, for the dataset's notes; whole after CopyLabels.
  const std::vector<std::string>& notes() const { return notes_; }
  // The files that were left out: the first kMaxSkipped of num_skipped().
  const std::vector<v1::SkippedFile>& skipped() const { return skipped_; }
  int64_t num_skipped() const { return num_skipped_; }
  virtual std::vector<ExampleOrigin> origins() const = 0;

  // Appends header().count examples, row-major, of the element type. Called once.
  virtual absl::Status CopyExamples(ChecksummedFile& file) = 0;
  // Appends int32 labels, or float32 targets. `largest` becomes the largest label if that is larger than it was. Called
  // once, after CopyExamples.
  virtual absl::Status CopyLabels(ChecksummedFile& file, int64_t* largest) = 0;

 protected:
  static constexpr size_t kMaxSkipped = 1000;

  explicit SplitReader(SplitHeader header) : header_(std::move(header)) {}
  void Note(std::string note) { notes_.push_back(std::move(note)); }
  void Skip(v1::SkippedFile file) {
    ++num_skipped_;
    if (skipped_.size() < kMaxSkipped) skipped_.push_back(std::move(file));
  }

 private:
  const SplitHeader header_;
  std::vector<std::string> notes_;
  std::vector<v1::SkippedFile> skipped_;
  int64_t num_skipped_ = 0;
};

using ResolveFile = std::function<absl::StatusOr<std::string>(const v1::DataFile&)>;

// A split of the request and what its reader must know beside it. Lives as long as the reader.
struct SplitOrigin {
  const v1::SplitSource* source = nullptr;
  FieldErrors field;                     // Of the split.
  FieldErrors::Root* root = nullptr;     // Of `field`.
  const ResolveFile* resolve = nullptr;  // The path of a file, or the error to answer with.
  std::vector<std::string> class_names;  // That the labels must be of: the request's, or those of the first split.
  const SplitHeader* first = nullptr;    // Of the first split; null for itself.
  bool skip_bad_files = false;           // Of the request.

  FieldErrors examples_field() const { return field.At("examples"); }
  FieldErrors labels_field() const { return field.At(source->has_labels() ? "labels" : "examples"); }
  absl::StatusOr<InputFile> Resolve(const v1::DataFile& file) const;
  // The status as the header of this file says it; OK stays OK.
  absl::Status Fail(const FieldErrors& at, const absl::Status& status) const;
  absl::Status Fail(const FieldErrors& at, const std::string& description) const;
};

// The files of a split, in order: `examples` and `more_examples`.
struct SplitFile {
  InputFile input;
  FieldErrors field;
};
absl::StatusOr<std::vector<SplitFile>> SplitFiles(const SplitOrigin& origin);

// Violations of the split that no file needs to be read for.
void CheckSource(const v1::SplitSource& source, const FieldErrors& field);

// The bytes of a file, unpacked when it is a gzip.
absl::StatusOr<std::unique_ptr<ByteSource>> OpenUnpacked(const InputFile& file);

// INVALID_ARGUMENT: a class that is none of `names`, which are listed as far as they are few.
absl::Status UnknownClass(const std::string& name, const std::vector<std::string>& names);

// --- One function for each format.

absl::StatusOr<std::unique_ptr<SplitReader>> OpenArraySplit(const SplitOrigin& origin);
absl::StatusOr<std::unique_ptr<SplitReader>> OpenCifarSplit(const SplitOrigin& origin);
absl::StatusOr<std::unique_ptr<SplitReader>> OpenImageSplit(const SplitOrigin& origin);
absl::StatusOr<std::unique_ptr<SplitReader>> OpenCsvSplit(const SplitOrigin& origin);

absl::StatusOr<std::unique_ptr<SplitReader>> OpenSplitReader(const SplitOrigin& origin);

}  // namespace traind::core

// Datasets as the server keeps them: a folder with
//   dataset.json            v1::Dataset
//   <split>.examples.npy    [N, features] or [N, channels, height, width], uint8 or float32
//   <split>.labels.npy      [N] int32 labels, or [N, outputs] float32 targets
// whose NPY data begins at a multiple of 64 bytes and is mapped, never copied (docs/checkpoint-format.md).
// Functions are thread-safe; a Split is immutable and may be shared by threads.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "core/base/errors.h"
#include "core/base/file.h"
#include "core/base/progress.h"
#include "core/base/uid.h"
#include "core/kinds/raw_examples.h"
#include "core/tensor/tensor.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/dataset_service.pb.h"

namespace traind::core {

inline constexpr int64_t kMaxClasses = 1'000'000;
inline constexpr int64_t kMaxExamples = int64_t{1} << 31;

struct ImportOptions {
  // The absolute path of a file to read, or the error to answer with (PERMISSION_DENIED outside the dataset root).
  std::function<absl::StatusOr<std::string>(const v1::DataFile&)> resolve = {};
  std::string dir = {};  // Where the dataset shall be: a path that does not exist, in an existing folder.
  absl::Time create_time = absl::Now();
  std::string uid = NewUid();
  std::string owner = {};
  int64_t max_bytes =
      int64_t{1} << 40;         // Of the dataset on disk; RESOURCE_EXHAUSTED beyond, whatever a file unpacks to.
  Progress progress = nullptr;  // In bytes, while data is copied.
};

// INVALID_ARGUMENT for what is wrong with the request itself, whatever its files hold.
absl::Status CheckImportRequest(const v1::ImportDatasetRequest& request);

// Reads, checks and copies the files of `request`; the dataset is in `dir` whole and durable, or not at all.
// Images may be [N, height, width] (one channel), or of four dimensions in the split's `layout`; what was guessed,
// converted or left out stands in the dataset's notes. A target [N] is [N, 1]. INVALID_ARGUMENT with a BadRequest
// payload names the field, the file and the place. NOT_FOUND: a file is not there. ALREADY_EXISTS: `dir` is.
// RESOURCE_EXHAUSTED: the disk is full. Other errors come from `resolve`.
absl::StatusOr<v1::Dataset> ImportDataset(const v1::ImportDatasetRequest& request, const ImportOptions& options);

// Removes what imports that a crash ended have left in the folder of all datasets. Only while none is running.
absl::Status RemoveUnfinishedImports(const std::string& datasets_dir);

// The dataset in a folder, without an etag. NOT_FOUND without one; DATA_LOSS when it is damaged.
absl::StatusOr<v1::Dataset> LoadDataset(const std::string& dir);
// Replaces what the folder says of the dataset, with its labels and times; LoadDataset finds the old or the new.
absl::Status SaveDataset(const v1::Dataset& dataset, const std::string& dir);

// The split of this name; null when the dataset has none.
const v1::DatasetSplit* FindSplit(const v1::Dataset& dataset, absl::string_view name);
// As FindSplit; a violation of `field` says which splits there are when this one is missing or empty.
const v1::DatasetSplit* RequireSplit(const v1::Dataset& dataset, absl::string_view name, const FieldErrors& field);

// How many of `examples` (at least 0) a limit leaves; 0 leaves all.
int64_t LimitedTo(uint64_t limit, int64_t examples);

// One split, mapped; or a sample or a part of it.
class Split {
 public:
  int64_t size() const { return size_; }                         // Examples.
  const Shape& example_shape() const { return example_shape_; }  // [features] or [channels, height, width].
  int64_t example_elements() const { return Elements(example_shape_); }
  v1::ElementType element_type() const { return element_type_; }
  // The name and checksum of the import, of the whole split.
  const std::string& split_name() const { return split_name_; }
  const std::string& checksum() const { return checksum_; }
  // What a job calls it: the name of a part (core/data/held_out.h), otherwise that of the split.
  const std::string& called() const { return called_; }
  // Row-major, of the element type.
  const void* example(int64_t index) const { return examples_data_ + PlaceOf(index) * example_bytes(); }
  int64_t example_bytes() const {
    return example_elements() * (element_type_ == v1::ELEMENT_TYPE_UINT8 ? 1 : int64_t{sizeof(float)});
  }
  // All examples of a whole split, one after the other.
  const uint8_t* uint8_examples() const { return reinterpret_cast<const uint8_t*>(examples_data_); }
  const float* float_examples() const { return reinterpret_cast<const float*>(examples_data_); }

  bool has_labels() const { return target_width_ == 0; }
  absl::Span<const int32_t> labels() const;  // [size], in [0, num_classes); empty with targets.
  absl::Span<const float> targets() const;   // Of a whole split: [size, target_width], row-major; empty with labels.
  // Of one example, where there are targets.
  const float* target(int64_t index) const {
    return reinterpret_cast<const float*>(labels_data_) + PlaceOf(index) * target_width_;
  }
  int64_t target_width() const { return target_width_; }
  int64_t num_classes() const { return num_classes_; }

  // Leaves the examples with these indices, ascending, of those that it has; called() is then `called`. May throw
  // std::bad_alloc.
  void Take(const std::vector<uint32_t>& indices, const std::string& called);
  // Leaves a sample of `count` examples (core/base/sample.h), each class with its share, or the first `count` ones; 0
  // leaves all. The first ones only of a whole split. May throw std::bad_alloc.
  void TakeSample(uint64_t count);
  void TakeFirst(uint64_t count);
  // Label k becomes class_of_label[k], one of `num_classes` classes. For a split with labels. May throw std::bad_alloc.
  void Relabel(absl::Span<const int32_t> class_of_label, int64_t num_classes);
  // Another shape of as many numbers for each example.
  void Reshape(const Shape& example_shape) { example_shape_ = example_shape; }
  // The least and the largest number of all examples.
  std::pair<float, float> Range(const std::function<void()>& progress = [] {}) const;
  // Reads everything once, whatever the limit, and compares with the checksum of the import. DATA_LOSS names dataset
  // and split when bytes have changed. `progress` is called now and then.
  absl::Status Verify(const std::function<void()>& progress = [] {}) const;

 private:
  friend absl::StatusOr<Split> OpenSplit(const std::string& dir, const std::string& name);
  friend RawExamples AsStored(const Split& split);

  // In the file.
  int64_t PlaceOf(int64_t index) const { return chosen_.empty() ? index : chosen_[index]; }

  std::string name_;  // For people: of the dataset and the split.
  std::string split_name_;
  std::string called_;
  MappedFile examples_;
  MappedFile labels_;
  std::string checksum_;
  const char* examples_data_ = nullptr;
  const char* labels_data_ = nullptr;
  std::vector<uint32_t> chosen_;     // The examples of a sample; empty: all up to size_.
  std::vector<int32_t> own_labels_;  // Of a sample or with other classes, instead of those that are mapped.
  int64_t size_ = 0;
  Shape example_shape_;
  v1::ElementType element_type_ = v1::ELEMENT_TYPE_UNSPECIFIED;
  int64_t target_width_ = 0;
  int64_t num_classes_ = 0;
};

// The examples of a split as they are stored. Thread-safe; valid while the split, or what it was moved to, lives.
RawExamples AsStored(const Split& split);

// NOT_FOUND when the dataset has no such split (the message lists those it has); DATA_LOSS when its files do not fit
// the dataset's description or a label is out of range.
absl::StatusOr<Split> OpenSplit(const std::string& dir, const std::string& name);

}  // namespace traind::core

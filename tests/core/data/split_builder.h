// A split made in a test: written as NPY files, imported and opened.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/dataset_dir.h"
#include "tests/support/file_formats.h"
#include "tests/support/temporary_folder.h"

namespace traind::core {

class SplitBuilder {
 public:
  template <class T>
  Split Make(const Shape& shape, const std::vector<T>& examples, const std::string& labels_npy) {
    WriteBytes(folder_ / "x", NpyOf(examples, shape));
    WriteBytes(folder_ / "y", labels_npy);
    v1::ImportDatasetRequest request;
    request.set_dataset_id("d");
    v1::SplitSource* source = request.add_splits();
    source->set_name("train");
    source->mutable_examples()->set_path("x");
    source->mutable_labels()->set_path("y");
    ImportOptions options;
    options.resolve = [&](const v1::DataFile& file) -> absl::StatusOr<std::string> { return folder_ / file.path(); };
    options.dir = folder_ / absl::StrCat("d", counter_++);
    auto dataset = ImportDataset(request, options);
    EXPECT_TRUE(dataset.ok()) << dataset.status();
    auto split = OpenSplit(options.dir, "train");
    EXPECT_TRUE(split.ok()) << split.status();
    return split.ok() ? *std::move(split) : Split();
  }

  static std::string Labels(const std::vector<int32_t>& labels) { return NpyOf(labels); }

  // Of the dataset that the n-th Make has made, from "d0" on.
  std::string Folder(const std::string& id) const { return folder_ / id; }

 private:
  TemporaryFolder folder_;
  int counter_ = 0;
};

}  // namespace traind::core

// Imports in a test: files in a folder in memory, a request as text.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "core/base/errors.h"
#include "core/data/dataset_dir.h"
#include "google/protobuf/text_format.h"
#include "tests/paths.h"
#include "tests/support/file_formats.h"
#include "tests/support/temporary_folder.h"

namespace traind::core {

class ImportRun {
 public:
  void Write(const std::string& name, const std::string& bytes) {
    const std::filesystem::path path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    WriteBytes(path, bytes);
  }
  // `request` without the id. A path is one of the files that were written, or "files/...": one beside this header.
  absl::StatusOr<v1::Dataset> Try(const std::string& request) {
    v1::ImportDatasetRequest parsed;
    parsed.set_dataset_id("d");
    EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(request, &parsed)) << request;
    ImportOptions options;
    options.resolve = [&](const v1::DataFile& file) -> absl::StatusOr<std::string> {
      if (file.path().starts_with("files/")) return SourcePath("tests/core/data/") + file.path();
      return folder_ / file.path();
    };
    options.dir = out_ / absl::StrCat("d", ++runs_);
    return ImportDataset(parsed, options);
  }
  v1::Dataset Import(const std::string& request) {
    auto dataset = Try(request);
    EXPECT_TRUE(dataset.ok()) << dataset.status();
    return dataset.ok() ? *std::move(dataset) : v1::Dataset();
  }
  // Of the last import.
  Split Open(const std::string& name) {
    auto split = OpenSplit(out_ / absl::StrCat("d", runs_), name);
    EXPECT_TRUE(split.ok()) << split.status();
    return split.ok() ? *std::move(split) : Split();
  }
  std::vector<float> Floats(const std::string& name) {
    const Split split = Open(name);
    return {split.float_examples(), split.float_examples() + split.size() * split.example_elements()};
  }
  std::vector<int> Bytes(const std::string& name) {
    const Split split = Open(name);
    return {split.uint8_examples(), split.uint8_examples() + split.size() * split.example_elements()};
  }
  std::vector<int32_t> Labels(const std::string& name) {
    const Split split = Open(name);
    return {split.labels().begin(), split.labels().end()};
  }
  std::vector<float> Targets(const std::string& name) {
    const Split split = Open(name);
    return {split.targets().begin(), split.targets().end()};
  }

 private:
  TemporaryFolder folder_{TemporaryFolder::Place::kMemory};
  TemporaryFolder out_{TemporaryFolder::Place::kMemory};
  int runs_ = 0;
};

// "field: what" of each violation.
inline std::vector<std::string> Violations(const absl::Status& status) {
  std::vector<std::string> said;
  rpc::BadRequest violations;
  const auto payload = status.GetPayload({kBadRequestUrl.data(), kBadRequestUrl.size()});
  EXPECT_TRUE(payload.has_value() && violations.ParseFromString(std::string(*payload))) << status;
  for (const auto& violation : violations.field_violations()) {
    said.push_back(absl::StrCat(violation.field(), ": ", violation.description()));
  }
  return said;
}

inline std::vector<std::string> NotesOf(const v1::Dataset& dataset) {
  return {dataset.notes().begin(), dataset.notes().end()};
}

}  // namespace traind::core

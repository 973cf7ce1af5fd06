// The file in which a PredictSplit keeps what it made: frames (channel.h) of one v1::PredictResponse each, in the order
// of the split. All but the last have equally many examples.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/file.h"
#include "traind/v1/model_service.pb.h"

namespace traind::server {

// Writes under a temporary name beside `path`, of which each attempt begins anew. Errors as core/base/file.h;
// RESOURCE_EXHAUSTED: the disk is full. Thread-compatible.
class PredictionsWriter {
 public:
  static absl::StatusOr<PredictionsWriter> Create(const std::string& path);
  absl::Status Append(const v1::PredictResponse& part);
  // Makes the file durable under its name and returns its size. The last call.
  absl::StatusOr<int64_t> Finish();

 private:
  PredictionsWriter(std::string path, core::OutputFile file) : path_(std::move(path)), file_(std::move(file)) {}

  std::string path_;
  core::OutputFile file_;
  int64_t size_ = 0;
};

// Reads a finished file, which may be removed meanwhile. DATA_LOSS: it is damaged. Thread-compatible.
class PredictionsReader {
 public:
  PredictionsReader() = default;
  // `first`: how many examples to leave out; the file has more, or as many. Errors of MappedFile::Open, too.
  static absl::StatusOr<PredictionsReader> Open(const std::string& path, int64_t first);
  // The next part; false when there is none left.
  absl::StatusOr<bool> Next(v1::PredictResponse& part);

 private:
  absl::Status Skip(int64_t first);
  absl::StatusOr<absl::string_view> NextFrame();
  absl::StatusOr<bool> NextWhole(v1::PredictResponse& part);

  core::MappedFile file_;
  size_t at_ = 0;
  int64_t leave_out_ = 0;  // Examples of the next part.
};

}  // namespace traind::server

// A trained network as a file of ONNX, with its preprocessing: what other programs run. The weights stay where they
// are, in their mapped file, and are copied as the file is read.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/checkpoint/safetensors.h"
#include "core/tensor/tensor.h"
#include "traind/internal/onnx.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core::onnx {

struct ExportRequest {
  const v1::JobSpec& spec;  // Resolved.
  Shape stored;             // Of an example as the dataset has it.
  std::string weights_path;
  std::string preprocessing_path;               // Empty: nothing is learned.
  std::vector<std::string> class_names;         // Empty: they have none.
  std::map<std::string, std::string> metadata;  // Added to the file's.
};

// Immutable after Make but for the place where reading is; movable, not thread-safe.
class File {
 public:
  // UNIMPLEMENTED names every layer, activation or transform that has no form. INVALID_ARGUMENT: the weights are not
  // those of the network. FAILED_PRECONDITION: more than protobuf's 2 GiB. DATA_LOSS: a file is damaged.
  static absl::StatusOr<File> Make(const ExportRequest& request);

  int64_t size() const { return size_; }
  // In what the file is not what the server computes; for people.
  const std::vector<std::string>& notes() const { return notes_; }

  // The next bytes, at most `most` (above 0); empty at the end.
  std::string Next(size_t most);

 private:
  // `own` and then `shown`, of a mapped file.
  struct Piece {
    std::string own;
    absl::string_view shown;
  };
  void Add(std::string own, absl::string_view shown);

  std::optional<Safetensors> weights_;
  std::optional<Safetensors> learned_;
  std::vector<std::string> notes_;
  std::vector<Piece> pieces_;
  int64_t size_ = 0;
  size_t piece_ = 0;
  size_t offset_ = 0;  // In the piece.
};

}  // namespace traind::core::onnx

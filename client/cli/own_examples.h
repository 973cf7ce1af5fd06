// Examples of one's own for `trainctl model predict`: a NumPy file, image files, or the lines of a CSV file, in parts
// that fit a call. Images are sent as they are, and decoded by the server. Thread-compatible.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "traind/v1/model_service.pb.h"

namespace traind::client {

class OwnExamples {
 public:
  virtual ~OwnExamples() = default;
  virtual int64_t count() const = 0;
  virtual int64_t example_size() const { return 1; }      // Numbers that a request has of one.
  virtual std::string file(int64_t) const { return ""; }  // Of the example; empty where one file has all.
  // Puts examples from `first` on into the request, at least one and at most `most`, and gives their number.
  // INVALID_ARGUMENT: a file that is too large for a call, or has become shorter.
  virtual absl::StatusOr<int64_t> Fill(int64_t first, int64_t most, v1::PredictRequest& request) const = 0;
};

// What a table's columns are, where the model's dataset does not say it.
struct TableOptions {
  std::string label_column;
  std::vector<std::string> target_columns;
  std::vector<std::string> drop_columns;
  std::string delimiter;
};

// A .npy file.
absl::StatusOr<std::unique_ptr<OwnExamples>> OpenNumbers(const std::string& path);
// JPEG and PNG files, and those in folders, by name: *.jpg, *.jpeg, *.png, not hidden. What else a folder has is left
// out and named in `notes`.
absl::StatusOr<std::unique_ptr<OwnExamples>> OpenImages(const std::vector<std::string>& paths,
                                                        std::vector<std::string>& notes);
// A CSV file of at most 256 MiB with a header line.
absl::StatusOr<std::unique_ptr<OwnExamples>> OpenTable(const std::string& path, const TableOptions& options);

}  // namespace traind::client

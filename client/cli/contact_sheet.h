// Single pictures out of the server's contact sheets. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "client/client.h"

namespace traind::client {

struct PictureShape {
  int64_t channels = 1;  // 1 or 3.
  int64_t height = 0;    // In pixels, as is the next.
  int64_t width = 0;
};

// INVALID_ARGUMENT: the examples have no pictures, or none that fit an answer.
absl::StatusOr<PictureShape> PictureShapeOf(const v1::Dataset& dataset);

// So many rows of one picture fit into the PNG file of an answer, whatever they show; 0: not even one.
int64_t RowsOfSheet(const PictureShape& shape);

// The sheet's only column, each of its `rows` as a PNG file of its own with the same values. DATA_LOSS: the sheet is no
// PNG file, or has another size than so many pictures have.
absl::StatusOr<std::vector<std::string>> CutSheet(absl::string_view png, int64_t rows, const PictureShape& shape);

// The originals of these examples of a split, each a PNG file, in as few calls as it takes. Errors of the above, of
// PreviewDataset, and of CutSheet.
absl::StatusOr<std::vector<std::string>> FetchPictures(Client& client, const v1::Dataset& dataset,
                                                       const std::string& split, absl::Span<const int64_t> examples);

}  // namespace traind::client

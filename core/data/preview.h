// A contact sheet of augmented images, so that people see what the network will see. One example a row: first as
// evaluation sees it, then as training would in one step after the other. Runs in a worker process.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/base/errors.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/dataset_service.pb.h"

namespace traind::core {

// Checks the request and fills in its defaults; `dataset` is null when it does not exist, which the caller has
// reported. Violations go to `errors`, the scope of the request.
v1::PreviewDatasetRequest ResolvePreview(const v1::PreviewDatasetRequest& request, const v1::Dataset* dataset,
                                         const FieldErrors& errors);

// `request` is resolved. RESOURCE_EXHAUSTED when the PNG file is too large for an answer.
absl::StatusOr<v1::PreviewDatasetResponse> PreviewDataset(const v1::PreviewDatasetRequest& request,
                                                          const std::string& dataset_dir);

}  // namespace traind::core

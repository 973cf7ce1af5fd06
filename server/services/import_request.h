// From an ImportDatasetRequest to the work that it asks for: all that can be checked before a file is read.
// Thread-safe; looks into the data folder and the dataset roots.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/services/backend.h"
#include "traind/v1/dataset_service.pb.h"

namespace traind::server {

// The absolute path of a file that a client named, with all symbolic links resolved: `path` itself or relative to one
// of the roots. PERMISSION_DENIED outside of all roots, whether there is such a file or not.
absl::StatusOr<std::string> ResolveDataPath(const std::vector<std::string>& roots, const std::string& path);

// With validate_only uploads are not looked for. ALREADY_EXISTS: the dataset does, or is being imported.
// INVALID_ARGUMENT; NOT_FOUND and FAILED_PRECONDITION: an upload; PERMISSION_DENIED: a path.
absl::StatusOr<OperationManager::NewOperation> AdmitImport(const v1::ImportDatasetRequest& request,
                                                           const Backend& backend,
                                                           const std::vector<std::string>& dataset_roots);

}  // namespace traind::server

#include "server/services/import_request.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/base/errors.h"
#include "core/base/file.h"
#include "core/base/uid.h"
#include "core/data/dataset_dir.h"
#include "server/resources/names.h"
#include "server/store/upload_store.h"

namespace traind::server {
namespace {

// The files of a request, found one by one.
class Files {
 public:
  Files(const Backend& backend, const std::vector<std::string>& roots, bool uploads_to_come,
        OperationManager::NewOperation* operation)
      : uploads_(backend.folder), roots_(roots), uploads_to_come_(uploads_to_come), operation_(*operation) {}

  absl::Status Add(const v1::DataFile& file, const std::string& field) {
    if (file.has_upload() && uploads_to_come_) return ParseName("uploads", file.upload(), field + ".upload").status();
    auto path = Resolve(file, field);
    if (!path.ok()) return path.status();
    internal::ResolvedFile& resolved = *operation_.task.mutable_import()->add_files();
    *resolved.mutable_file() = file;
    resolved.set_path(*std::move(path));
    if (file.has_upload()) operation_.uses.push_back(file.upload());
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<std::string> Resolve(const v1::DataFile& file, const std::string& field) {
    if (file.has_upload()) {
      auto upload = ParseName("uploads", file.upload(), field + ".upload");
      return upload.ok() ? uploads_.CompletePath(*upload) : upload.status();
    }
    auto path = ResolveDataPath(roots_, file.path());
    if (absl::IsInvalidArgument(path.status())) return FieldError(field, std::string(path.status().message()));
    if (!absl::IsNotFound(path.status())) return path;
    return absl::NotFoundError(absl::StrCat("\"", file.path(), "\": there is no such file or folder in the server's ",
                                            "--dataset-root (", absl::StrJoin(roots_, ", "), ")"));
  }

  UploadStore uploads_;
  const std::vector<std::string>& roots_;
  const bool uploads_to_come_;
  OperationManager::NewOperation& operation_;
};

}  // namespace

absl::StatusOr<std::string> ResolveDataPath(const std::vector<std::string>& roots, const std::string& path) {
  namespace fs = std::filesystem;
  const absl::Status denied = absl::PermissionDeniedError(
      absl::StrCat("\"", path, "\" is not below the server's --dataset-root (", absl::StrJoin(roots, ", "), ")"));
  absl::Status missing = denied;
  for (const std::string& root : roots) {
    auto real_root = core::RealPath(root);
    if (!real_root.ok()) continue;
    // An absolute path replaces the root. Before the file system is asked, the text must lie below the root.
    const fs::path candidate = (fs::path(root) / path).lexically_normal();
    const auto lies_below = [&](const fs::path& folder) {
      const fs::path relative = candidate.lexically_relative(folder.lexically_normal());
      return !relative.empty() && *relative.begin() != "..";
    };
    if (!lies_below(root) && !lies_below(*real_root)) continue;
    auto below = core::IsBelow(*real_root, candidate.string());
    if (!below.ok()) {
      missing = below.status();
    } else if (*below) {
      return core::RealPath(candidate.string());
    }
  }
  return missing;
}

absl::StatusOr<OperationManager::NewOperation> AdmitImport(const v1::ImportDatasetRequest& request,
                                                           const Backend& backend,
                                                           const std::vector<std::string>& dataset_roots) {
  core::FieldErrors::Root errors;
  CheckId(request.dataset_id(), errors.scope().At("dataset_id"));
  if (!errors.ok()) return errors.ToStatus();
  OperationManager::NewOperation operation;
  operation.target = absl::StrCat("datasets/", request.dataset_id());
  if (backend.folder->Exists("datasets", request.dataset_id())) return AlreadyExistsError("Dataset", operation.target);
  if (const std::string other = backend.operations->UserOf(operation.target); !other.empty()) {
    return AlreadyExistsError("Dataset", operation.target, absl::StrCat("is being made by ", other));
  }
  if (absl::Status status = core::CheckImportRequest(request); !status.ok()) return status;

  internal::ImportTask& import = *operation.task.mutable_import();
  *import.mutable_request() = request;
  import.mutable_request()->clear_request_id();
  import.set_create_time_seconds(absl::ToUnixSeconds(absl::Now()));
  import.set_uid(core::NewUid());
  operation.memory_bytes = Budget::kNotCounted;
  operation.uses.push_back(operation.target);
  Files files(backend, dataset_roots, request.validate_only(), &operation);
  for (int i = 0; i < request.splits_size(); ++i) {
    const v1::SplitSource& source = request.splits(i);
    const std::string split = absl::StrCat("splits[", i, "].");
    absl::Status status = files.Add(source.examples(), split + "examples");
    for (int k = 0; status.ok() && k < source.more_examples_size(); ++k) {
      status = files.Add(source.more_examples(k), absl::StrCat(split, "more_examples[", k, "]"));
    }
    if (status.ok() && source.has_labels()) status = files.Add(source.labels(), split + "labels");
    if (!status.ok()) return status;
  }
  return operation;
}

}  // namespace traind::server

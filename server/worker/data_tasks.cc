#include "server/worker/data_tasks.h"

#include <string>
#include <utility>

#include "absl/time/time.h"
#include "core/data/dataset_dir.h"
#include "core/data/describe_dataset.h"
#include "server/wire/result.h"

namespace traind::server {

internal::Result RunImport(const internal::Task& task, const core::Progress& progress) {
  core::ImportOptions options;
  options.dir = task.dataset_dir();
  options.create_time = absl::FromUnixSeconds(task.import().create_time_seconds());
  if (!task.import().uid().empty()) options.uid = task.import().uid();
  if (task.import().max_bytes() > 0) options.max_bytes = task.import().max_bytes();
  options.uid = task.import().uid();
  options.owner = task.import().owner();
  options.progress = progress;
  options.resolve = [&task](const v1::DataFile& wanted) -> absl::StatusOr<std::string> {
    for (const internal::ResolvedFile& file : task.import().files()) {
      if (file.file().path() == wanted.path() && file.file().upload() == wanted.upload()) return file.path();
    }
    return absl::InternalError("the server has not resolved this file");
  };
  auto dataset = core::ImportDataset(task.import().request(), options);
  if (!dataset.ok()) return Failure(dataset.status());
  internal::Result result;
  *result.mutable_imported() = *std::move(dataset);
  return result;
}

internal::Result RunDescribe(const internal::Task& task, const core::Progress& progress) {
  auto description = core::DescribeDataset(task.dataset_dir(), progress);
  if (!description.ok()) return Failure(description.status());
  internal::Result result;
  *result.mutable_described() = *std::move(description);
  return result;
}

}  // namespace traind::server

#include "server/jobs/job_data.h"

#include "core/data/dataset_dir.h"
#include "core/job/data_identity.h"
#include "server/resources/names.h"

namespace traind::server {

absl::Status CheckDataOf(const v1::Job& job, const DataFolder& folder) {
  const std::string& name = job.resolved_spec().data().dataset();
  auto now = core::LoadDataset(folder.Item("datasets", IdOf(name)));
  if (!now.ok()) return absl::OkStatus();
  now->set_name(name);
  return core::CheckSameData(job, *now);
}

}  // namespace traind::server

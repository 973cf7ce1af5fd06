#include "server/services/datasets.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/errors.h"
#include "core/base/labels.h"
#include "core/base/machine.h"
#include "core/data/dataset_dir.h"
#include "google/protobuf/util/time_util.h"
#include "server/resources/etag.h"
#include "server/resources/names.h"
#include "server/resources/paging.h"
#include "server/resources/update_mask.h"
#include "server/services/admission.h"
#include "server/services/unreachable.h"

namespace traind::server {
namespace {

const Collection& DatasetCollection() {
  static const Collection kCollection{.name = "datasets",
                                      .fields = {{v1::Dataset::descriptor(),
                                                  {"name", "uid", "labels", "owner", "num_classes", "target_width",
                                                   "size_bytes", "create_time", "update_time"}}},
                                      .default_order = "name"};
  return kCollection;
}

}  // namespace

absl::StatusOr<v1::Dataset> Datasets::Get(const std::string& id) const {
  const std::string name = absl::StrCat("datasets/", id);
  auto dataset = core::LoadDataset(folder_->Item("datasets", id));
  if (absl::IsNotFound(dataset.status())) return DatasetNotFoundError(*folder_, name);
  if (core::IsOfMachine(dataset.status())) return dataset;
  if (!dataset.ok()) return Unreadable(name, dataset.status());
  dataset->set_name(name);
  dataset->set_etag(EtagOf(*dataset));
  return dataset;
}

absl::StatusOr<v1::ListDatasetsResponse> Datasets::List(const v1::ListDatasetsRequest& request,
                                                        const Caller& caller) const {
  core::FieldErrors::Root errors;
  const ListQuery query = ListQuery::Parse(ListRequestOf(request), DatasetCollection(), errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  auto ids = folder_->List("datasets");
  if (!ids.ok()) return ids.status();
  v1::ListDatasetsResponse response;
  Page<v1::Dataset> page(query, caller);
  for (const std::string& id : *ids) {
    auto dataset = Get(id);
    if (absl::IsNotFound(dataset.status())) continue;  // Deleted just now.
    if (core::IsOfMachine(dataset.status())) return dataset.status();
    if (!dataset.ok()) {
      LogUnreachable("datasets", id, dataset.status());
      if (caller.IsAdmin()) response.add_unreachable(absl::StrCat("datasets/", id));
      continue;
    }
    const std::string name = dataset->name();
    page.Offer(*std::move(dataset), name);
  }
  page.MoveTo(*response.mutable_datasets(), *response.mutable_next_page_token());
  return response;
}

absl::StatusOr<v1::Dataset> Datasets::Update(const v1::UpdateDatasetRequest& request) {
  core::FieldErrors::Root errors;
  CheckUpdateMask(request.update_mask(), {"labels", "sharing"}, errors.scope("update_mask"));
  core::CheckLabels(request.dataset().labels(), errors.scope("dataset.labels"));
  CheckSharing(request.dataset().sharing(), errors.scope("dataset.sharing"));
  if (!errors.ok()) return errors.ToStatus();
  auto id = ParseName("datasets", request.dataset().name(), "dataset.name");
  if (!id.ok()) return id.status();
  absl::MutexLock lock(&mu_);
  auto dataset = Get(*id);
  if (!dataset.ok()) return dataset;
  absl::Status status = CheckEtag(request.dataset().etag(), dataset->etag(), dataset->name());
  if (!status.ok()) return status;
  if (Updates(request.update_mask(), "labels")) *dataset->mutable_labels() = request.dataset().labels();
  if (Updates(request.update_mask(), "sharing")) *dataset->mutable_sharing() = request.dataset().sharing();
  *dataset->mutable_update_time() =
      google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(absl::Now()));
  status = core::SaveDataset(*dataset, folder_->Item("datasets", *id));
  return status.ok() ? Get(*id) : status;
}

absl::Status Datasets::Delete(const v1::DeleteDatasetRequest& request, const CheckUnused& check) {
  auto id = ParseName("datasets", request.name(), "name");
  if (!id.ok()) return id.status();
  absl::MutexLock lock(&mu_);
  // One that is damaged may go, too; it has no etag.
  auto dataset = Get(*id);
  if (absl::IsNotFound(dataset.status())) return dataset.status();
  absl::Status status = dataset.ok() ? CheckEtag(request.etag(), dataset->etag(), dataset->name()) : absl::OkStatus();
  if (status.ok()) status = check(request.name());
  if (!status.ok()) return status;
  return jobs_->RemoveDataset(request.name(), dataset.ok() ? dataset->uid() : "", request.force(),
                              [&] { return folder_->Remove("datasets", *id); });
}

}  // namespace traind::server

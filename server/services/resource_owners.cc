#include "server/services/resource_owners.h"

#include <string>

#include "absl/strings/match.h"
#include "core/base/machine.h"
#include "core/data/dataset_dir.h"
#include "server/resources/names.h"
#include "server/services/ensembles.h"
#include "server/services/models.h"
#include "server/store/upload_store.h"

namespace traind::server {
namespace {

// Of a record that was read, or not.
template <class Record>
absl::StatusOr<Ownership> Of(const absl::StatusOr<Record>& record) {
  if (absl::IsNotFound(record.status()) || core::IsOfMachine(record.status())) return record.status();
  if (!record.ok()) return Ownership();
  if constexpr (requires { record->sharing(); }) {
    return OwnershipOf(*record);
  } else {
    return Ownership{.owner = record->owner(), .sharing = {}};
  }
}

absl::StatusOr<Ownership> OfOperation(const absl::StatusOr<v1::Operation>& operation) {
  if (absl::IsNotFound(operation.status())) return operation.status();
  v1::OperationMetadata metadata;
  if (!operation.ok() || !operation->metadata().UnpackTo(&metadata)) return Ownership();
  return Ownership{.owner = metadata.owner(), .sharing = {}};
}

absl::StatusOr<Ownership> OfJob(const absl::StatusOr<StoredJob>& job) {
  if (absl::IsNotFound(job.status()) || absl::IsUnavailable(job.status())) return job.status();
  return job.ok() ? OwnershipOf(job->job) : Ownership();
}

absl::StatusOr<Ownership> OfSweep(const absl::StatusOr<StoredSweep>& sweep) {
  if (absl::IsNotFound(sweep.status()) || absl::IsUnavailable(sweep.status())) return sweep.status();
  return sweep.ok() ? OwnershipOf(sweep->sweep) : Ownership();
}

}  // namespace

ResourceOwners OwnersIn(JobStore* store, DataFolder* folder, OperationManager* operations, SweepStore* sweeps) {
  const auto owner_of = [=](const std::string& name) -> absl::StatusOr<Ownership> {
    const std::string collection = name.substr(0, name.find('/'));
    const std::string id(IdOf(name));
    if (collection == "jobs") return OfJob(store->GetJob(id));
    if (collection == "operations") return OfOperation(operations->Get(id));
    if (collection == "sweeps") return OfSweep(sweeps->Get(id));
    if (collection == "datasets") return Of(core::LoadDataset(folder->Item("datasets", id)));
    if (collection == "uploads") return Of(UploadStore(folder).Get(id));
    return Of(Models(folder, store).GetRecord(id));
  };
  const auto dataset_of = [=](const std::string& name) -> std::string {
    if (absl::StartsWith(name, "models/")) {
      const auto ensemble = ReadEnsemble(*folder, IdOf(name));
      const bool has_one = ensemble.ok() && ensemble->has_value();
      return has_one ? (*ensemble)->networks(0).spec().data().dataset() : "";
    }
    const auto stored = store->GetJob(std::string(IdOf(name)));
    return stored.ok() ? stored->job.resolved_spec().data().dataset() : "";
  };
  return {.owner_of = owner_of, .dataset_of = dataset_of};
}

}  // namespace traind::server

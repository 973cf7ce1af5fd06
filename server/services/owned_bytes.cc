#include "server/services/owned_bytes.h"

#include <optional>

#include "core/base/file.h"
#include "core/data/dataset_dir.h"
#include "server/services/models.h"
#include "server/store/upload_store.h"
#include "traind/v1/model_service.pb.h"

namespace traind::server {
namespace {

constexpr std::pair<absl::string_view, QuotaKind> kCounted[] = {
    {"datasets", QuotaKind::kDatasets}, {"models", QuotaKind::kModels}, {"uploads", QuotaKind::kUploads}};

std::optional<QuotaKind> KindOfCollection(absl::string_view collection) {
  for (const auto& [name, kind] : kCounted) {
    if (name == collection) return kind;
  }
  return std::nullopt;
}

constexpr char kDeleteSome[] = "delete some first";

}  // namespace

absl::Status OwnedBytes::CountAll() {
  for (const auto& [collection, kind] : kCounted) {
    const auto ids = folder_->List(collection);
    if (!ids.ok()) return ids.status();
    for (const std::string& id : *ids) Refresh(collection, id);
  }
  return absl::OkStatus();
}

OwnedBytes::Owned OwnedBytes::Measure(QuotaKind kind, const std::string& folder, const std::string& id) const {
  if (kind == QuotaKind::kUploads) {
    const auto upload = UploadStore(folder_).Get(id);
    return upload.ok() ? Owned{upload->owner(), upload->size_bytes()} : Owned{};
  }
  if (kind == QuotaKind::kDatasets) {
    const auto dataset = core::LoadDataset(folder);
    return dataset.ok() ? Owned{dataset->owner(), dataset->size_bytes()} : Owned{};
  }
  v1::Model model;
  const auto record = core::ReadFile(folder + kModelRecordFile, 1 << 20);
  return record.ok() && model.ParseFromString(*record) ? Owned{model.owner(), model.size_bytes()} : Owned{};
}

int64_t OwnedBytes::Sum(const std::string& user, QuotaKind kind) const {
  const auto sum = sums_.find({user, kind});
  return sum == sums_.end() ? 0 : sum->second;
}

int64_t OwnedBytes::Of(const std::string& user, QuotaKind kind) const {
  absl::MutexLock lock(&mu_);
  return Sum(user, kind);
}

absl::Status OwnedBytes::CheckRoom(const std::string& user, QuotaKind kind, int64_t more) const {
  const auto quota = quotas_->Of(user);
  return quota.ok() ? CheckQuota(user, quota->limits, kind, Of(user, kind), more, kDeleteSome) : quota.status();
}

absl::Status OwnedBytes::ReserveUpload(const std::string& user, const std::string& id, int64_t bytes) {
  const auto quota = quotas_->Of(user);
  if (!quota.ok()) return quota.status();
  const Name name(QuotaKind::kUploads, id);
  absl::MutexLock lock(&mu_);
  const auto before = items_.find(name);
  const int64_t had = before != items_.end() && before->second.owner == user ? before->second.bytes : 0;
  const absl::Status status =
      CheckQuota(user, quota->limits, QuotaKind::kUploads, Sum(user, QuotaKind::kUploads) - had, bytes, kDeleteSome);
  if (status.ok()) Set(name, {user, bytes});
  return status;
}

absl::Status OwnedBytes::CheckNew(absl::string_view collection, const std::string& folder) const {
  const auto kind = KindOfCollection(collection);
  if (!kind.has_value()) return absl::OkStatus();
  const Owned owned = Measure(*kind, folder, "");
  return CheckRoom(owned.owner, *kind, owned.bytes);
}

void OwnedBytes::Refresh(absl::string_view collection, absl::string_view id) {
  const auto kind = KindOfCollection(collection);
  if (!kind.has_value()) return;
  Owned owned = Measure(*kind, folder_->Item(collection, id), std::string(id));
  absl::MutexLock lock(&mu_);
  Set({*kind, std::string(id)}, std::move(owned));
}

void OwnedBytes::Set(const Name& name, Owned owned) {
  const auto before = items_.find(name);
  if (before != items_.end()) {
    const auto sum = sums_.find({before->second.owner, name.first});
    if ((sum->second -= before->second.bytes) == 0) sums_.erase(sum);
    items_.erase(before);
  }
  if (owned.owner.empty() || owned.bytes == 0) return;
  sums_[{owned.owner, name.first}] += owned.bytes;
  items_[name] = std::move(owned);
}

}  // namespace traind::server

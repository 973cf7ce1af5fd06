// What the datasets, models and uploads of each user take, counted when the server starts and kept up as they come and
// go: DataFolder says when. Uploads count in full from their beginning. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/accounts/quota_book.h"
#include "server/store/data_folder.h"

namespace traind::server {

class OwnedBytes {
 public:
  // Both outlive this.
  OwnedBytes(DataFolder* folder, const QuotaBook* quotas) : folder_(folder), quotas_(quotas) {}

  // Counts what there is. What cannot be read belongs to nobody.
  absl::Status CountAll();
  // `kind`: kDatasets, kModels or kUploads.
  int64_t Of(const std::string& user, QuotaKind kind) const;
  // Whether the user may have `more` bytes. RESOURCE_EXHAUSTED.
  absl::Status CheckRoom(const std::string& user, QuotaKind kind, int64_t more) const;
  // CheckRoom for an upload that is to begin, which counts from now on, until Refresh looks at what there is.
  absl::Status ReserveUpload(const std::string& user, const std::string& id, int64_t bytes);

  // A filled folder is to become an item: whether its owner may have it. RESOURCE_EXHAUSTED.
  absl::Status CheckNew(absl::string_view collection, const std::string& folder) const;
  // The item was made, changed or removed.
  void Refresh(absl::string_view collection, absl::string_view id);

 private:
  struct Owned {
    std::string owner;
    int64_t bytes = 0;
  };
  using Name = std::pair<QuotaKind, std::string>;  // With the id.
  // Of the item in this folder; nobody's: it is not there, or cannot be read.
  Owned Measure(QuotaKind kind, const std::string& folder, const std::string& id) const;
  void Set(const Name& name, Owned owned) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int64_t Sum(const std::string& user, QuotaKind kind) const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  DataFolder* const folder_;
  const QuotaBook* const quotas_;
  mutable absl::Mutex mu_;
  std::map<Name, Owned> items_ ABSL_GUARDED_BY(mu_);  // Of users.
  std::map<std::pair<std::string, QuotaKind>, int64_t> sums_ ABSL_GUARDED_BY(mu_);
};

}  // namespace traind::server

// How much of their quotas users have: gathered from those who count it. Thread-safe; what is given outlives it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/accounts/account_store.h"
#include "server/accounts/quota_book.h"
#include "server/jobs/job_manager.h"
#include "server/services/owned_bytes.h"
#include "server/store/job_store.h"
#include "server/telemetry/samples.h"
#include "traind/v1/auth_service.pb.h"

namespace traind::server {

struct QuotaReport {
  QuotaBook* book;
  JobManager* jobs;
  JobStore* store;
  OwnedBytes* bytes;

  // NOT_FOUND. May block on the disk.
  absl::StatusOr<v1::GetQuotaResponse> Of(const std::string& user) const;
  // Of each user, the first hundred by name.
  void AddSamples(AccountStore& accounts, Samples& samples) const;
};

}  // namespace traind::server

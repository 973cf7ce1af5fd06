#include "server/retention/retention.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/machine.h"
#include "core/checkpoint/checkpoint_dir.h"
#include "server/resources/names.h"
#include "server/services/checkpoints.h"
#include "server/services/models.h"
#include "server/telemetry/log_scope.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

constexpr char kUser[] = "retention";
// For a count that a person waits for, and for one that nobody does.
constexpr absl::Duration kCountTime = absl::Seconds(5);
constexpr absl::Duration kLongCountTime = absl::Minutes(5);
constexpr int kMostPlanned = 1000;

}  // namespace

Retention::Retention(Options options, const Backend& backend, StorageCounter* counter, UploadStore* uploads,
                     Metrics* metrics, AuditLog* audit)
    : options_(std::move(options)),
      backend_(backend),
      counter_(counter),
      uploads_(uploads),
      metrics_(metrics),
      audit_(audit) {}

Retention::~Retention() { Stop(); }

void Retention::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void Retention::Stop() {
  stop_.End();
  if (thread_.joinable()) thread_.join();
}

void Retention::Loop() {
  do {
    if (const absl::Status status = Sweep(); !status.ok()) {
      spdlog::error("the rules of retention could not be applied; the next try is in {}: {}",
                    AgeText(options_.interval), std::string(status.message()));
    }
  } while (!stop_.WaitFor(options_.interval));
}

std::vector<Removal> Retention::Plan(const Inventory& inventory, absl::Time deadline) const {
  return PlanRemovals(options_.policy, inventory, options_.now(), [&](const std::string& job) {
    if (absl::Now() >= deadline) return std::optional<int64_t>();
    const auto best = core::BestStep(backend_.folder->CheckpointDir(IdOf(job)));
    return best.ok() ? std::optional<int64_t>(*best) : std::nullopt;
  });
}

absl::Status Retention::Sweep() {
  if (options_.policy.empty()) return absl::OkStatus();
  const auto is_of_jobs = [](const auto& rule) { return rule.first <= Retained::kCheckpoints; };
  const bool jobs = std::any_of(options_.policy.begin(), options_.policy.end(), is_of_jobs);
  const auto inventory = counter_->Count(
      {.deadline = absl::Now() + kLongCountTime, .jobs = jobs, .stop = [this] { return stop_.ended(); }});
  if (!inventory.ok()) return inventory.status();
  if (inventory->incomplete && !stop_.ended())
    spdlog::warn("retention: there was no time to count everything; rules in bytes may wait");
  for (const Removal& removal : Plan(*inventory)) {
    if (stop_.ended()) return absl::OkStatus();
    const LogScope scope({.resource = removal.holding.name, .user = kUser});
    if (options_.plan_only) {
      spdlog::info("retention would remove {}: {}", removal.holding.name, removal.reason);
    } else {
      Tell(removal, Remove(removal.holding));
    }
  }
  return absl::OkStatus();
}

absl::Status Retention::Remove(const Holding& holding) {
  const std::string id(IdOf(holding.name));
  const auto unused = [this](const std::string& name) { return CheckUnused(backend_, name); };
  switch (holding.kind) {
    case v1::STORAGE_KIND_JOBS:
      return backend_.jobs->Delete(id, holding.etag);
    case v1::STORAGE_KIND_EVENTS:
      backend_.store->ThinReports(holding.job);
      counter_->Forget(holding.job);
      return absl::OkStatus();
    case v1::STORAGE_KIND_CHECKPOINTS: {
      v1::DeleteCheckpointRequest request;
      request.set_name(holding.name);
      return Checkpoints(backend_.folder, backend_.store, backend_.jobs).Delete(request, unused);
    }
    case v1::STORAGE_KIND_MODELS: {
      v1::DeleteModelRequest request;
      request.set_name(holding.name);
      request.set_etag(holding.etag);
      return Models(backend_.folder, backend_.store).Delete(request, unused);
    }
    case v1::STORAGE_KIND_UPLOADS: {
      const absl::Status status = unused(holding.name);
      return status.ok() ? uploads_->Delete(id, holding.etag) : status;
    }
    case v1::STORAGE_KIND_TRASH:
      return backend_.folder->RemoveFolder(absl::StrCat(backend_.folder->path(), "/", holding.name));
    default:
      return absl::InternalError(absl::StrCat("no rule is about ", holding.name));
  }
}

void Retention::Tell(const Removal& removal, const absl::Status& status) {
  const Holding& holding = removal.holding;
  if (status.ok()) {
    spdlog::info("retention: {} {}: {}", holding.kind == v1::STORAGE_KIND_EVENTS ? "thinned" : "removed", holding.name,
                 removal.reason);
    metrics_->retention_removals[static_cast<size_t>(holding.kind)].Add();
    metrics_->retention_bytes[static_cast<size_t>(holding.kind)].Add(static_cast<double>(holding.bytes));
  } else if (!absl::IsNotFound(status)) {  // Somebody else was faster.
    spdlog::warn("retention: {} stays for now: {}", holding.name, std::string(status.message()));
  }
  if (audit_ == nullptr) return;
  AuditEntry entry;
  entry.time = absl::Now();
  entry.user = kUser;
  entry.method = kUser;
  entry.resource = holding.name;
  entry.code = absl::StatusCodeToString(status.code());
  entry.message = status.ok() ? removal.reason : std::string(status.message());
  audit_->Write(entry);
}

absl::StatusOr<v1::Storage> DescribeStorage(StorageCounter& counter, const Retention& retention, const Caller& caller,
                                            bool plan) {
  const absl::Time deadline = absl::Now() + kCountTime;
  const auto inventory = counter.Count({.deadline = deadline});
  if (!inventory.ok()) return inventory.status();
  v1::Storage storage = counter.Summarize(*inventory, caller);
  for (const auto& [what, rule] : retention.policy()) storage.add_rules(rule.text);
  storage.set_plan_only(retention.plan_only());
  if (!plan) return storage;
  const std::vector<Removal> removals = retention.Plan(*inventory, deadline);
  if (absl::Now() >= deadline) storage.set_incomplete(true);
  for (const Removal& removal : removals) {
    const Holding& holding = removal.holding;
    if (!MaySee(caller, holding)) continue;
    storage.set_planned_count(storage.planned_count() + 1);
    storage.set_planned_bytes(storage.planned_bytes() + holding.bytes);
    if (storage.planned_size() == kMostPlanned) continue;
    v1::Storage::Removal& planned = *storage.add_planned();
    planned.set_name(holding.name);
    planned.set_kind(holding.kind);
    planned.set_owner(holding.owner);
    planned.set_bytes(holding.bytes);
    planned.set_reason(removal.reason);
  }
  return storage;
}

}  // namespace traind::server

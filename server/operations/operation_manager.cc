// The calls of clients; operation_supervisor.cc has what happens by itself.
#include "server/operations/operation_manager.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/enum_name.h"
#include "core/base/errors.h"
#include "google/protobuf/util/time_util.h"
#include "server/resources/names.h"
#include "server/resources/paging.h"
#include "server/resources/quota.h"
#include "server/rpc/status.h"

namespace traind::server {
namespace {

using google::protobuf::util::TimeUtil;

std::string MadeUpName() {
  std::random_device random;
  return absl::StrFormat("operations/op-%08x%08x", random(), random());
}

absl::Status ShuttingDown() { return absl::UnavailableError("the server is shutting down"); }

const Collection& OperationCollection() {
  static const Collection kCollection{
      .name = "operations",
      .fields = {{v1::Operation::descriptor(), {"name", "done"}},
                 {v1::OperationMetadata::descriptor(), {"state", "method", "target", "owner", "create_time"}}},
      .default_order = "",
      .newest_first = true};
  return kCollection;
}

// Takes the request_id out of the request.
std::string TakeRequestId(google::protobuf::Message& request) {
  const auto* field = request.GetDescriptor()->FindFieldByName("request_id");
  std::string id = request.GetReflection()->GetString(request, field);
  request.GetReflection()->ClearField(&request, field);
  return id;
}

// Without what only memory knows.
v1::Operation AsStored(const internal::OperationRecord& record) {
  v1::Operation operation;
  operation.set_name(record.name());
  operation.mutable_metadata()->PackFrom(record.metadata());
  operation.set_done(IsDone(record.metadata().state()));
  if (record.has_error()) *operation.mutable_error() = record.error();
  if (record.has_response()) *operation.mutable_response() = record.response();
  return operation;
}

}  // namespace

absl::StatusOr<v1::Operation> OperationManager::Create(const std::string& method,
                                                       const google::protobuf::Message& request, const Admission& admit,
                                                       const Caller& caller) {
  const std::unique_ptr<google::protobuf::Message> bare(request.New());
  bare->CopyFrom(request);
  const std::string request_id = TakeRequestId(*bare);
  core::FieldErrors::Root errors;
  CheckRequestId(request_id, errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  const std::string fingerprint = RequestFingerprint(*bare);
  const std::string known_as = RequestIdOf(caller, request_id);
  if (auto earlier = FindEarlier(known_as, method, fingerprint)) return *std::move(earlier);
  auto admitted = admit();
  if (!admitted.ok()) return admitted.status();

  internal::OperationRecord record;
  record.set_name(MadeUpName());
  record.mutable_metadata()->set_method(method);
  record.mutable_metadata()->set_target(admitted->target);
  record.mutable_metadata()->set_request_id(request_id);
  record.mutable_metadata()->set_owner(caller.user);
  *record.mutable_task() = std::move(admitted->task);
  record.set_memory_bytes(admitted->memory_bytes);
  for (std::string& name : admitted->uses) record.add_uses(std::move(name));
  for (std::string& warning : admitted->warnings) record.mutable_metadata()->add_warnings(std::move(warning));

  absl::MutexLock creating(&create_mu_);
  if (auto earlier = FindEarlier(known_as, method, fingerprint)) return *std::move(earlier);  // It came twice at once.
  return Enqueue(std::move(record), known_as, fingerprint);
}

std::optional<absl::StatusOr<v1::Operation>> OperationManager::FindEarlier(const std::string& request_id,
                                                                           const std::string& method,
                                                                           const std::string& fingerprint) {
  if (request_id.empty()) return std::nullopt;
  auto request = store_->FindRequest(request_id, options_.now());
  if (!request.ok()) return request.status();
  if (!request->has_value()) return std::nullopt;
  if (absl::Status same = CheckRepeated(**request, method, fingerprint); !same.ok()) return same;
  return Get(std::string(IdOf((*request)->resource)));
}

absl::StatusOr<v1::Operation> OperationManager::Enqueue(internal::OperationRecord record, const std::string& request_id,
                                                        const std::string& fingerprint) {
  absl::Status status = CheckRoom();
  if (status.ok()) status = work_.Keep(record);
  if (!status.ok()) {
    work_.End(record);
    return status;
  }
  v1::OperationMetadata& metadata = *record.mutable_metadata();
  metadata.set_state(v1::OPERATION_STATE_QUEUED);
  *metadata.mutable_create_time() = Stamp();
  *metadata.mutable_update_time() = metadata.create_time();
  absl::MutexLock lock(&mu_);
  const StoredRequest request{.request_id = request_id,
                              .method = metadata.method(),
                              .resource = record.name(),
                              .uid = "",
                              .fingerprint = fingerprint,
                              .create_time = options_.now()};
  auto key = store_->CreateOperation(record, request_id.empty() ? nullptr : &request);
  if (!key.ok()) {
    work_.End(record);
    return key.status();
  }
  Live& live = live_[*key];
  live.record = std::move(record);
  changed_ = true;
  return Public(live);
}

absl::Status OperationManager::CheckRoom() {
  absl::MutexLock lock(&mu_);
  if (shutting_down_) return ShuttingDown();
  if (live_.size() < options_.max_live) return absl::OkStatus();
  return QuotaError("server", absl::StrCat(live_.size(), " operations wait or run, as many as the server keeps; wait ",
                                           "for one of them, or cancel one"));
}

v1::Operation OperationManager::Public(const Live& live) {
  internal::OperationRecord record;
  record.set_name(live.record.name());
  v1::OperationMetadata& metadata = *record.mutable_metadata();
  metadata = live.record.metadata();
  if (metadata.state() == v1::OPERATION_STATE_QUEUED) {
    metadata.set_queue_reason(live.queue_reason);
  } else if (live.progress.has_value()) {
    *metadata.mutable_progress() = ProgressOf(live);
  }
  if (live.record.has_error()) *record.mutable_error() = live.record.error();
  return AsStored(record);
}

v1::OperationProgress OperationManager::ProgressOf(const Live& live) {
  v1::OperationProgress progress = *live.progress;
  const int64_t made = progress.done() - live.first_done;
  if (made > 0 && progress.total() > progress.done()) {
    const double rest = static_cast<double>(progress.total() - progress.done()) / static_cast<double>(made);
    *progress.mutable_remaining() =
        TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(rest * (options_.now() - live.first_time)));
  }
  return progress;
}

absl::StatusOr<v1::Operation> OperationManager::Get(const std::string& id) {
  {
    absl::MutexLock lock(&mu_);
    if (const auto live = Find(id); live != live_.end()) return Public(live->second);
  }
  auto stored = store_->GetOperation(id);
  if (!stored.ok()) return stored.status();
  return AsStored(stored->record);
}

absl::StatusOr<v1::ListOperationsResponse> OperationManager::List(const v1::ListOperationsRequest& request,
                                                                  const Caller& caller) {
  core::FieldErrors::Root errors;
  const ListQuery query = ListQuery::Parse(ListRequestOf(request), OperationCollection(), errors.scope());
  if (!errors.ok()) return errors.ToStatus();
  Page<v1::Operation> page(query);
  const auto add = [&](const StoredOperation& stored) {
    if (!MayRead(caller, stored.record.metadata().owner(), {})) return true;
    const v1::Operation operation = AsStored(stored.record);
    return page.Offer(operation, std::make_pair(stored.key, int32_t{0}), {&operation, &stored.record.metadata()});
  };
  // In the store's own order the page before need not be read again.
  const auto* before = query.after_key() == nullptr ? nullptr : std::get_if<1>(query.after_key());
  v1::ListOperationsResponse response;
  const auto damaged = [&](std::string name) {
    if (caller.IsAdmin()) *response.add_unreachable() = std::move(name);  // Whose it was cannot be read.
  };
  const absl::Status listed = store_->ListOperations(before == nullptr ? 0 : before->first, add, damaged);
  if (!listed.ok()) return listed;
  page.MoveTo(*response.mutable_operations(), *response.mutable_next_page_token());
  absl::MutexLock lock(&mu_);
  for (v1::Operation& operation : *response.mutable_operations()) {
    const auto live = Find(IdOf(operation.name()));
    if (live != live_.end()) operation = Public(live->second);
  }
  return response;
}

absl::StatusOr<v1::Operation> OperationManager::Cancel(const std::string& id) {
  if (shutting_down()) return ShuttingDown();
  std::shared_ptr<Worker> worker;
  std::shared_ptr<Budget::Lease> lease;  // Of one that never ran: its destructor must run without the lock.
  std::optional<v1::Operation> cancelled;
  {
    absl::MutexLock lock(&mu_);
    if (const auto live = Find(id); live != live_.end()) {
      absl::Status status;
      if (live->second.record.metadata().state() == v1::OPERATION_STATE_QUEUED) {
        status = Move(live->first, live->second, v1::OPERATION_STATE_CANCELLED, SetError(CancelledByAClient()));
      } else if (live->second.record.metadata().state() == v1::OPERATION_STATE_RUNNING) {
        status = Move(live->first, live->second, v1::OPERATION_STATE_CANCELLING);
        worker = live->second.worker;
      }
      if (!status.ok()) return status;
      cancelled = Public(live->second);
      if (cancelled->done()) {
        lease = std::move(live->second.lease);
        Forget(live);
      }
    }
  }
  if (worker != nullptr) worker->Kill();
  return cancelled.has_value() ? *std::move(cancelled) : Get(id);
}

absl::Status OperationManager::Delete(const std::string& id) {
  {
    absl::MutexLock lock(&mu_);
    if (const auto live = Find(id); live != live_.end()) {
      return absl::FailedPreconditionError(absl::StrCat("operations/", id, " is ",
                                                        core::EnumName(live->second.record.metadata().state()),
                                                        "; cancel it and wait for its end first"));
    }
  }
  const auto key = store_->KeyOfOperation(id);
  if (!key.ok()) return key.status();
  return Remove(*key, id);
}

absl::Status OperationManager::Remove(OperationKey key, absl::string_view id) {
  // The row first: a crash in between leaves a folder without an operation, which the next start removes.
  if (absl::Status status = store_->DeleteOperation(key, options_.now()); !status.ok()) return status;
  return folder_->Remove("operations", id);
}

OperationManager::WaitId OperationManager::Wait(const std::string& id, absl::Time deadline, Answer answer) {
  {
    absl::MutexLock lock(&mu_);
    const auto live = Find(id);
    if (live != live_.end() && !shutting_down_) {
      waiting_[++last_wait_] = {.key = live->first, .id = id, .deadline = deadline, .answer = std::move(answer)};
      changed_ = true;
      return last_wait_;
    }
  }
  answer(shutting_down() ? ShuttingDown() : Get(id));
  return 0;
}

void OperationManager::StopWaiting(WaitId wait) {
  Answer answer;
  {
    absl::MutexLock lock(&mu_);
    const auto found = waiting_.find(wait);
    if (found == waiting_.end()) return;
    answer = std::move(found->second.answer);
    waiting_.erase(found);
  }
  answer(absl::CancelledError("the caller has gone"));
}

std::string OperationManager::UserOf(const std::string& resource) {
  absl::MutexLock lock(&mu_);
  for (const auto& [key, live] : live_) {
    const auto& uses = live.record.uses();
    if (std::find(uses.begin(), uses.end(), resource) != uses.end()) return live.record.name();
  }
  return "";
}

OperationManager::Counts OperationManager::Count() {
  absl::MutexLock lock(&mu_);
  Counts counts;
  for (const auto& [key, live] : live_) {
    ++(live.record.metadata().state() == v1::OPERATION_STATE_QUEUED ? counts.queued : counts.running);
  }
  return counts;
}

OperationManager::LiveOperations::iterator OperationManager::Find(absl::string_view id) {
  return std::find_if(live_.begin(), live_.end(),
                      [&](const auto& live) { return IdOf(live.second.record.name()) == id; });
}

bool OperationManager::shutting_down() {
  absl::MutexLock lock(&mu_);
  return shutting_down_;
}

}  // namespace traind::server

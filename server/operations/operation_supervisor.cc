// What happens to operations by itself: starts, progress, ends of workers, the start and the end of the server.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/enum_name.h"
#include "google/protobuf/util/time_util.h"
#include "server/operations/operation_manager.h"
#include "server/resources/names.h"
#include "server/rpc/status.h"
#include "server/telemetry/log_scope.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

using google::protobuf::util::TimeUtil;

// It reads and writes files, in one thread.
bool IsDataTask(const internal::Task& task) { return task.has_import() || task.has_describe(); }

std::string Text(const absl::Status& status) { return std::string(status.message()); }

// The end of a worker that was never there. A disk without room for its files is no fault of a worker.
WorkerExit NotStarted(bool prepared, const absl::Status& status) {
  WorkerExit exit;
  exit.kind = prepared ? WorkerExit::Kind::kCrashed : WorkerExit::Kind::kTaskFailed;
  exit.status = status;
  exit.description = absl::StrCat("could not be started: ", status.message());
  exit.of_machine = prepared;
  return exit;
}

}  // namespace

absl::StatusOr<std::unique_ptr<OperationManager>> OperationManager::Start(const Options& options, OperationStore* store,
                                                                          DataFolder* folder, Launcher* launcher,
                                                                          Budget* budget) {
  auto manager = std::unique_ptr<OperationManager>(new OperationManager(options, store, folder, launcher, budget));
  if (absl::Status status = manager->Recover(); !status.ok()) return status;
  manager->supervisor_ = std::thread([raw = manager.get()] { raw->Supervise(); });
  return manager;
}

OperationManager::~OperationManager() {
  if (supervisor_.joinable()) Shutdown();
}

absl::Status OperationManager::Recover() {
  if (absl::Status status = Purge(); !status.ok()) return status;
  std::vector<std::string> ids;
  std::vector<StoredOperation> unfinished;
  const auto add = [&](StoredOperation stored) {
    ids.emplace_back(IdOf(stored.record.name()));
    if (!IsDone(stored.record.metadata().state())) unfinished.push_back(std::move(stored));
    return true;
  };
  const auto damaged = [&](const std::string& name) {
    const LogScope scope({.resource = name});
    spdlog::error("the record of {} is damaged: it is passed over until somebody deletes it", name);
    ids.emplace_back(IdOf(name));
  };
  if (absl::Status status = store_->ListOperations(0, add, damaged); !status.ok()) return status;
  // Folders without an operation: of one that was deleted or never came to be, or one that this store does not know.
  std::sort(ids.begin(), ids.end());
  auto folders = folder_->List("operations");
  if (!folders.ok()) return folders.status();
  for (const std::string& id : *folders) {
    if (std::binary_search(ids.begin(), ids.end(), id)) continue;
    if (absl::Status status = folder_->SetAside("operations", id); !status.ok()) return status;
  }
  for (StoredOperation& stored : unfinished) {
    if (absl::Status status = TakeUp(std::move(stored)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status OperationManager::TakeUp(StoredOperation stored) {
  auto published = work_.FindPublished(stored.record);
  if (!published.ok()) spdlog::warn("{}: {}", stored.record.name(), Text(published.status()));
  absl::MutexLock lock(&mu_);
  const auto live = live_.emplace(stored.key, Live()).first;
  live->second.record = std::move(stored.record);
  const v1::OperationState state = live->second.record.metadata().state();
  absl::Status moved;
  if (published.ok() && published->has_value()) {
    moved = Move(live->first, live->second, v1::OPERATION_STATE_SUCCEEDED,
                 [&](internal::OperationRecord& record) { *record.mutable_response() = **std::move(published); });
  } else if (state == v1::OPERATION_STATE_CANCELLING) {
    moved = Move(live->first, live->second, v1::OPERATION_STATE_CANCELLED, SetError(CancelledByAClient()));
  } else if (state == v1::OPERATION_STATE_RUNNING) {
    moved = Move(live->first, live->second, v1::OPERATION_STATE_QUEUED);
  }
  if (moved.ok() && IsDone(live->second.record.metadata().state())) Forget(live);
  return moved;
}

void OperationManager::Shutdown() {
  {
    absl::MutexLock lock(&mu_);
    shutting_down_ = true;
    changed_ = true;
  }
  supervisor_.join();
  std::vector<std::shared_ptr<Worker>> workers;
  {
    absl::MutexLock lock(&mu_);
    for (auto& [key, live] : live_) workers.push_back(std::move(live.worker));
  }
  workers.clear();  // Kills them and waits for their ends.
  HandleExits();
  std::map<WaitId, Waiting> waiting;
  {
    absl::MutexLock lock(&mu_);
    waiting.swap(waiting_);
  }
  for (auto& [id, wait] : waiting) wait.answer(absl::UnavailableError("the server is shutting down"));
}

void OperationManager::Supervise() {
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      mu_.AwaitWithDeadline(absl::Condition(&changed_), NextWake());
      changed_ = false;
      retry_ = false;
      if (shutting_down_) return;
    }
    HandleExits();
    StartWaiting();
    AnswerWaiting();
    if (absl::Now() >= next_purge_) {
      if (absl::Status status = Purge(); !status.ok()) spdlog::error("old operations stay: {}", Text(status));
    }
  }
}

absl::Time OperationManager::NextWake() {
  absl::Time wake = next_purge_;
  if (retry_) wake = std::min(wake, absl::Now() + options_.retry_interval);
  for (const auto& [id, waiting] : waiting_) wake = std::min(wake, waiting.deadline);
  for (const auto& [key, live] : live_) {
    if (live.not_before > absl::Now()) wake = std::min(wake, live.not_before);
  }
  return wake;
}

void OperationManager::HandleExits() {
  std::deque<Ended> ended;
  {
    absl::MutexLock lock(&mu_);
    ended.swap(ended_);
  }
  for (Ended& end : ended) {
    if (HandleExit(end)) continue;
    absl::MutexLock lock(&mu_);
    ended_.push_back(std::move(end));
    retry_ = true;
  }
}

void OperationManager::StartWaiting() {
  AskForTurns();
  std::vector<OperationKey> queued;
  {
    absl::MutexLock lock(&mu_);
    for (const auto& [key, live] : live_) {
      if (live.record.metadata().state() == v1::OPERATION_STATE_QUEUED) queued.push_back(key);
    }
  }
  for (OperationKey key : queued) {
    const auto lease = LeaseOf(key);
    const uint32_t threads = lease == nullptr ? 0 : lease->threads();
    if (threads > 0 && !Launch(key, threads)) return;
  }
}

void OperationManager::AskForTurns() {
  std::vector<std::pair<OperationKey, Budget::Need>> asking;
  {
    absl::MutexLock lock(&mu_);
    if (shutting_down_) return;
    for (const auto& [key, live] : live_) {
      const bool queued = live.record.metadata().state() == v1::OPERATION_STATE_QUEUED;
      if (absl::Now() < live.not_before) continue;
      if (queued && live.lease == nullptr) asking.emplace_back(key, NeedOf(live.record));
    }
  }
  for (const auto& [key, need] : asking) {
    std::shared_ptr<Budget::Lease> lease = budget_->Ask(need, [this] {
      absl::MutexLock lock(&mu_);
      changed_ = true;
    });
    absl::MutexLock lock(&mu_);
    const auto live = live_.find(key);
    if (live == live_.end()) continue;  // Cancelled just now. The lease outlives the lock.
    live->second.lease.swap(lease);
    live->second.queue_reason =
        "waits for its turn: others have the threads and the memory (--threads, --memory-limit)";
  }
}

Budget::Need OperationManager::NeedOf(const internal::OperationRecord& record) const {
  const bool data = IsDataTask(record.task());
  return {.threads = data ? 1 : budget_->capacity().threads,
          .memory_bytes = record.memory_bytes(),
          .lane = data ? Budget::Lane::kData : Budget::Lane::kModels};
}

std::shared_ptr<Budget::Lease> OperationManager::LeaseOf(OperationKey key) {
  absl::MutexLock lock(&mu_);
  const auto live = live_.find(key);
  return live == live_.end() ? nullptr : live->second.lease;
}

bool OperationManager::Launch(OperationKey key, uint32_t threads) {
  internal::OperationRecord record;
  {
    absl::MutexLock lock(&mu_);
    const auto live = live_.find(key);
    if (live == live_.end() || shutting_down_) return false;  // It was cancelled just now, or the server ends.
    const absl::Status moved =
        Move(key, live->second, v1::OPERATION_STATE_RUNNING, [this](internal::OperationRecord& changed) {
          changed.mutable_metadata()->set_attempts(changed.metadata().attempts() + 1);
          *changed.mutable_metadata()->mutable_start_time() = Stamp();
        });
    if (!moved.ok()) {
      spdlog::error("{} cannot be started yet: {}", live->second.record.name(), Text(moved));
      retry_ = true;
      return false;
    }
    live->second.progress.reset();
    record = live->second.record;
  }
  const int64_t memory = budget_->LimitOf(record.memory_bytes());
  auto task = work_.Begin(record, threads);
  const bool prepared = task.ok();
  auto worker =
      prepared ? launcher_->Start({.memory_bytes = memory, .background = true}, *task, CallbacksOf(key, record.name()))
               : absl::StatusOr<std::unique_ptr<Worker>>(task.status());
  std::shared_ptr<Worker> unwanted;
  {
    absl::MutexLock lock(&mu_);
    Live& live = live_.at(key);  // Nobody but this thread takes one away that runs.
    if (prepared) live.attempt = *std::move(task);
    if (worker.ok()) {
      live.worker = *std::move(worker);
      // Who cancelled it meanwhile found no worker to kill.
      if (live.record.metadata().state() == v1::OPERATION_STATE_CANCELLING) unwanted = live.worker;
    } else {
      ended_.push_back({key, NotStarted(prepared, worker.status())});
      changed_ = true;
    }
  }
  if (unwanted != nullptr) unwanted->Kill();
  const LogScope scope({.resource = record.name()});
  spdlog::info("{} runs: {} of {}, attempt {}", record.name(), record.metadata().method(), record.metadata().target(),
               record.metadata().attempts());
  return true;
}

WorkerCallbacks OperationManager::CallbacksOf(OperationKey key, const std::string& name) {
  WorkerCallbacks callbacks;
  callbacks.on_events = [](const std::vector<v1::Event>&) {
    return absl::InvalidArgumentError("an operation has no events");
  };
  callbacks.on_progress = [this, key](const v1::OperationProgress& progress) { OnProgress(key, progress); };
  callbacks.on_log = [name](auto line) {
    const LogScope scope({.resource = name});
    spdlog::debug("{}: {}", name, std::string(line.data(), line.size()));
  };
  callbacks.on_exit = [this, key](const WorkerExit& exit) {
    absl::MutexLock lock(&mu_);
    ended_.push_back({key, exit});
    changed_ = true;
  };
  return callbacks;
}

void OperationManager::OnProgress(OperationKey key, const v1::OperationProgress& progress) {
  absl::MutexLock lock(&mu_);
  const auto found = live_.find(key);
  if (found == live_.end()) return;
  Live& live = found->second;
  if (!live.progress.has_value()) {
    live.first_done = progress.done();
    live.first_time = options_.now();
  }
  live.progress = progress;
}

bool OperationManager::HandleExit(const Ended& ended) {
  internal::OperationRecord record;
  internal::Task attempt;
  bool stopping = false;
  {
    absl::MutexLock lock(&mu_);
    const auto live = live_.find(ended.key);
    if (live == live_.end() || !HasWorker(live->second.record.metadata().state())) return true;
    record = live->second.record;
    attempt = live->second.attempt;
    stopping = shutting_down_;
  }
  OperationVerdict verdict = JudgeExit(record, ended.exit, stopping, options_.max_attempts);
  auto response = verdict.state == v1::OPERATION_STATE_SUCCEEDED ? Respond(record, attempt, ended.exit.result)
                                                                 : google::protobuf::Any();
  if (!response.ok()) verdict = {.state = v1::OPERATION_STATE_FAILED, .error = response.status()};

  const LogScope scope({.resource = record.name()});
  std::shared_ptr<Worker> worker;  // Their destructors must run without the lock.
  std::shared_ptr<Budget::Lease> lease;
  {
    absl::MutexLock lock(&mu_);
    const auto live = live_.find(ended.key);
    const absl::Status moved = Move(ended.key, live->second, verdict.state, [&](internal::OperationRecord& changed) {
      if (verdict.state == v1::OPERATION_STATE_SUCCEEDED) {
        *changed.mutable_response() = *std::move(response);
        changed.mutable_metadata()->mutable_warnings()->MergeFrom(ended.exit.result.warnings());
      }
      if (verdict.crash) changed.set_crashes(changed.crashes() + 1);
      if (!verdict.error.ok()) SetError(OperationWork::Disguise(record, verdict.error))(changed);
    });
    if (!moved.ok()) {
      spdlog::error("the end of {} cannot be stored yet: {}", record.name(), Text(moved));
      return false;
    }
    worker = std::move(live->second.worker);
    lease = std::move(live->second.lease);
    if (verdict.wait) {
      Live& waits = live->second;
      waits.wait = std::clamp(2 * waits.wait, options_.first_wait, options_.longest_wait);
      waits.not_before = absl::Now() + waits.wait;
      waits.queue_reason = absl::StrCat("tries again within ", absl::FormatDuration(waits.wait), ": ", verdict.reason);
    }
    if (IsDone(verdict.state)) Forget(live);
    changed_ = true;
  }
  work_.EndAttempt(attempt);
  const std::string reason = verdict.error.ok() ? verdict.reason : Text(verdict.error);
  spdlog::info("{} is {}{}{}", record.name(), core::EnumName(verdict.state), reason.empty() ? "" : ": ", reason);
  return true;
}

absl::StatusOr<google::protobuf::Any> OperationManager::Respond(const internal::OperationRecord& record,
                                                                const internal::Task& attempt,
                                                                const internal::Result& result) {
  // After an end that could not be stored: the dataset is there already, from this very import.
  auto published = work_.FindPublished(record);
  if (published.ok() && published->has_value()) return **std::move(published);
  return work_.Publish(record, attempt, result);
}

void OperationManager::AnswerWaiting() {
  std::vector<Waiting> due;
  {
    absl::MutexLock lock(&mu_);
    for (auto at = waiting_.begin(); at != waiting_.end();) {
      const bool over = live_.count(at->second.key) == 0 || absl::Now() >= at->second.deadline;
      if (over) due.push_back(std::move(at->second));
      at = over ? waiting_.erase(at) : std::next(at);
    }
  }
  for (Waiting& waiting : due) waiting.answer(Get(waiting.id));
}

absl::Status OperationManager::Purge() {
  next_purge_ = absl::Now() + options_.purge_interval;
  const auto oldest = TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(options_.now() - options_.lifetime));
  std::vector<std::pair<OperationKey, std::string>> old;
  const auto add = [&](const StoredOperation& stored) {
    const v1::OperationMetadata& metadata = stored.record.metadata();
    if (IsDone(metadata.state()) && metadata.end_time() < oldest) {
      old.emplace_back(stored.key, IdOf(stored.record.name()));
    }
    return true;
  };
  absl::Status status = store_->ListOperations(0, add);
  for (const auto& [key, id] : old) {
    if (status.ok()) status = Remove(key, id);
  }
  return status;
}

absl::Status OperationManager::Move(OperationKey key, Live& live, v1::OperationState to, const Change& change) {
  internal::OperationRecord record = live.record;
  v1::OperationMetadata& metadata = *record.mutable_metadata();
  metadata.set_state(to);
  *metadata.mutable_update_time() = Stamp();
  if (change != nullptr) change(record);
  if (IsDone(to)) {
    *metadata.mutable_end_time() = metadata.update_time();
    if (live.progress.has_value()) *metadata.mutable_progress() = *live.progress;
    record.clear_task();
    record.clear_memory_bytes();
    record.clear_uses();
    record.clear_crashes();
  }
  if (absl::Status status = store_->UpdateOperation(key, record); !status.ok()) return status;
  live.record = std::move(record);
  return absl::OkStatus();
}

OperationManager::Change OperationManager::SetError(const absl::Status& status) {
  return [status](internal::OperationRecord& record) { *record.mutable_error() = ToRichStatus(status); };
}

void OperationManager::Forget(LiveOperations::iterator live) {
  work_.End(live->second.record);
  live_.erase(live);
  changed_ = true;
}

google::protobuf::Timestamp OperationManager::Stamp() const {
  return TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(options_.now()));
}

}  // namespace traind::server

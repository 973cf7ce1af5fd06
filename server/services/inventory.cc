#include "server/services/inventory.h"

#include <sys/stat.h>

#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "core/data/dataset_dir.h"
#include "google/protobuf/util/time_util.h"
#include "server/resources/job_state.h"
#include "server/resources/names.h"
#include "server/services/models.h"
#include "server/store/upload_store.h"

namespace traind::server {
namespace {

namespace fs = std::filesystem;
using google::protobuf::util::TimeUtil;

absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixNanos(TimeUtil::TimestampToNanoseconds(time));
}

// The step in "step-000000000007", or -1.
int64_t StepIn(absl::string_view folder) {
  int64_t step = -1;
  return absl::ConsumePrefix(&folder, "step-") && absl::SimpleAtoi(folder, &step) ? step : -1;
}

}  // namespace

bool MaySee(const Caller& caller, const Holding& holding) {
  const bool of_all = holding.kind == v1::STORAGE_KIND_TRASH || holding.kind == v1::STORAGE_KIND_DATABASE;
  return caller.IsAdmin() || (!of_all && holding.owner == caller.user);
}

// One count.
class StorageCounter::Counting {
 public:
  Counting(StorageCounter* counter, const Scope& scope)
      : counter_(counter), backend_(counter->backend_), scope_(scope) {}

  absl::StatusOr<Inventory> Run() {
    absl::Status status = AddJobs();
    for (const char* collection : {"datasets", "models", "uploads", "operations"}) {
      if (status.ok()) status = AddCollection(collection);
    }
    if (status.ok()) status = AddTrash();
    if (!status.ok()) return status;
    AddDatabase();
    return std::move(inventory_);
  }

 private:
  // What of a job's record counts.
  struct JobFacts {
    Holding holding;
    int64_t last_sequence = 0;
  };

  // The ids of sweeps that have not ended: their trials' jobs are still needed.
  absl::StatusOr<std::set<std::string>> LiveSweeps() {
    std::set<std::string> live;
    if (backend_.sweeps == nullptr) return live;
    const auto add = [&](const StoredSweep& stored) {
      if (!stored.sweep.has_end_time()) live.emplace(IdOf(stored.sweep.name()));
      return true;
    };
    if (absl::Status status = backend_.sweeps->List(0, add); !status.ok()) return status;
    return live;
  }

  absl::Status AddJobs() {
    std::vector<JobFacts> jobs;
    std::set<std::string> begun_with;
    const auto sweeps = LiveSweeps();
    if (!sweeps.ok()) return sweeps.status();
    const auto add = [&](const StoredJob& stored) {
      const v1::Job& job = stored.job;
      JobFacts facts;
      facts.holding = {.kind = v1::STORAGE_KIND_JOBS,
                       .name = job.name(),
                       .owner = job.owner(),
                       .state = job.state(),
                       .pinned = job.pinned(),
                       .job = stored.key,
                       .etag = job.etag()};
      const auto sweep = job.labels().find("sweep");
      const bool searched = sweep != job.labels().end() && sweeps->count(sweep->second) > 0;
      if (IsTerminal(job.state()) && !searched) facts.holding.time = TimeOf(job.end_time());
      facts.last_sequence = job.last_sequence();
      for (const std::string& source : {job.forked_from(), job.resolved_spec().initial_weights().model()}) {
        if (source.empty()) continue;
        begun_with.insert(source);
        begun_with.insert(source.substr(0, source.find("/checkpoints/")));
      }
      jobs.push_back(std::move(facts));
      return true;
    };
    if (absl::Status status = backend_.store->ListJobs(0, {}, add); !status.ok()) return status;
    if (!scope_.jobs) jobs.clear();
    for (JobFacts& job : jobs) {
      job.holding.starts_another = begun_with.count(job.holding.name) != 0;
      if (absl::Status status = AddJob(job, begun_with); !status.ok()) return status;
    }
    begun_with_ = std::move(begun_with);
    return absl::OkStatus();
  }

  absl::Status AddJob(const JobFacts& job, const std::set<std::string>& begun_with) {
    const size_t at = inventory_.holdings.size();
    inventory_.holdings.push_back(job.holding);
    Holding events = job.holding;
    events.kind = v1::STORAGE_KIND_EVENTS;
    bool counted = false;
    const auto use = counter_->EventsOf(job.holding.job, job.last_sequence, InTime(), &counted);
    if (!use.ok()) return use.status();
    if (!counted) inventory_.incomplete = true;
    events.count = counted ? use->events : job.last_sequence;
    events.bytes = use->bytes;
    events.reports = use->reports;
    events.report_bytes = use->report_bytes;
    inventory_.holdings.push_back(std::move(events));
    const std::string dir = backend_.folder->Item("jobs", IdOf(job.holding.name));
    ForEachIn(dir, [&](const fs::directory_entry& entry) {
      if (entry.path().filename() != "checkpoints") inventory_.holdings[at].bytes += BytesOf(entry);
    });
    std::map<int64_t, int64_t> checkpoints;
    ForEachIn(dir + "/checkpoints", [&](const fs::directory_entry& entry) {
      const int64_t step = StepIn(entry.path().filename().string());
      if (step >= 0) checkpoints[step] = BytesOf(entry);
    });
    for (const auto& [step, bytes] : checkpoints) {
      Holding checkpoint = job.holding;
      checkpoint.kind = v1::STORAGE_KIND_CHECKPOINTS;
      checkpoint.name = absl::StrCat(job.holding.name, "/checkpoints/", step);
      checkpoint.bytes = bytes;
      checkpoint.starts_another = begun_with.count(checkpoint.name) != 0;
      checkpoint.etag.clear();
      inventory_.holdings.push_back(std::move(checkpoint));
    }
    return absl::OkStatus();
  }

  absl::Status AddCollection(const std::string& collection) {
    auto ids = backend_.folder->List(collection);
    if (!ids.ok()) return ids.status();
    for (const std::string& id : *ids) {
      Holding holding = Describe(collection, id);
      holding.name = absl::StrCat(collection, "/", id);
      holding.starts_another = begun_with_.count(holding.name) != 0;
      holding.bytes = BytesOf(fs::directory_entry(backend_.folder->Item(collection, id)));
      inventory_.holdings.push_back(std::move(holding));
    }
    return absl::OkStatus();
  }

  // What cannot be read is nobody's, and never came to rest: no rule removes it.
  Holding Describe(const std::string& collection, const std::string& id) const {
    if (collection == "datasets") {
      const auto dataset = core::LoadDataset(backend_.folder->Item(collection, id));
      return {.kind = v1::STORAGE_KIND_DATASETS, .owner = dataset.ok() ? dataset->owner() : ""};
    }
    if (collection == "models") {
      const auto model = Models(backend_.folder, backend_.store).GetRecord(id);
      if (!model.ok()) return {.kind = v1::STORAGE_KIND_MODELS};
      return {.kind = v1::STORAGE_KIND_MODELS,
              .owner = model->owner(),
              .time = TimeOf(model->create_time()),
              .pinned = model->pinned(),
              .etag = model->etag()};
    }
    if (collection == "uploads") {
      const auto upload = UploadStore(backend_.folder).Get(id);
      // A crash at the very beginning leaves a folder alone.
      if (!upload.ok()) return {.kind = v1::STORAGE_KIND_UPLOADS, .time = ChangeTime(collection, id)};
      return {.kind = v1::STORAGE_KIND_UPLOADS,
              .owner = upload->owner(),
              .time = TimeOf(upload->update_time()),
              .etag = upload->etag()};
    }
    const auto operation = backend_.operations->Get(id);
    v1::OperationMetadata metadata;
    const bool known = operation.ok() && operation->metadata().UnpackTo(&metadata);
    return {.kind = v1::STORAGE_KIND_OPERATIONS, .owner = known ? metadata.owner() : ""};
  }

  absl::Time ChangeTime(const std::string& collection, const std::string& id) const {
    struct stat info;
    if (stat(backend_.folder->Item(collection, id).c_str(), &info) != 0) return absl::InfiniteFuture();
    return absl::TimeFromTimespec(info.st_mtim);
  }

  absl::Status AddTrash() {
    auto trash = backend_.folder->ListTrash();
    if (!trash.ok()) return trash.status();
    for (const DataFolder::Trashed& item : *trash) {
      inventory_.holdings.push_back({.kind = v1::STORAGE_KIND_TRASH,
                                     .name = absl::StrCat("trash/", fs::path(item.path).filename().string()),
                                     .bytes = BytesOf(fs::directory_entry(item.path)),
                                     .time = item.time});
    }
    return absl::OkStatus();
  }

  void AddDatabase() {
    const std::string file = backend_.folder->Database();
    Holding database{.kind = v1::STORAGE_KIND_DATABASE, .name = "traind.db"};
    for (const char* suffix : {"", "-wal", "-shm"}) database.bytes += BytesOf(fs::directory_entry(file + suffix));
    inventory_.holdings.push_back(std::move(database));
  }

  bool InTime() {
    if (absl::Now() < scope_.deadline && (scope_.stop == nullptr || !scope_.stop())) return true;
    inventory_.incomplete = true;
    return false;
  }

  template <class Use>
  void ForEachIn(const std::string& dir, const Use& use) {
    std::error_code error;
    if (!InTime()) return;
    for (fs::directory_iterator entry(dir, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
      use(*entry);
    }
  }

  // Of a file, or of all below a folder; what is gone meanwhile has none. Bytes that were counted under another name
  // are not counted again.
  int64_t BytesOf(const fs::directory_entry& entry) {
    struct stat info;
    if (lstat(entry.path().c_str(), &info) != 0) return 0;
    if (!S_ISDIR(info.st_mode)) {
      const bool again = info.st_nlink > 1 && !linked_.emplace(info.st_dev, info.st_ino).second;
      return again ? 0 : static_cast<int64_t>(info.st_size);
    }
    int64_t bytes = 0;
    ForEachIn(entry.path().string(), [&](const fs::directory_entry& below) { bytes += BytesOf(below); });
    return bytes;
  }

  StorageCounter* const counter_;
  const Backend& backend_;
  const Scope& scope_;
  Inventory inventory_;
  std::set<std::string> begun_with_;
  std::set<std::pair<dev_t, ino_t>> linked_;
};

absl::StatusOr<Inventory> StorageCounter::Count(const Scope& scope) { return Counting(this, scope).Run(); }

absl::StatusOr<JobStore::EventUse> StorageCounter::EventsOf(JobKey job, int64_t last_sequence, bool may_read,
                                                            bool* counted) {
  {
    absl::MutexLock lock(&mu_);
    const auto known = events_.find(job);
    *counted = known != events_.end() && known->second.last_sequence == last_sequence;
    // Better old than none.
    if (*counted || !may_read) return known == events_.end() ? JobStore::EventUse() : known->second.use;
  }
  auto use = backend_.store->MeasureEvents(job);
  if (!use.ok()) return use;
  *counted = true;
  absl::MutexLock lock(&mu_);
  events_[job] = {.last_sequence = last_sequence, .use = *use};
  return use;
}

void StorageCounter::Forget(JobKey job) {
  absl::MutexLock lock(&mu_);
  events_.erase(job);
}

v1::Storage StorageCounter::Summarize(const Inventory& inventory, const Caller& caller) const {
  std::map<std::pair<std::string, v1::StorageKind>, std::pair<int64_t, int64_t>> sums;
  for (const Holding& holding : inventory.holdings) {
    if (!MaySee(caller, holding)) continue;
    auto& [count, bytes] = sums[{holding.owner, holding.kind}];
    count += holding.count;
    bytes += holding.bytes;
  }
  v1::Storage storage;
  for (const auto& [key, sum] : sums) {
    v1::Storage::Use& use = *storage.add_uses();
    use.set_owner(key.first);
    use.set_kind(key.second);
    use.set_count(sum.first);
    use.set_bytes(sum.second);
  }
  storage.set_incomplete(inventory.incomplete);
  const DiskReserve::Room room = reserve_->room();
  storage.set_free_bytes(room.free_bytes);
  storage.set_total_bytes(room.total_bytes);
  return storage;
}

}  // namespace traind::server

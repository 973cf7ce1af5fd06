// The server's data folder. Everything the server keeps is below it:
//   lock                  held while a server runs, so that two never share the folder
//   traind.db             jobs and events (sqlite_job_store.h)
//   reserve               room for the worst (disk_reserve.h)
//   datasets/{id}/        core/data/dataset_dir.h
//   jobs/{id}/            checkpoints/, initial_weights.safetensors
//   models/{id}/          weights.safetensors, weights.pb (v1::CheckpointFile), model.pb (server/services/models.h);
//                         of one that was made of others ensembles.h
//   operations/{id}/      server/operations/operation_work.h
//   uploads/{id}/         upload_store.h
//   trash/                new-{n} and old-{n}, what is being made and removed: gone after a start; and what a start has
//                         found without a record, {time}-{collection}-{id}: see SetAside
// All of it is its owner's alone: folders 0700, files 0600. The folder itself too where it is made; the mode of one
// that somebody else has made stays. Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace traind::server {

class DataFolder {
 public:
  // Who keeps count of what there is.
  struct Watch {
    // Whether a filled folder may become an item of the collection.
    std::function<absl::Status(absl::string_view collection, const std::string& folder)> may_publish;
    // The item came or went.
    std::function<void(absl::string_view collection, absl::string_view id)> changed;
  };

  // Creates the folder if absent and takes its lock. FAILED_PRECONDITION: another server has it.
  static absl::StatusOr<std::unique_ptr<DataFolder>> Open(const std::string& path);
  ~DataFolder();

  // Before there is anybody else who uses the folder; the watch must not publish or remove.
  void SetWatch(Watch watch) { watch_ = std::move(watch); }

  const std::string& path() const { return path_; }
  std::string Database() const { return path_ + "/traind.db"; }
  // The folder of one thing; `collection` is "datasets", "jobs", "models", "operations" or "uploads".
  std::string Item(absl::string_view collection, absl::string_view id) const;
  std::string CheckpointDir(absl::string_view job) const { return Item("jobs", job) + "/checkpoints"; }
  std::string InitialWeights(absl::string_view job) const { return Item("jobs", job) + "/initial_weights.safetensors"; }
  std::string InitialPreprocessing(absl::string_view job) const {
    return Item("jobs", job) + "/initial_preprocessing.safetensors";
  }

  // The ids in a collection, sorted. Names that are no ids (temporary folders) are left out.
  absl::StatusOr<std::vector<std::string>> List(absl::string_view collection) const;
  bool Exists(absl::string_view collection, absl::string_view id) const;

  // A new, empty folder on the same file system, to fill and then Publish.
  absl::StatusOr<std::string> NewTemporary();
  // Makes a filled temporary folder the item, atomically and durably. ALREADY_EXISTS: there is one. The watch's error
  // comes as it is.
  absl::Status Publish(const std::string& temporary, absl::string_view collection, absl::string_view id);

  // Keeps `file` in the item's folder, whatever happens to where it comes from; its new path. UNAVAILABLE: it was
  // removed just now.
  absl::StatusOr<std::string> KeepFile(const std::string& file, absl::string_view collection, absl::string_view id,
                                       absl::string_view name);
  // Keeps `file` as the job's initial weights, whatever happens to the checkpoint it belongs to.
  absl::Status KeepInitialWeights(const std::string& file, absl::string_view job);
  // The same of the preprocessing that goes with them.
  absl::Status KeepInitialPreprocessing(const std::string& file, absl::string_view job);

  // Removes the item: gone at once and durably, its bytes freed afterwards. OK when there was none.
  absl::Status Remove(absl::string_view collection, absl::string_view id);
  // The same for a folder anywhere below this one.
  absl::Status RemoveFolder(const std::string& path);

  // Puts an item that no record knows into the trash, and says so in the log. It may be all that is left of something:
  // of every newer job, when an older traind.db was put back.
  absl::Status SetAside(absl::string_view collection, absl::string_view id);
  // What was set aside.
  struct Trashed {
    std::string path;
    absl::Time time;
  };
  absl::StatusOr<std::vector<Trashed>> ListTrash() const;  // The oldest first.

 private:
  DataFolder(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

  const std::string path_;
  const int lock_;  // File descriptor.
  Watch watch_;
  absl::Mutex publish_mu_;  // Held while it is asked, until it knows of the item.
  std::atomic<uint64_t> next_name_{0};
};

}  // namespace traind::server

// Takes files of a data folder that is in use into a backup. What is seen there may be gone a moment later; what was
// taken is whole. Thread-compatible.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace traind::server {

class FileTaker {
 public:
  // `from` and `to` are folders of the same form.
  FileTaker(std::string from, std::string to) : from_(std::move(from)), to_(std::move(to)) {}

  // Every item of a collection that is not there yet.
  absl::Status TakeCollection(absl::string_view collection);
  // What a job has beside its checkpoints, if it is not there yet, and those of its checkpoints that are not, up to
  // `last_step`.
  absl::Status TakeJob(const std::string& id, std::optional<uint64_t> last_step = std::nullopt);
  // Whether the backup has a checkpoint of the job, up to that step.
  absl::StatusOr<bool> HasCheckpoint(const std::string& id, uint64_t last_step) const;
  // Removes the items that `keep` does not name, sorted.
  absl::Status Keep(absl::string_view collection, const std::vector<std::string>& keep);

  int64_t taken() const { return taken_; }  // Files.

 private:
  enum class Outcome { kWhole, kGone };
  // A folder that is renamed or removed as a whole, or, in the end, not.
  absl::StatusOr<Outcome> TakeFolder(const std::string& path);
  absl::StatusOr<Outcome> TakeTree(const std::string& path);
  absl::Status TakeUpload(const std::string& id);
  absl::Status TakeCheckpoints(const std::string& id, std::optional<uint64_t> last_step);

  const std::string from_;
  const std::string to_;
  int64_t taken_ = 0;
};

// The names in a folder, sorted; empty without it.
absl::StatusOr<std::vector<std::string>> NamesBelow(const std::string& dir);

}  // namespace traind::server

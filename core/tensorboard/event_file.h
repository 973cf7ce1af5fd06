// The event file of one job, which is gone on with where it ends: a torn tail is cut off, no event is in it twice.
// Errors name the file. Thread-compatible; one writer at a time, in whatever process.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::tensorboard {

class EventFile {
 public:
  // `folder`/<job's id>/events.out.tfevents.<seconds of create_time>.traind, made where it is missing. The folder of a
  // run that holds a file of another job of this name is left to that: <job's id>-<begin of its uid> is taken.
  // INVALID_ARGUMENT: the job has no id of a job. ABORTED: another program writes the file.
  static absl::StatusOr<EventFile> Open(const std::string& folder, const v1::Job& job);
  ~EventFile();
  EventFile(EventFile&& other) noexcept;
  EventFile& operator=(EventFile&&) = delete;

  // Events with a sequence number up to last_sequence() are passed over.
  absl::Status Append(const v1::Event& event);
  // Gives what was appended to the system. The destructor does not.
  absl::Status Flush();

  int64_t last_sequence() const { return last_sequence_; }
  const std::string& path() const { return path_; }
  // Where predictions of the same job go (see predictions.h): a file of the same folder that TensorBoard, which reads
  // files in the order of their names and goes back to none, reads before this one, which may grow.
  std::string predictions_path() const;

 private:
  EventFile(std::string path, int descriptor, std::string uid)
      : path_(std::move(path)), descriptor_(descriptor), uid_(std::move(uid)) {}

  // Reads what is there, and cuts off behind the last sound record. False: it is of another job.
  absl::StatusOr<bool> Mend();
  absl::Status Error(const char* action) const;

  std::string path_;
  int descriptor_;  // Held and locked.
  std::string uid_;
  int64_t last_sequence_ = 0;
  bool begun_ = false;  // The file has a record.
  std::string unwritten_;
};

}  // namespace traind::tensorboard

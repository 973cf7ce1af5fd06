// The events of one job, in order, each exactly once, across any number of broken connections.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "client/retry.h"
#include "client/stub.h"
#include "traind/v1/training_service.pb.h"

namespace traind::client {

class Connection;

// Next is for one thread; Cancel may come from any.
class JobWatch {
 public:
  JobWatch(std::shared_ptr<Connection> connection, const v1::WatchJobRequest& request);

  // Waits for the next event. Nothing: the event before was the terminal one. A broken connection is opened again after
  // the last event seen, of the same job and no later one of its name; only when that fails for the whole retry policy
  // is it an error. CANCELLED after Cancel. NOT_FOUND: there is no such job, or it was deleted meanwhile.
  // DATA_LOSS: the server left events out of an unfiltered stream.
  absl::StatusOr<std::optional<v1::Event>> Next();

  // Ends the watch and wakes Next.
  void Cancel();

  int64_t last_sequence() const { return last_sequence_; }

 private:
  // Learns the job's uid when the request has none.
  absl::Status Identify();
  // Waits before the next connection; the error to return when there is none.
  absl::Status WaitAfter(const absl::Status& failure);

  const std::shared_ptr<Connection> connection_;
  v1::WatchJobRequest request_;
  bool identified_ = false;  // Asked for the uid; a server of before 0.3 has none.
  Backoff backoff_;
  int64_t last_sequence_;
  absl::Time opened_;  // The stream.
  std::deque<v1::Event> received_;

  absl::Mutex mutex_;
  std::unique_ptr<ReadStream<v1::WatchJobResponse>> stream_ ABSL_GUARDED_BY(mutex_);
  absl::Notification cancelled_;
};

}  // namespace traind::client

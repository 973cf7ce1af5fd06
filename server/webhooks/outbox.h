// What is still to be told: state changes of jobs that a webhook has not taken yet. They are written by the store's own
// transaction, through a trigger that is there while there are webhooks, so that a state that is stored is told,
// however the server ends. Lies in the store's file, beside jobs and events. Thread-safe; every call may block on the
// disk.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/store/sqlite.h"
#include "traind/v1/event.pb.h"

namespace traind::server {

class Outbox {
 public:
  static constexpr int64_t kMost = 10'000;  // Deliveries that wait, of all webhooks together.

  struct Delivery {
    int64_t row = 0;
    std::string id;     // The same at each attempt.
    std::string job;    // "jobs/{id}".
    v1::Event event;    // A StateChange; none: it is damaged.
    int64_t tried = 0;  // Attempts that failed.
    absl::Time due;     // Not before.
  };

  // Of the store's file, which is there. `webhooks` are names (of 1 byte or more, none twice) by which deliveries are
  // kept over restarts; what waited for others is forgotten, and counted in `forgotten`. Without webhooks nothing of
  // them stays in the file, and the result is null.
  static absl::StatusOr<std::unique_ptr<Outbox>> Open(const std::string& path, const std::vector<std::string>& webhooks,
                                                      int64_t* forgotten);

  // The delivery of a webhook that is due first, whether already or not.
  absl::StatusOr<std::optional<Delivery>> First(const std::string& webhook);
  absl::Status Postpone(const Delivery& delivery, absl::Time due);  // It failed once more.
  absl::Status Remove(const Delivery& delivery);
  // State changes that a webhook is not told of, because they found the outbox full, since this was asked last.
  absl::StatusOr<int64_t> TakeLost(const std::string& webhook);
  // Deliveries that wait for a webhook; "": for all.
  absl::StatusOr<int64_t> Count(const std::string& webhook = "");

 private:
  explicit Outbox(Connection connection) : connection_(std::move(connection)) {}

  absl::Mutex mu_;
  const Connection connection_;
};

}  // namespace traind::server

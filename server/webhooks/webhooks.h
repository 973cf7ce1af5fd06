// Tells others of the states of jobs: a POST of JSON for each change, signed, and repeated until it is taken. A thread
// for each webhook, so that a slow one keeps no other waiting. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/base/ending.h"
#include "server/telemetry/metrics.h"
#include "server/webhooks/outbox.h"
#include "server/webhooks/post.h"
#include "server/webhooks/target.h"

namespace traind::server {

class Webhooks {
 public:
  static constexpr size_t kMost = 8;

  struct Options {
    std::vector<std::string> urls;
    std::string secret_file;
    PostOptions post;
    // The pause after so many failures in a row, the last one for all that follow; when they are used up the delivery
    // is given up.
    std::vector<absl::Duration> pauses = {absl::Seconds(1),  absl::Seconds(5),  absl::Seconds(30), absl::Minutes(2),
                                          absl::Minutes(10), absl::Minutes(30), absl::Hours(1),    absl::Hours(2),
                                          absl::Hours(4),    absl::Hours(8)};
    absl::Duration look = absl::Milliseconds(500);  // How often it is looked for something new.
  };

  // Of the store's file, before the first job can change. Null without URLs. What waited for a webhook that is gone is
  // forgotten, with a line in the log. `metrics` outlives this. INVALID_ARGUMENT: a URL or the secret.
  static absl::StatusOr<std::unique_ptr<Webhooks>> Open(const Options& options, const std::string& database,
                                                        Metrics* metrics);
  ~Webhooks() { Stop(); }

  void Start();
  // Ends requests under way, whose deliveries wait for the next start.
  void Stop();
  int64_t waiting() const { return outbox_->Count().value_or(0); }

 private:
  Webhooks(Options options, std::vector<WebhookTarget> targets, std::string key, std::unique_ptr<Outbox> outbox,
           Metrics* metrics);

  void Loop(const WebhookTarget& target);
  // One attempt. Errors of the outbox.
  absl::Status Deliver(const WebhookTarget& target, const Outbox::Delivery& delivery);
  absl::Status Fail(const WebhookTarget& target, const Outbox::Delivery& delivery, const absl::Status& why);

  const Options options_;
  const std::vector<WebhookTarget> targets_;
  const std::string key_;
  const std::unique_ptr<Outbox> outbox_;
  Metrics* const metrics_;
  core::Ending stop_;
  std::vector<std::thread> threads_;
};

// The body: {"type": "job.state", "timestamp": ..., "data": {"job", "state", "reason", "step", "sequence", "attempt"}}.
std::string WebhookBody(const std::string& job, const v1::Event& event);

}  // namespace traind::server

#include "server/webhooks/webhooks.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/enum_name.h"
#include "google/protobuf/util/time_util.h"
#include "nlohmann/json.hpp"
#include "server/telemetry/log_scope.h"
#include "server/webhooks/client_tls.h"
#include "server/webhooks/signature.h"
#include "spdlog/spdlog.h"
#include "traind/version.h"

namespace traind::server {

std::string WebhookBody(const std::string& job, const v1::Event& event) {
  const nlohmann::ordered_json body = {{"type", "job.state"},
                                       {"timestamp", google::protobuf::util::TimeUtil::ToString(event.time())},
                                       {"data",
                                        {{"job", job},
                                         {"state", core::EnumName(event.state().state())},
                                         {"reason", event.state().reason()},
                                         {"step", event.step()},
                                         {"sequence", event.sequence()},
                                         {"attempt", event.state().attempt()}}}};
  return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

absl::StatusOr<std::unique_ptr<Webhooks>> Webhooks::Open(const Options& options, const std::string& database,
                                                         Metrics* metrics) {
  std::vector<WebhookTarget> targets;
  std::set<std::string> names;
  for (const std::string& url : options.urls) {
    auto target = ParseWebhookUrl(url, options.post.allow_private);
    if (!target.ok()) return target.status();
    if (!names.insert(url).second) return absl::InvalidArgumentError("--webhook " + target->shown + " is given twice");
    targets.push_back(*std::move(target));
  }
  if (targets.size() > kMost) return absl::InvalidArgumentError(absl::StrCat("--webhook: at most ", kMost));
  std::string key;
  if (!targets.empty()) {
    if (options.secret_file.empty()) {
      return absl::InvalidArgumentError(
          "--webhook wants --webhook-secret FILE: by the signature its receiver knows who sends. The file holds the "
          "output of `echo whsec_$(openssl rand -base64 32)`");
    }
    auto secret = ReadWebhookSecret(options.secret_file);
    if (!secret.ok()) return secret.status();
    key = *std::move(secret);
  }
  const bool tls = std::any_of(targets.begin(), targets.end(), [](const WebhookTarget& target) { return target.tls; });
  if (tls) {
    if (absl::Status status = CheckAuthorities(options.post.ca_file); !status.ok()) return status;
  }
  int64_t forgotten = 0;
  auto outbox = Outbox::Open(database, options.urls, &forgotten);
  if (!outbox.ok()) return outbox.status();
  if (forgotten > 0) {
    spdlog::warn("{} state changes that waited for webhooks which are no longer given are told to nobody", forgotten);
  }
  if (targets.empty()) return nullptr;
  for (const WebhookTarget& target : targets) spdlog::info("states of jobs are told to {}", target.shown);
  return std::unique_ptr<Webhooks>(
      new Webhooks(options, std::move(targets), std::move(key), *std::move(outbox), metrics));
}

Webhooks::Webhooks(Options options, std::vector<WebhookTarget> targets, std::string key, std::unique_ptr<Outbox> outbox,
                   Metrics* metrics)
    : options_(std::move(options)),
      targets_(std::move(targets)),
      key_(std::move(key)),
      outbox_(std::move(outbox)),
      metrics_(metrics) {}

void Webhooks::Start() {
  for (const WebhookTarget& target : targets_) {
    threads_.emplace_back([this, &target] { Loop(target); });
  }
}

void Webhooks::Stop() {
  stop_.End();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Webhooks::Loop(const WebhookTarget& target) {
  while (!stop_.ended()) {
    if (const auto lost = outbox_->TakeLost(target.url); lost.ok() && *lost > 0) {
      metrics_->webhooks_lost.Add(static_cast<double>(*lost));
      spdlog::error("{} is not told of {} state changes: of the {} that may wait for all webhooks {} wait for this one",
                    target.shown, *lost, Outbox::kMost, outbox_->Count(target.url).value_or(0));
    }
    const auto delivery = outbox_->First(target.url);
    absl::Status status = delivery.status();
    if (status.ok() && delivery->has_value() && (*delivery)->due <= absl::Now()) {
      status = Deliver(target, **delivery);
      if (status.ok()) continue;
    }
    if (!status.ok()) spdlog::error("webhooks wait for the store: {}", status.ToString());
    stop_.WaitFor(options_.look);
  }
}

absl::Status Webhooks::Deliver(const WebhookTarget& target, const Outbox::Delivery& delivery) {
  const LogScope scope({.resource = delivery.job});
  if (!delivery.event.has_state()) {
    metrics_->webhooks_lost.Add();
    spdlog::error("a state change of {} is damaged in the store, and told to nobody", delivery.job);
    return outbox_->Remove(delivery);
  }
  const std::string body = WebhookBody(delivery.job, delivery.event);
  const int64_t now = absl::ToUnixSeconds(absl::Now());
  const absl::Status posted = Post(target,
                                   {{"content-type", "application/json"},
                                    {"user-agent", absl::StrCat("traind/", kVersion)},
                                    {"webhook-id", delivery.id},
                                    {"webhook-timestamp", absl::StrCat(now)},
                                    {"webhook-signature", SignWebhook(key_, delivery.id, now, body)}},
                                   body, options_.post, stop_);
  if (posted.ok()) {
    metrics_->webhooks_delivered.Add();
    return outbox_->Remove(delivery);
  }
  if (stop_.ended()) return absl::OkStatus();  // It waits, and no attempt was lost.
  return Fail(target, delivery, posted);
}

absl::Status Webhooks::Fail(const WebhookTarget& target, const Outbox::Delivery& delivery, const absl::Status& why) {
  metrics_->webhook_failures.Add();
  const std::string message(why.message());
  if (delivery.tried >= static_cast<int64_t>(options_.pauses.size())) {
    metrics_->webhooks_lost.Add();
    spdlog::error("{} is not told of a state of {}, after {} attempts: {}", target.shown, delivery.job,
                  delivery.tried + 1, message);
    return outbox_->Remove(delivery);
  }
  const absl::Duration pause = options_.pauses[static_cast<size_t>(delivery.tried)];
  spdlog::warn("{} could not be told of a state of {}, and is again in {}: {}", target.shown, delivery.job,
               absl::FormatDuration(pause), message);
  return outbox_->Postpone(delivery, absl::Now() + pause);
}

}  // namespace traind::server

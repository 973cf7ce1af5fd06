#include "server/telemetry/metrics.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_split.h"
#include "server/telemetry/samples.h"
#include "traind/v1/event.pb.h"

namespace traind::server {
namespace {

// From what a look into memory takes to what a person waits for.
constexpr double kCallSeconds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
// From a fast SSD's fsync to a disk that hangs.
constexpr double kDiskSeconds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                   0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
// From an idle server's to a week.
constexpr double kQueueSeconds[] = {0.1, 1, 10, 60, 300, 900, 3600, 14400, 43200, 86400, 604800};

constexpr const char* kEventKinds[] = {"",    "state",         "train", "evaluation", "statistics", "checkpoint",
                                       "log", "preprocessing", "data",  "finding",    "test"};
static_assert(std::size(kEventKinds) == v1::EventKind_ARRAYSIZE);
static_assert(std::tuple_size_v<decltype(Metrics::events)> == v1::EventKind_ARRAYSIZE);

// By the numbers of v1::StorageKind.
constexpr std::pair<size_t, const char*> kRetained[] = {{1, "jobs"},    {2, "events"}, {3, "checkpoints"},
                                                        {5, "uploads"}, {6, "models"}, {8, "trash"}};

double Value(const std::atomic<int64_t>& number) { return static_cast<double>(number.load(std::memory_order_relaxed)); }

}  // namespace

MethodMetrics::MethodMetrics() {
  for (size_t code = 0; code < kCodes; ++code) durations_.emplace_back(kCallSeconds);
}

void MethodMetrics::Answered(int code, absl::Duration duration) {
  const bool known = code >= 0 && static_cast<size_t>(code) < kCodes;
  durations_[static_cast<size_t>(known ? code : static_cast<int>(absl::StatusCode::kUnknown))].Observe(duration);
}

Metrics::Metrics()
    : store_transaction_seconds(kDiskSeconds), store_commit_seconds(kDiskSeconds), job_queue_seconds(kQueueSeconds) {}

Metrics::~Metrics() = default;

Metrics* Metrics::Unread() {
  static auto* const metrics = new Metrics;
  return metrics;
}

MethodMetrics* Metrics::OfMethod(absl::string_view name) {
  {
    absl::ReaderMutexLock lock(&methods_mu_);
    const auto found = methods_.find(name);
    if (found != methods_.end()) return found->second.get();
  }
  absl::MutexLock lock(&methods_mu_);
  std::unique_ptr<MethodMetrics>& made = methods_[std::string(name)];
  if (made == nullptr) made = std::make_unique<MethodMetrics>();
  return made.get();
}

void Metrics::AddSource(std::function<void(Samples&)> source) {
  absl::MutexLock lock(&sources_mu_);
  sources_.push_back(std::move(source));
}

void Metrics::RemoveSources() {
  absl::MutexLock lock(&sources_mu_);
  sources_.clear();
}

std::string Metrics::Text() const {
  Samples samples;
  AddProcessSamples(samples);
  AddStore(samples);
  AddWork(samples);
  AddCalls(samples);
  {
    absl::MutexLock lock(&sources_mu_);
    for (const auto& source : sources_) source(samples);
  }
  return samples.Text();
}

void Metrics::AddStore(Samples& samples) const {
  samples.Add({"traind_store_transaction_seconds", "Time of a group of changes of the store, fsync included"},
              store_transaction_seconds);
  samples.Add({"traind_store_commit_seconds", "Time of a commit alone: the write of the log and its fsync"},
              store_commit_seconds);
  samples.Counter({"traind_store_changes_total", "Changes that were stored or refused"}, store_changes.value());
  samples.Counter({"traind_store_failures_total", "Changes that the disk refused: it is full, or it failed"},
                  store_failures.value());
}

void Metrics::AddWork(Samples& samples) const {
  for (size_t kind = 1; kind < events.size(); ++kind) {
    samples.Counter({"traind_events_total", "Events of jobs that were stored"}, events[kind].value(),
                    {{"kind", kEventKinds[kind]}});
  }
  for (const auto& [kind, name] : kRetained) {
    samples.Counter({"traind_retention_removals_total", "What rules of retention have removed"},
                    retention_removals[kind].value(), {{"kind", name}});
    samples.Counter({"traind_retention_removed_bytes_total", "The bytes of that, as far as they were counted"},
                    retention_bytes[kind].value(), {{"kind", name}});
  }
  samples.Gauge({"traind_watchers", "Streams of WatchJob"}, Value(watchers));
  samples.Add({"traind_job_queue_seconds", "Time that jobs waited before they ran"}, job_queue_seconds);
  samples.Counter({"traind_training_steps_total", "Steps of training, of all jobs"}, training_steps.value());
  samples.Counter({"traind_training_step_seconds_total", "Time of these steps; by their number: time of a step"},
                  training_step_seconds.value());
  samples.Counter({"traind_training_data_wait_seconds_total", "The part of it spent waiting for minibatches"},
                  training_data_wait_seconds.value());
  samples.Counter({"traind_training_examples_total", "Examples that were trained on"}, training_examples.value());
  samples.Counter({"traind_worker_starts_total", "Workers that were started for jobs"}, worker_starts.value());
  samples.Counter({"traind_worker_restarts_total", "Those of them that are to go on after a crash or a hang"},
                  worker_restarts.value());
  samples.Counter({"traind_webhooks_delivered_total", "State changes that webhooks have taken"},
                  webhooks_delivered.value());
  samples.Counter({"traind_webhook_failures_total", "Attempts to tell a webhook of one that failed"},
                  webhook_failures.value());
  samples.Counter(
      {"traind_webhooks_lost_total", "State changes that webhooks are not told: too many, or too often tried"},
      webhooks_lost.value());
  samples.Counter({"traind_audit_failures_total", "Lines that could not be written to the audit log"},
                  audit_failures.value());
}

void Metrics::AddCalls(Samples& samples) const {
  absl::ReaderMutexLock lock(&methods_mu_);
  for (const auto& [name, method] : methods_) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(name, absl::MaxSplits('/', 1));
    const Samples::Labels labels = {{"service", parts.first}, {"method", parts.second}};
    samples.Gauge({"traind_rpcs_in_flight", "Calls under way"}, Value(method->in_flight_), labels);
    for (size_t code = 0; code < MethodMetrics::kCodes; ++code) {
      const Histogram& durations = method->durations_[code];
      const std::vector<uint64_t> counts = durations.Read().counts;
      if (std::all_of(counts.begin(), counts.end(), [](uint64_t count) { return count == 0; })) continue;
      Samples::Labels of_code = labels;
      of_code.emplace_back("code", absl::StatusCodeToString(static_cast<absl::StatusCode>(code)));
      samples.Add({"traind_rpc_seconds", "Time of calls from their arrival to their status; of streams, their length"},
                  durations, of_code);
    }
  }
}

}  // namespace traind::server

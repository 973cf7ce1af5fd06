#include "server/services/watch_call.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "core/base/errors.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "server/resources/job_state.h"
#include "server/resources/names.h"
#include "server/resources/quota.h"
#include "server/rpc/seldom.h"
#include "server/rpc/stream_call.h"
#include "server/services/report_layers.h"
#include "server/services/watch_request.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

// Of one response, unless a single event is larger. A watcher that does not read holds the bytes of one, but not the
// message, which takes some times as much.
constexpr int64_t kBatchBytes = 24 << 10;
// Until then somebody may have left.
constexpr absl::Duration kRetryWatch = absl::Seconds(5);

class WatchCall final : public StreamCall<grpc::ByteBuffer> {
 public:
  WatchCall(const Entrance& entrance, JobStore& store, EventLog& log, Places& places, grpc::CallbackServerContext& call,
            const grpc::ByteBuffer& request)
      : StreamCall(entrance, call), store_(store), log_(log), places_(places) {
    read_.max_bytes = kBatchBytes;
    grpc::ByteBuffer bytes = request;
    readable_ = grpc::SerializationTraits<v1::WatchJobRequest>::Deserialize(&bytes, &request_).ok();
    layers_.insert(request_.layers().begin(), request_.layers().end());
    context().cancellation().OnCancel([this] { Wake(); });
    Resume();
  }
  ~WatchCall() override {
    if (subscription_.has_value()) log_.Unsubscribe(key_, *subscription_);
  }

 protected:
  const google::protobuf::Message& request() const override { return request_; }
  // The next batch, or a wait for a wake-up.
  absl::StatusOr<Next> Advance(grpc::ByteBuffer& written) override {
    if (!subscription_.has_value()) {
      if (absl::Status status = Begin(); !status.ok()) return status;
    }
    written.Clear();
    while (!ended_) {
      ForgetWakeUps();
      if (absl::Status status = context().Check(); !status.ok()) return status;
      if (log_.closed()) return absl::UnavailableError("the server is shutting down; watch again later");
      auto batch = log_.Read(key_, read_);
      if (absl::IsNotFound(batch.status())) return Deleted();
      if (!batch.ok()) return batch.status();
      const bool more = batch->last_scanned > read_.after_sequence;
      read_.after_sequence = batch->last_scanned;
      if (!batch->events.empty()) {
        std::string bytes;
        for (const auto& event : batch->events) {
          layers_.empty() || !event->has_statistics() ? Append(*event, bytes) : Append(WithLayers(*event), bytes);
        }
        const grpc::Slice slice(bytes);
        written = grpc::ByteBuffer(&slice, 1);
        const v1::Event& last = *batch->events.back();
        if (last.has_state() && IsTerminal(last.state().state())) {
          if (absl::Status status = LookForEnd(); !status.ok()) return status;
        }
        return Next::kWrite;
      }
      if (more) continue;  // All of them were of other kinds.
      if (request_.until_now()) return Next::kEnd;
      absl::MutexLock lock(&mu_);
      if (woken_) continue;
      waiting_ = true;
      return Next::kWait;
    }
    return Next::kEnd;
  }

 private:
  // Checks the request and subscribes to the job.
  absl::Status Begin() {
    if (!readable_) return absl::InvalidArgumentError("the request is no WatchJobRequest");
    core::FieldErrors::Root errors;
    CheckWatchRequest(request_, errors.scope());
    if (!errors.ok()) return errors.ToStatus();
    if (!request_.kinds().empty()) read_.kinds = 1u << v1::EVENT_KIND_STATE;
    for (const int kind : request_.kinds()) read_.kinds |= 1u << kind;
    if (place_ = places_.Take(); place_ == nullptr) return TooMany();
    auto id = ParseName("jobs", request_.name(), "name");
    if (!id.ok()) return id.status();
    id_ = *std::move(id);
    auto job = store_.GetJob(id_);
    if (!job.ok()) return job.status();
    if (!request_.uid().empty() && request_.uid() != job->job.uid()) return Deleted();
    // Subscribe first, then look how far the log is: what comes in between wakes the stream.
    key_ = job->key;
    subscription_ = log_.Subscribe(key_, [this] { Wake(); });
    job = FindJob();
    if (!job.ok()) return job.status();
    CheckLayersOf(request_.name(), request_.layers(), job->job.resolved_spec().network(), errors.scope());
    if (!errors.ok()) return errors.ToStatus();
    read_.after_sequence = request_.after_sequence();
    if (read_.after_sequence > job->job.last_sequence()) {
      return absl::OutOfRangeError(absl::StrCat("after_sequence is ", read_.after_sequence, ", the newest event of ",
                                                request_.name(), " is ", job->job.last_sequence()));
    }
    ended_ = IsEnd(job->job);
    return absl::OkStatus();
  }

  absl::Status TooMany() const {
    const std::string full = absl::StrCat(places_.most(), " watchers are there, as many as the server serves");
    static Seldom refused;
    if (const int64_t count = refused.Count(); count > 0) {
      spdlog::warn("{} (--max-watchers); refused: {}, the last one from {}", full, count, context().peer());
    }
    return QuotaError("server",
                      full +
                          ": end a watch that nobody looks at, ask with GetJob now and then instead, or have "
                          "an administrator allow more (traind --max-watchers)",
                      kRetryWatch);
  }

  // NOT_FOUND when it was deleted, also when there is a later one of its name.
  absl::StatusOr<StoredJob> FindJob() {
    auto job = store_.GetJob(id_);
    if (job.ok() && job->key != key_) return Deleted();
    return job;
  }

  absl::Status Deleted() const { return NotFoundError("Job", request_.name(), "it was deleted"); }

  // A terminal event is the end only as long as nobody has made the job live again after it.
  absl::Status LookForEnd() {
    const auto job = FindJob();
    ended_ = job.ok() && IsEnd(job->job);
    return absl::IsNotFound(job.status()) ? absl::OkStatus() : job.status();  // The next read says it, too.
  }

  bool IsEnd(const v1::Job& job) const {
    return IsTerminal(job.state()) && read_.after_sequence == job.last_sequence();
  }

  // Adds the event to the bytes of a WatchJobResponse: as a message of its own it would be copied for each watcher.
  static void Append(const v1::Event& event, std::string& bytes) {
    constexpr uint32_t kLengthDelimited = 2;
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.WriteTag(uint32_t{v1::WatchJobResponse::kEventsFieldNumber} << 3 | kLengthDelimited);
    coded.WriteVarint32(static_cast<uint32_t>(event.ByteSizeLong()));
    event.SerializeToCodedStream(&coded);
  }

  // The event of a report with the layers alone that were asked for.
  v1::Event WithLayers(const v1::Event& event) const {
    v1::Event kept;
    kept.set_sequence(event.sequence());
    *kept.mutable_time() = event.time();
    kept.set_step(event.step());
    kept.set_epoch(event.epoch());
    if (event.has_timing()) *kept.mutable_timing() = event.timing();
    *kept.mutable_statistics() = OfLayers(event.statistics(), layers_);
    return kept;
  }

  void Wake() {
    absl::MutexLock lock(&mu_);
    woken_ = true;
    if (!waiting_) return;
    waiting_ = false;
    Resume();
  }

  void ForgetWakeUps() {
    absl::MutexLock lock(&mu_);
    woken_ = false;
  }

  JobStore& store_;
  EventLog& log_;
  Places& places_;
  v1::WatchJobRequest request_;  // Does not change after the constructor.
  bool readable_ = false;
  absl::flat_hash_set<std::string> layers_;

  // Of Advance alone.
  std::unique_ptr<Places::Place> place_;
  std::string id_;
  JobKey key_ = 0;
  std::optional<int64_t> subscription_;
  JobStore::ReadOptions read_;
  bool ended_ = false;  // The job is terminal, and its newest event was sent.

  absl::Mutex mu_;
  bool waiting_ ABSL_GUARDED_BY(mu_) = false;  // The next wake-up resumes the call.
  bool woken_ ABSL_GUARDED_BY(mu_) = false;    // Since Advance last read.
};

}  // namespace

grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchJob(const Entrance& entrance, JobStore& store, EventLog& log,
                                                     Places& places, grpc::CallbackServerContext* context,
                                                     const grpc::ByteBuffer& request) {
  return new WatchCall(entrance, store, log, places, *context, request);
}

}  // namespace traind::server

#include "client/job_watch.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/connection.h"

namespace traind::client {

JobWatch::JobWatch(std::shared_ptr<Connection> connection, const v1::WatchJobRequest& request)
    : connection_(std::move(connection)),
      request_(request),
      backoff_(connection_->options().stream_retry, connection_->NextSeed()),
      last_sequence_(request.after_sequence()) {}

absl::StatusOr<std::optional<v1::Event>> JobWatch::Next() {
  const bool filtered = request_.kinds_size() > 0 || request_.layers_size() > 0;
  while (true) {
    while (!received_.empty()) {
      v1::Event event = std::move(received_.front());
      received_.pop_front();
      if (event.sequence() <= last_sequence_) continue;
      if (!filtered && event.sequence() != last_sequence_ + 1) {
        return absl::DataLossError(absl::StrCat("event ", last_sequence_ + 1, " of ", request_.name(),
                                                " is missing; the server went on with event ", event.sequence()));
      }
      last_sequence_ = event.sequence();
      backoff_.Reset();
      return event;
    }
    ReadStream<v1::WatchJobResponse>* stream;
    {
      absl::MutexLock lock(&mutex_);
      if (cancelled_.HasBeenNotified()) return absl::CancelledError("the watch was cancelled");
      if (stream_ == nullptr) {
        request_.set_after_sequence(last_sequence_);
        stream_ = connection_->stub().WatchJob(request_);
      }
      stream = stream_.get();
    }
    v1::WatchJobResponse response;
    if (stream->Read(&response)) {
      for (v1::Event& event : *response.mutable_events()) received_.push_back(std::move(event));
      continue;
    }
    const absl::Status status = stream->Finish();
    {
      absl::MutexLock lock(&mutex_);
      stream_.reset();
    }
    if (status.ok()) return std::nullopt;
    if (absl::Status failure = WaitAfter(status); !failure.ok()) return failure;
  }
}

absl::Status JobWatch::WaitAfter(const absl::Status& failure) {
  if (cancelled_.HasBeenNotified()) return absl::CancelledError("the watch was cancelled");
  if (!IsBroken(failure)) return failure;
  const std::optional<absl::Duration> delay = backoff_.Next();
  if (!delay) return failure;
  const ClientOptions& options = connection_->options();
  if (options.on_retry) options.on_retry(failure, *delay);
  options.clock->Sleep(*delay, &cancelled_);
  return absl::OkStatus();
}

void JobWatch::Cancel() {
  absl::MutexLock lock(&mutex_);
  if (cancelled_.HasBeenNotified()) return;
  cancelled_.Notify();
  if (stream_ != nullptr) stream_->Cancel();
}

}  // namespace traind::client

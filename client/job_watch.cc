#include "client/job_watch.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/connection.h"
#include "client/errors.h"

namespace traind::client {
namespace {

// A stream that lasted so long was one, though no event came: connections end now and then, by their age or in a proxy.
constexpr absl::Duration kSteady = absl::Minutes(1);

}  // namespace

JobWatch::JobWatch(std::shared_ptr<Connection> connection, const v1::WatchJobRequest& request)
    : connection_(std::move(connection)),
      request_(request),
      backoff_(connection_->options().stream_retry, connection_->NextSeed()),
      last_sequence_(request.after_sequence()) {}

absl::StatusOr<std::optional<v1::Event>> JobWatch::Next() {
  const bool filtered = request_.kinds_size() > 0 || request_.layers_size() > 0;
  while (true) {
    if (absl::Status status = Identify(); !status.ok()) return status;
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
        opened_ = connection_->options().clock->Now();
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
    if (connection_->options().clock->Now() - opened_ >= kSteady) backoff_.Reset();
    if (absl::Status failure = WaitAfter(status); !failure.ok()) return failure;
  }
}

absl::Status JobWatch::Identify() {
  while (request_.uid().empty() && !identified_) {
    v1::GetJobRequest get;
    get.set_name(request_.name());
    get.set_view(v1::JOB_VIEW_BASIC);
    const absl::StatusOr<v1::Job> job = connection_->Once(&Stub::GetJob, get, connection_->options().call_timeout);
    if (job.ok()) {
      request_.set_uid(job->uid());
      identified_ = true;
    } else if (absl::Status failure = WaitAfter(job.status()); !failure.ok()) {
      return failure;
    }
  }
  return absl::OkStatus();
}

absl::Status JobWatch::WaitAfter(const absl::Status& failure) {
  if (cancelled_.HasBeenNotified()) return absl::CancelledError("the watch was cancelled");
  if (absl::IsNotFound(failure) && !request_.uid().empty()) {
    return MakeStatus(static_cast<int>(failure.code()), absl::StrCat(request_.name(), " was deleted"), "");
  }
  return connection_->WaitAfter(failure, backoff_, &cancelled_);
}

void JobWatch::Cancel() {
  absl::MutexLock lock(&mutex_);
  if (cancelled_.HasBeenNotified()) return;
  cancelled_.Notify();
  if (stream_ != nullptr) stream_->Cancel();
}

}  // namespace traind::client

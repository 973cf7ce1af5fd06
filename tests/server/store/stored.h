// Jobs and events for tests of stores, their way into one, and what it holds.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/store/job_store.h"

namespace traind::server {

inline v1::Job MakeJob(const std::string& id) {
  v1::Job job;
  job.set_name("jobs/" + id);
  job.set_uid("uid of " + id);
  job.set_state(v1::JOB_STATE_QUEUED);
  job.mutable_spec()->set_display_name("the job " + id);
  return job;
}

inline StoredRequest MakeRequest(const std::string& request_id, const std::string& resource) {
  return {.request_id = request_id,
          .method = "CreateJob",
          .resource = resource,
          .uid = "uid of " + resource,
          .fingerprint = "0123456789abcdef",
          .create_time = absl::FromUnixSeconds(1'000'000)};
}

inline v1::Event Train(int64_t sequence, uint64_t step, double loss = 0.5) {
  v1::Event event;
  event.set_sequence(sequence);
  event.set_step(step);
  event.mutable_train()->set_loss(loss);
  return event;
}

inline v1::Event Log(int64_t sequence, const std::string& text) {
  v1::Event event;
  event.set_sequence(sequence);
  event.mutable_log()->set_text(text);
  return event;
}

inline JobKey Create(JobStore& store, const v1::Job& job, const std::vector<v1::Event>& events = {},
                     const StoredRequest* request = nullptr) {
  auto key = store.CreateJob(job, events, request);
  EXPECT_TRUE(key.ok()) << key.status();
  return key.value_or(0);
}

// The numbers of the events that one batch brings.
inline std::vector<int64_t> SequencesOf(JobStore& store, JobKey key, const JobStore::ReadOptions& options) {
  auto batch = store.ReadEvents(key, options);
  EXPECT_TRUE(batch.ok()) << batch.status();
  std::vector<int64_t> sequences;
  for (const auto& event : batch->events) sequences.push_back(event->sequence());
  return sequences;
}

}  // namespace traind::server

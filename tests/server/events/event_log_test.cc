#include "server/events/event_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/memory_job_store.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class EventLogTest : public ::testing::Test {
 protected:
  EventLogTest() {
    v1::Job job;
    job.set_name("jobs/a");
    key_ = *store_.CreateJob(job, {});
  }
  static v1::Event State(int64_t sequence, v1::JobState state) {
    v1::Event event;
    event.set_sequence(sequence);
    event.mutable_state()->set_state(state);
    return event;
  }
  static v1::Event Log(int64_t sequence, size_t size) {
    v1::Event event;
    event.set_sequence(sequence);
    event.mutable_log()->set_text(std::string(size, 'x'));
    return event;
  }
  void Store(const std::vector<v1::Event>& events) {
    v1::Job job;
    job.set_last_sequence(events.back().sequence());
    ASSERT_TRUE(store_.AppendEvents(key_, job, events).ok());
  }
  std::vector<int64_t> Read(int64_t after, uint32_t kinds = ~0u) {
    auto batch = log_.Read(key_, {.after_sequence = after, .kinds = kinds});
    EXPECT_TRUE(batch.ok()) << batch.status();
    std::vector<int64_t> sequences;
    for (const auto& event : batch->events) sequences.push_back(event->sequence());
    return sequences;
  }

  MemoryJobStore store_;
  Metrics metrics_;
  EventLog log_{&store_, /*cache_bytes=*/4000, &metrics_};
  JobKey key_ = 0;
};

TEST_F(EventLogTest, ServesTheNewestFromMemoryAndTheRestFromTheStore) {
  Store({State(1, v1::JOB_STATE_QUEUED), Log(2, 1000), Log(3, 1000)});
  // Published, but not in the store: whatever comes back comes from memory.
  log_.Publish(key_, {Log(4, 1000), Log(5, 1000), Log(6, 1000), Log(7, 1000)});
  EXPECT_THAT(Read(0), ElementsAre(1, 2, 3));
  EXPECT_THAT(Read(4), ElementsAre(5, 6, 7)) << "4 went when 7 came";
  EXPECT_THAT(Read(7), IsEmpty());
}

TEST_F(EventLogTest, CountsEventsAndWatchers) {
  log_.Publish(key_, {State(1, v1::JOB_STATE_QUEUED), Log(2, 10), State(3, v1::JOB_STATE_RUNNING)});
  EXPECT_EQ(metrics_.events[v1::EVENT_KIND_STATE].value(), 2);
  EXPECT_EQ(metrics_.events[v1::EVENT_KIND_LOG].value(), 1);
  const int64_t first = log_.Subscribe(key_, [] {});
  log_.Subscribe(key_, [] {});
  EXPECT_EQ(metrics_.watchers, 2);
  log_.Unsubscribe(key_, first);
  log_.Unsubscribe(key_, first);
  EXPECT_EQ(metrics_.watchers, 1);
}

TEST_F(EventLogTest, FiltersKindsInMemory) {
  log_.Publish(key_, {State(1, v1::JOB_STATE_QUEUED), Log(2, 10), State(3, v1::JOB_STATE_RUNNING)});
  EXPECT_THAT(Read(0, 1u << v1::EVENT_KIND_STATE), ElementsAre(1, 3));
}

TEST_F(EventLogTest, BoundsABatch) {
  log_.Publish(key_, {Log(1, 1000), Log(2, 1000), Log(3, 1000)});
  auto batch = log_.Read(key_, {.max_bytes = 2100});
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(batch->events.size(), 2u);
  EXPECT_EQ(batch->last_scanned, 2);
}

TEST_F(EventLogTest, WakesThoseWhoWatchTheJob) {
  int woken = 0;
  const int64_t subscription = log_.Subscribe(key_, [&] { ++woken; });
  const int64_t other = log_.Subscribe(key_ + 1, [&] { woken += 100; });
  log_.Publish(key_, {State(1, v1::JOB_STATE_QUEUED)});
  EXPECT_EQ(woken, 1);
  log_.Unsubscribe(key_, subscription);
  log_.Publish(key_, {State(2, v1::JOB_STATE_RUNNING)});
  EXPECT_EQ(woken, 1);
  log_.Unsubscribe(key_ + 1, other);
}

TEST_F(EventLogTest, FreesItsMemoryAfterTheTerminalEvent) {
  Store({State(1, v1::JOB_STATE_QUEUED), State(2, v1::JOB_STATE_CANCELLED)});
  log_.Publish(key_, {State(1, v1::JOB_STATE_QUEUED), Log(2, 10)});
  log_.Publish(key_, {State(3, v1::JOB_STATE_CANCELLED)});
  EXPECT_THAT(Read(0), ElementsAre(1, 2)) << "what the store has, not what was published";
}

TEST_F(EventLogTest, TellsWatchersOfADeletedJob) {
  int woken = 0;
  const int64_t subscription = log_.Subscribe(key_, [&] { ++woken; });
  log_.Remove(key_);
  EXPECT_EQ(woken, 1);
  EXPECT_TRUE(absl::IsNotFound(log_.Read(key_, {}).status()));
  log_.Unsubscribe(key_, subscription);
}

TEST_F(EventLogTest, CloseWakesEverybody) {
  int woken = 0;
  const int64_t subscription = log_.Subscribe(key_, [&] { ++woken; });
  EXPECT_FALSE(log_.closed());
  log_.Close();
  EXPECT_TRUE(log_.closed());
  EXPECT_EQ(woken, 1);
  log_.Unsubscribe(key_, subscription);
}

}  // namespace
}  // namespace traind::server

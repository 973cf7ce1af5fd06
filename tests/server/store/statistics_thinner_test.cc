// The rule of docs/architecture.md over a file, beside a straightforward form of it.
#include "server/store/statistics_thinner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/store/event_codec.h"
#include "server/store/sqlite_job_store.h"
#include "server/store/sqlite_schema.h"
#include "tests/server/store/stored.h"
#include "tests/support/temporary_folder.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr JobKey kJob = 1;

v1::Event Checkpoint(uint64_t step) {
  v1::Event event;
  event.set_step(step);
  event.mutable_checkpoint()->set_name("jobs/a/checkpoints/1");
  return event;
}

// Two layers and a tensor.
v1::Event Report(uint64_t step, float mean, float std, int64_t dead, float gradient) {
  v1::Event event;
  event.set_step(step);
  event.mutable_time()->set_seconds(static_cast<int64_t>(step));
  for (const char* name : {"first", "second"}) {
    v1::LayerStatistics& layer = *event.mutable_statistics()->add_layers();
    layer.set_layer(name);
    layer.set_mean(name[0] == 'f' ? mean : 1);
    layer.set_std(std);
    layer.set_dead_units(dead);
  }
  v1::ParameterStatistics& tensor = *event.mutable_statistics()->add_parameters();
  tensor.set_name("first.weight");
  tensor.set_gradient_norm(gradient);
  return event;
}

class StatisticsThinnerTest : public ::testing::Test {
 protected:
  StatisticsThinnerTest() {
    auto connection = OpenConnection(folder_.path() + "/traind.db", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    EXPECT_TRUE(connection.ok()) << connection.status();
    connection_ = *std::move(connection);
    EXPECT_TRUE(PrepareFile(connection_.get(), 0).ok());
    Restart();
  }

  // A thinner that knows nothing yet.
  void Restart() {
    thinner_ = std::make_unique<StatisticsThinner>();
    ASSERT_TRUE(thinner_->Prepare(connection_.get()).ok());
  }

  void Store(v1::Event event) {
    event.set_sequence(++sequence_);
    auto insert = Statement::Prepare(
        connection_.get(), "INSERT INTO events (job, sequence, kind, step, payload) VALUES (1, ?1, ?2, ?3, ?4)");
    ASSERT_TRUE(insert.ok());
    const std::string payload = EncodeEvent(event);
    insert->Bind(1, event.sequence());
    insert->Bind(2, int64_t{KindOf(event)});
    insert->Bind(3, static_cast<int64_t>(event.step()));
    insert->BindBytes(4, payload);
    ASSERT_TRUE(insert->Run().ok());
    if (event.has_statistics()) reports_[event.sequence()] = event;
  }

  // `count` reports of noise with `others` events of metrics behind each.
  void Train(int count, int others) {
    ASSERT_TRUE(Execute(connection_.get(), "BEGIN").ok());
    std::normal_distribution<float> noise;
    for (int i = 0; i < count; ++i) {
      step_ += 10;
      Store(Report(step_, noise(random_), std::exp(noise(random_)),
                   static_cast<int64_t>(10 * std::fabs(noise(random_))), std::exp(noise(random_))));
      for (int n = 0; n < others; ++n) Store(server::Train(0, step_ + static_cast<uint64_t>(n)));
    }
    ASSERT_TRUE(Execute(connection_.get(), "COMMIT").ok());
  }

  void Pass() {
    for (int i = 0; i < 300; ++i) thinner_->Added(kJob);
    while (thinner_->has_work()) thinner_->DoSome();
  }

  std::map<int64_t, v1::Event> Stored() {
    std::map<int64_t, v1::Event> stored;
    auto read = Statement::Prepare(connection_.get(), "SELECT kind, payload FROM events ORDER BY sequence");
    EXPECT_TRUE(read.ok());
    while (read->Step().value_or(false)) {
      if (KindOfColumn(read->Integer(0)) != v1::EVENT_KIND_STATISTICS) continue;
      v1::Event event;
      EXPECT_TRUE(DecodeEvent(read->Bytes(1), &event));
      stored[event.sequence()] = event;
    }
    return stored;
  }
  std::set<int64_t> Whole() {
    std::set<int64_t> whole;
    for (const auto& [sequence, event] : Stored()) {
      if (!event.statistics().thinned()) whole.insert(sequence);
    }
    return whole;
  }

  // Those that the rule lets stay whole, when all that is before `end` may be thinned.
  std::set<int64_t> Expected(int64_t end) {
    std::set<int64_t> whole;
    std::map<std::pair<int64_t, int64_t>, int64_t> first_of_block;
    for (const auto& [sequence, event] : reports_) {
      const auto age = static_cast<double>(sequence_ - sequence);
      if (age < 8192 || sequence >= end) {
        whole.insert(sequence);
        continue;
      }
      const auto length = static_cast<int64_t>(8 * std::exp2(std::floor(std::log2(age / 8192))));
      first_of_block.emplace(std::pair(length, sequence / length), sequence);
    }
    for (const auto& [block, sequence] : first_of_block) whole.insert(sequence);
    return whole;
  }

  TemporaryFolder folder_;
  Connection connection_;
  std::unique_ptr<StatisticsThinner> thinner_;
  std::map<int64_t, v1::Event> reports_;  // As they were.
  int64_t sequence_ = 0;
  uint64_t step_ = 0;
  std::mt19937 random_{1};
};

// Smallest and largest of a number over all reports that still have the layer.
std::pair<float, float> Range(const std::map<int64_t, v1::Event>& events, const std::string& name,
                              const std::function<float(const v1::LayerStatistics&)>& number) {
  std::pair<float, float> range(1e30f, -1e30f);
  for (const auto& [sequence, event] : events) {
    for (const v1::LayerStatistics& layer : event.statistics().layers()) {
      if (layer.layer() != name) continue;
      range = {std::min(range.first, number(layer)), std::max(range.second, number(layer))};
    }
  }
  return range;
}

TEST_F(StatisticsThinnerTest, KeepsWhatTheRuleKeeps) {
  Train(15'000, 1);
  Store(Checkpoint(step_));
  const int64_t end = sequence_;
  Train(2, 1);
  Pass();
  EXPECT_EQ(Whole(), Expected(end));
  EXPECT_LT(Whole().size(), 7000u) << "of 15,002";
  EXPECT_EQ(*Whole().begin(), reports_.begin()->first);
  EXPECT_EQ(*Whole().rbegin(), reports_.rbegin()->first);
}

TEST_F(StatisticsThinnerTest, EveryReportKeepsItsPlaceAndTheExtremesTheirNumbers) {
  Train(9000, 1);
  Store(Checkpoint(step_));
  Pass();
  const auto stored = Stored();
  ASSERT_EQ(stored.size(), reports_.size());
  int64_t with_extremes = 0;
  for (const auto& [sequence, event] : stored) {
    const v1::Event& before = reports_.at(sequence);
    EXPECT_EQ(event.step(), before.step());
    EXPECT_EQ(event.time().seconds(), before.time().seconds());
    with_extremes += event.statistics().thinned() && event.statistics().layers_size() > 0;
  }
  EXPECT_GT(with_extremes, 0);
  EXPECT_LT(with_extremes, 20);
  for (const char* layer : {"first", "second"}) {
    for (const auto& number : std::vector<std::function<float(const v1::LayerStatistics&)>>{
             [](const auto& one) { return one.mean(); }, [](const auto& one) { return one.std(); },
             [](const auto& one) { return static_cast<float>(one.dead_units()); }}) {
      EXPECT_EQ(Range(stored, layer, number), Range(reports_, layer, number)) << layer;
    }
  }
}

TEST_F(StatisticsThinnerTest, AnExtremeKeepsItsLayerAlone) {
  Train(2000, 0);
  Store(Report(step_ += 10, 99, 1, 0, 1));  // The mean of "first".
  const int64_t extreme = sequence_;
  Store(Report(step_ += 10, 0, 1, 0, 1e9f));  // The gradient.
  Train(9000, 0);
  Store(Checkpoint(step_));
  Pass();
  const v1::StatisticsReport first = Stored()[extreme].statistics(), second = Stored()[extreme + 1].statistics();
  ASSERT_TRUE(first.thinned() || second.thinned()) << "a block keeps one of two neighbours";
  if (first.thinned()) {
    ASSERT_EQ(first.layers_size(), 1);
    EXPECT_EQ(first.layers(0).layer(), "first");
    EXPECT_EQ(first.layers(0).mean(), 99);
    EXPECT_THAT(first.parameters(), IsEmpty());
  }
  if (second.thinned()) {
    EXPECT_THAT(second.layers(), IsEmpty());
    ASSERT_EQ(second.parameters_size(), 1);
    EXPECT_EQ(second.parameters(0).gradient_norm(), 1e9f);
  }
}

TEST_F(StatisticsThinnerTest, ARestartKnowsTheExtremesAgain) {
  Train(1000, 0);
  Store(Report(step_ += 10, 99, 1, 0, 1));
  const int64_t extreme = sequence_;
  Train(9500, 0);
  Store(Checkpoint(step_));
  Pass();
  Restart();
  Train(3000, 0);
  Store(Report(step_ += 10, 98, 1, 0, 1));  // Not as large.
  const int64_t second = sequence_;
  Train(20'000, 0);
  Store(Checkpoint(step_));
  Pass();
  const auto stored = Stored();
  EXPECT_EQ(Range(stored, "first", [](const auto& one) { return one.mean(); }).second, 99);
  EXPECT_FALSE(stored.at(extreme).statistics().layers().empty());
  EXPECT_TRUE(!stored.at(second).statistics().thinned() || stored.at(second).statistics().layers().empty());
}

TEST_F(StatisticsThinnerTest, WhatIsBehindTheNewestCheckpointStays) {
  Train(100, 0);
  Pass();
  Train(12'000, 0);
  Pass();
  EXPECT_EQ(Whole().size(), reports_.size()) << "no checkpoint at all";
  Store(Checkpoint(step_));
  const int64_t end = sequence_;
  Train(12'000, 0);
  Pass();
  EXPECT_EQ(Whole(), Expected(end));
}

TEST_F(StatisticsThinnerTest, ManyPassesKeepWhatOneWouldKeep) {
  for (int i = 0; i < 12; ++i) {
    Train(1500, 1);
    Store(Checkpoint(step_));
    Pass();
    const std::set<int64_t> whole = Whole(), expected = Expected(sequence_);
    std::vector<int64_t> missing;
    std::set_difference(expected.begin(), expected.end(), whole.begin(), whole.end(), std::back_inserter(missing));
    // A block that reaches over the age at which blocks grow has another first report, seen from one side.
    EXPECT_LE(missing.size(), 4u) << "after " << i;
    EXPECT_LT(whole.size(), expected.size() + expected.size() / 10) << "after " << i;
  }
}

TEST_F(StatisticsThinnerTest, ADamagedReportIsLeftAlone) {
  Train(10'000, 0);
  Store(Checkpoint(step_));
  ASSERT_TRUE(Execute(connection_.get(), "UPDATE events SET payload = x'FFFF' WHERE sequence = 12").ok());
  Pass();
  auto read = Statement::Prepare(connection_.get(), "SELECT hex(payload) FROM events WHERE sequence = 12");
  ASSERT_TRUE(read.ok() && read->Step().value_or(false));
  EXPECT_EQ(read->Bytes(0), "FFFF");
  auto count =
      Statement::Prepare(connection_.get(), absl::StrCat("SELECT COUNT(*) FROM events WHERE kind = ", kKindThinned));
  ASSERT_TRUE(count.ok() && count->Step().value_or(false));
  EXPECT_GT(count->Integer(0), 1000) << "the others are thinned";
}

// The store does it by itself, and its readers are served.
TEST(ThinningStore, ServesThinnedReportsInTheirPlace) {
  TemporaryFolder folder;
  auto opened = SqliteJobStore::Open({.path = folder.path() + "/traind.db"});
  ASSERT_TRUE(opened.ok()) << opened.status();
  SqliteJobStore& store = **opened;
  v1::Job job = MakeJob("a");
  const JobKey key = Create(store, job);
  int64_t sequence = 0;
  const auto append = [&](std::vector<v1::Event> events) {
    for (v1::Event& event : events) event.set_sequence(++sequence);
    job.set_last_sequence(sequence);
    ASSERT_TRUE(store.AppendEvents(key, job, events).ok());
  };
  uint64_t step = 0;
  for (int i = 0; i < 100; ++i) {
    std::vector<v1::Event> events;
    for (int n = 0; n < 100; ++n) events.push_back(Report(step += 10, 1, 1, 0, 1));
    events.push_back(Checkpoint(step));
    append(std::move(events));
  }
  const auto find = [&](uint64_t at) { return **store.FindEvent(key, v1::EVENT_KIND_STATISTICS, at); };
  // A piece of work follows each commit.
  for (int i = 0; i < 5000 && !find(1000).statistics().thinned(); ++i) append({server::Train(0, step)});
  EXPECT_TRUE(find(1000).statistics().thinned());
  EXPECT_EQ(find(1000).step(), 1000u);
  EXPECT_FALSE(find(10).statistics().thinned()) << "the first";
  EXPECT_FALSE(find(step).statistics().thinned()) << "the last";
  EXPECT_EQ((*store.LastSteps(key))[v1::EVENT_KIND_STATISTICS], step);
  EXPECT_THAT(
      SequencesOf(store, key, {.after_sequence = 98, .max_events = 4, .kinds = 1u << v1::EVENT_KIND_STATISTICS}),
      ElementsAre(99, 100, 102));
}

// As a rule of retention wants it of a job that ended long ago: those that are no older than any stay whole, too.
TEST_F(StatisticsThinnerTest, OfAJobThatHasEndedTheFirstAndTheLastStayWhole) {
  Train(100, 1);
  thinner_->Ended(kJob);
  while (thinner_->has_work()) thinner_->DoSome();
  const std::string whole = absl::StrCat(" FROM events WHERE job = 1 AND kind = ", int64_t{v1::EVENT_KIND_STATISTICS});
  EXPECT_EQ(*Number(connection_.get(), "SELECT COUNT(*)" + whole), 2);
  EXPECT_EQ(*Number(connection_.get(), "SELECT MIN(sequence)" + whole), reports_.begin()->first);
  EXPECT_EQ(*Number(connection_.get(), "SELECT MAX(sequence)" + whole), reports_.rbegin()->first);
  EXPECT_EQ(*Number(connection_.get(), "SELECT COUNT(*) FROM events"), sequence_) << "an event is gone";
}

}  // namespace
}  // namespace traind::server

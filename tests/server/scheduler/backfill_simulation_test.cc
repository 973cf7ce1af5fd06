// Whole days of random jobs, played through in a moment.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <vector>

#include "server/scheduler/scheduler.h"

namespace traind::server {
namespace {

constexpr Capacity kCapacity{.threads = 8, .memory_bytes = 16};
constexpr absl::Duration kPatience = absl::Hours(1);

struct Work {
  JobSnapshot job;
  absl::Duration arrives;
  absl::Duration takes;
};

using Decider = std::function<Schedule(const std::vector<JobSnapshot>&)>;

Schedule Backfill(const std::vector<JobSnapshot>& jobs) { return Decide(jobs, kCapacity); }

// The same order, in which nobody is ever passed.
Schedule Strict(const std::vector<JobSnapshot>& jobs) {
  const JobsInOrder order = InOrder(jobs);
  int64_t threads = kCapacity.threads;
  int64_t memory = kCapacity.memory_bytes;
  for (const JobSnapshot* job : order.running) {
    threads -= job->threads;
    memory -= job->memory_bytes;
  }
  Schedule schedule;
  for (const JobSnapshot* job : order.waiting) {
    threads -= job->threads;
    memory -= job->memory_bytes;
    if (threads < 0 || memory < 0) break;
    schedule.start.push_back(job->key);
  }
  return schedule;
}

// A server on which each of the works runs once. What the scheduler sees of one is `job`, whose length is how long it
// says to take from its start on; with `always_says` a running one says that it takes so much more, whenever asked.
class Simulation {
 public:
  Simulation(std::vector<Work> works, Decider decide, absl::Duration always_says = absl::ZeroDuration())
      : works_(std::move(works)), decide_(std::move(decide)), always_says_(always_says) {}

  // When each started, by key.
  std::map<int64_t, absl::Duration> Run() {
    while (starts_.size() < works_.size()) {
      Start(decide_(Snapshots()));
      absl::Duration next = absl::InfiniteDuration();
      for (const Work& work : works_) {
        for (const absl::Duration event : {work.arrives, EndOf(work)}) {
          if (event > now_) next = std::min(next, event);
        }
      }
      if (next == absl::InfiniteDuration()) break;
      now_ = next;
    }
    EXPECT_EQ(starts_.size(), works_.size());
    return starts_;
  }
  // The latest moment that was promised to each while it was the first in the line; by key.
  const std::map<int64_t, absl::Duration>& promised() const { return promised_; }

 private:
  absl::Duration EndOf(const Work& work) const {
    const auto start = starts_.find(work.job.key);
    return start == starts_.end() ? absl::InfiniteDuration() : start->second + work.takes;
  }
  std::vector<JobSnapshot> Snapshots() {
    std::vector<JobSnapshot> jobs;
    int64_t threads = 0;
    for (const Work& work : works_) {
      if (work.arrives > now_ || EndOf(work) <= now_) continue;
      JobSnapshot job = work.job;
      const auto start = starts_.find(job.key);
      job.has_worker = start != starts_.end();
      if (job.has_worker) {
        threads += job.threads;
        job.length = always_says_ > absl::ZeroDuration() ? always_says_ : start->second + job.length - now_;
      } else if (const auto until = passable_until_.find(job.key); until != passable_until_.end()) {
        job.may_be_passed = now_ < until->second;
      }
      jobs.push_back(job);
    }
    EXPECT_LE(threads, kCapacity.threads);
    return jobs;
  }
  void Start(const Schedule& schedule) {
    for (int64_t key : schedule.start) EXPECT_TRUE(starts_.emplace(key, now_).second);
    for (const Reservation& reservation : schedule.reservations) {
      if (reservation.passed) passable_until_.emplace(reservation.key, now_ + PassableFor(reservation, kPatience));
    }
    if (!schedule.reservations.empty()) {
      promised_.emplace(schedule.reservations[0].key, now_ + schedule.reservations[0].start);
    }
  }

  const std::vector<Work> works_;
  const Decider decide_;
  const absl::Duration always_says_;
  absl::Duration now_;
  std::map<int64_t, absl::Duration> starts_;
  std::map<int64_t, absl::Duration> passable_until_;
  std::map<int64_t, absl::Duration> promised_;
};

// Lengths are known exactly, or with `loose` within a factor of three; most jobs are small and some take all there is.
std::vector<Work> RandomDay(unsigned seed, bool loose) {
  std::mt19937 random(seed);
  const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
  std::vector<Work> works;
  absl::Duration arrives;
  for (int64_t key = 1; key <= 150; ++key) {
    arrives += absl::Minutes(below(16));
    Work work{.job = {.key = key}, .arrives = arrives, .takes = absl::Minutes(1 + below(40))};
    work.job.threads = 1u << below(4);
    work.job.memory_bytes = 1 + below(below(4) == 0 ? 16 : 4);
    work.job.length = work.takes * (loose ? 1 + below(3) : 1);
    works.push_back(work);
  }
  return works;
}

absl::Duration Waited(const std::vector<Work>& works, const std::map<int64_t, absl::Duration>& starts) {
  absl::Duration waited;
  for (const Work& work : works) waited += starts.at(work.job.key) - work.arrives;
  return waited;
}

#ifdef TRAIND_SANITIZED
constexpr unsigned kDays = 12;
constexpr int kDaysOfLies = 1;
#else
constexpr unsigned kDays = 60;
constexpr int kDaysOfLies = 4;
#endif

TEST(BackfillSimulation, StartsNoJobLaterThanTheStrictOrderWhenLengthsAreKnown) {
  absl::Duration waited;
  absl::Duration waited_strictly;
  for (unsigned day = 0; day < kDays; ++day) {
    const std::vector<Work> works = RandomDay(day, /*loose=*/false);
    const auto starts = Simulation(works, Backfill).Run();
    const auto strict = Simulation(works, Strict).Run();
    for (const auto& [key, start] : strict) EXPECT_LE(starts.at(key), start) << "day " << day << ", job " << key;
    waited += Waited(works, starts);
    waited_strictly += Waited(works, strict);
  }
  // And gaps are filled: the wait is a third shorter, at least.
  EXPECT_LT(waited, waited_strictly * 2 / 3);
}

TEST(BackfillSimulation, HoldsForPrioritiesOfJobsThatAreThereFromTheBeginning) {
  for (unsigned day = 0; day < kDays; ++day) {
    std::vector<Work> works = RandomDay(day, /*loose=*/false);
    for (Work& work : works) {
      work.arrives = absl::ZeroDuration();
      work.job.priority = static_cast<int32_t>(work.job.key % 3);
    }
    const auto starts = Simulation(works, Backfill).Run();
    for (const auto& [key, start] : Simulation(works, Strict).Run()) {
      EXPECT_LE(starts.at(key), start) << "day " << day << ", job " << key;
    }
  }
}

TEST(BackfillSimulation, KeepsItsPromiseToTheFirstInTheLineWhenLengthsAreBounds) {
  for (unsigned day = 0; day < kDays; ++day) {
    Simulation simulation(RandomDay(day, /*loose=*/true), Backfill);
    const auto starts = simulation.Run();
    EXPECT_FALSE(simulation.promised().empty());
    for (const auto& [key, promise] : simulation.promised()) {
      EXPECT_LE(starts.at(key), promise) << "day " << day << ", job " << key;
    }
  }
}

// Every running job claims to end within a minute and takes ten; small ones that claim less come for days.
std::vector<Work> DaysOfLies() {
  constexpr int64_t kLarge = 5;
  std::vector<Work> works;
  for (int64_t key = 1; key <= kDaysOfLies * 24 * 30; ++key) {
    Work work{.job = {.key = key, .threads = 2, .memory_bytes = 1, .length = absl::Seconds(50)},
              .arrives = absl::Minutes(2 * key),
              .takes = absl::Minutes(10)};
    if (key == kLarge) work.job.threads = kCapacity.threads;
    works.push_back(work);
  }
  return works;
}

TEST(BackfillSimulation, PassesNobodyForEverHoweverWrongTheEstimatesAre) {
  const std::vector<Work> works = DaysOfLies();
  const Work& large = works[4];
  const auto waited = [&](const Decider& decide) {
    return Simulation(works, decide, absl::Minutes(1)).Run().at(large.job.key) - large.arrives;
  };
  EXPECT_LE(waited(Backfill), kPatience + absl::Minutes(1 + 10 + 2));
  // Without the rule it waits until nobody comes any more.
  EXPECT_GT(waited([](std::vector<JobSnapshot> jobs) {
              for (JobSnapshot& job : jobs) job.may_be_passed = true;
              return Backfill(jobs);
            }),
            absl::Hours(24 * kDaysOfLies - 6));
}

}  // namespace
}  // namespace traind::server

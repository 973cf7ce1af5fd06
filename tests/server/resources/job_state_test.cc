#include "server/resources/job_state.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>

namespace traind::server {
namespace {

constexpr v1::JobState kStates[] = {v1::QUEUED, v1::RUNNING, v1::CANCELLING, v1::SUCCEEDED, v1::FAILED, v1::CANCELLED};

TEST(Transitions, AreThoseOfTheDesignAndNoOthers) {
  const std::set<std::pair<v1::JobState, v1::JobState>> legal = {
      {v1::QUEUED, v1::RUNNING},       {v1::QUEUED, v1::CANCELLED},     {v1::RUNNING, v1::QUEUED},
      {v1::RUNNING, v1::CANCELLING},   {v1::RUNNING, v1::SUCCEEDED},    {v1::RUNNING, v1::FAILED},
      {v1::CANCELLING, v1::CANCELLED}, {v1::CANCELLING, v1::SUCCEEDED}, {v1::CANCELLING, v1::FAILED},
  };
  for (v1::JobState from : kStates) {
    for (v1::JobState to : kStates) {
      EXPECT_EQ(IsLegal(from, to), legal.count({from, to}) == 1)
          << v1::JobState_Name(from) << " -> " << v1::JobState_Name(to);
    }
  }
}

TEST(Transitions, NothingLeavesATerminalStateAndEveryOtherStateCanEnd) {
  for (v1::JobState from : kStates) {
    int ways_out = 0;
    for (v1::JobState to : kStates) ways_out += IsLegal(from, to);
    EXPECT_EQ(ways_out == 0, IsTerminal(from)) << v1::JobState_Name(from);
  }
}

TEST(Transitions, OnlyRunningAndCancellingJobsHaveAWorker) {
  for (v1::JobState state : kStates) {
    EXPECT_EQ(HasWorker(state), state == v1::RUNNING || state == v1::CANCELLING) << v1::JobState_Name(state);
  }
}

}  // namespace
}  // namespace traind::server

#include "server/resources/job_state.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>

namespace traind::server {
namespace {

constexpr v1::JobState kStates[] = {v1::JOB_STATE_QUEUED,    v1::JOB_STATE_RUNNING, v1::JOB_STATE_CANCELLING,
                                    v1::JOB_STATE_SUCCEEDED, v1::JOB_STATE_FAILED,  v1::JOB_STATE_CANCELLED};

TEST(Transitions, AreThoseOfTheDesignAndNoOthers) {
  const std::set<std::pair<v1::JobState, v1::JobState>> legal = {
      {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING},       {v1::JOB_STATE_QUEUED, v1::JOB_STATE_CANCELLED},
      {v1::JOB_STATE_RUNNING, v1::JOB_STATE_QUEUED},       {v1::JOB_STATE_RUNNING, v1::JOB_STATE_CANCELLING},
      {v1::JOB_STATE_RUNNING, v1::JOB_STATE_SUCCEEDED},    {v1::JOB_STATE_RUNNING, v1::JOB_STATE_FAILED},
      {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_CANCELLED}, {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_SUCCEEDED},
      {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_FAILED},
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
    EXPECT_EQ(HasWorker(state), state == v1::JOB_STATE_RUNNING || state == v1::JOB_STATE_CANCELLING)
        << v1::JobState_Name(state);
  }
}

}  // namespace
}  // namespace traind::server

#include "server/resources/job_state.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>

namespace traind::server {
namespace {

constexpr v1::JobState kStates[] = {v1::JOB_STATE_QUEUED,    v1::JOB_STATE_RUNNING,  v1::JOB_STATE_PAUSING,
                                    v1::JOB_STATE_PAUSED,    v1::JOB_STATE_STOPPING, v1::JOB_STATE_CANCELLING,
                                    v1::JOB_STATE_SUCCEEDED, v1::JOB_STATE_FAILED,   v1::JOB_STATE_CANCELLED};

TEST(Transitions, AreThoseOfTheDesignAndNoOthers) {
  const std::set<std::pair<v1::JobState, v1::JobState>> legal = {
      {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING},       {v1::JOB_STATE_QUEUED, v1::JOB_STATE_PAUSED},
      {v1::JOB_STATE_QUEUED, v1::JOB_STATE_CANCELLED},     {v1::JOB_STATE_QUEUED, v1::JOB_STATE_SUCCEEDED},
      {v1::JOB_STATE_RUNNING, v1::JOB_STATE_QUEUED},       {v1::JOB_STATE_RUNNING, v1::JOB_STATE_PAUSING},
      {v1::JOB_STATE_RUNNING, v1::JOB_STATE_PAUSED},       {v1::JOB_STATE_RUNNING, v1::JOB_STATE_STOPPING},
      {v1::JOB_STATE_RUNNING, v1::JOB_STATE_CANCELLING},   {v1::JOB_STATE_RUNNING, v1::JOB_STATE_SUCCEEDED},
      {v1::JOB_STATE_RUNNING, v1::JOB_STATE_FAILED},       {v1::JOB_STATE_PAUSING, v1::JOB_STATE_PAUSED},
      {v1::JOB_STATE_PAUSING, v1::JOB_STATE_CANCELLING},   {v1::JOB_STATE_PAUSING, v1::JOB_STATE_SUCCEEDED},
      {v1::JOB_STATE_PAUSING, v1::JOB_STATE_FAILED},       {v1::JOB_STATE_PAUSED, v1::JOB_STATE_QUEUED},
      {v1::JOB_STATE_PAUSED, v1::JOB_STATE_CANCELLED},     {v1::JOB_STATE_PAUSED, v1::JOB_STATE_SUCCEEDED},
      {v1::JOB_STATE_STOPPING, v1::JOB_STATE_SUCCEEDED},   {v1::JOB_STATE_STOPPING, v1::JOB_STATE_FAILED},
      {v1::JOB_STATE_STOPPING, v1::JOB_STATE_CANCELLING},  {v1::JOB_STATE_STOPPING, v1::JOB_STATE_QUEUED},
      {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_CANCELLED}, {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_SUCCEEDED},
      {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_FAILED},    {v1::JOB_STATE_SUCCEEDED, v1::JOB_STATE_QUEUED},
      {v1::JOB_STATE_FAILED, v1::JOB_STATE_QUEUED},        {v1::JOB_STATE_CANCELLED, v1::JOB_STATE_QUEUED},
  };
  for (v1::JobState from : kStates) {
    for (v1::JobState to : kStates) {
      EXPECT_EQ(IsLegal(from, to), legal.count({from, to}) == 1)
          << v1::JobState_Name(from) << " -> " << v1::JobState_Name(to);
    }
  }
}

TEST(Transitions, OnlyTheQueueFollowsATerminalStateAndEveryOtherStateCanEnd) {
  for (v1::JobState from : kStates) {
    bool can_end = false;
    for (v1::JobState to : kStates) {
      can_end |= IsLegal(from, to) && IsTerminal(to);
      if (IsTerminal(from)) {
        EXPECT_EQ(IsLegal(from, to), to == v1::JOB_STATE_QUEUED) << v1::JobState_Name(from);
      }
    }
    EXPECT_NE(can_end, IsTerminal(from)) << v1::JobState_Name(from);
  }
}

TEST(Transitions, OnlyRunningJobsAndThoseThatAreBeingEndedHaveAWorker) {
  const std::set<v1::JobState> with_worker = {v1::JOB_STATE_RUNNING, v1::JOB_STATE_PAUSING, v1::JOB_STATE_STOPPING,
                                              v1::JOB_STATE_CANCELLING};
  for (v1::JobState state : kStates) {
    EXPECT_EQ(HasWorker(state), with_worker.count(state) == 1) << v1::JobState_Name(state);
  }
}

}  // namespace
}  // namespace traind::server

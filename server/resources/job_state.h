// The life of a job: every legal change of its state, in one table. The job manager makes no other.
//
//   (new) -> QUEUED -> RUNNING -> SUCCEEDED | FAILED
//              |  ^       |
//              |  '-------+ restart: the worker crashed, or the server stopped; it goes on from its last checkpoint
//              |          v
//              |      CANCELLING -> CANCELLED | SUCCEEDED (it was done just then) | FAILED (it failed just then)
//              v
//          CANCELLED
#pragma once

#include "traind/v1/job.pb.h"

namespace traind::server {

struct Transition {
  v1::JobState from;
  v1::JobState to;
};

inline constexpr Transition kTransitions[] = {
    {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING},       {v1::JOB_STATE_QUEUED, v1::JOB_STATE_CANCELLED},
    {v1::JOB_STATE_RUNNING, v1::JOB_STATE_QUEUED},       {v1::JOB_STATE_RUNNING, v1::JOB_STATE_CANCELLING},
    {v1::JOB_STATE_RUNNING, v1::JOB_STATE_SUCCEEDED},    {v1::JOB_STATE_RUNNING, v1::JOB_STATE_FAILED},
    {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_CANCELLED}, {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_SUCCEEDED},
    {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_FAILED},
};

constexpr bool IsLegal(v1::JobState from, v1::JobState to) {
  for (const Transition& transition : kTransitions) {
    if (transition.from == from && transition.to == to) return true;
  }
  return false;
}

// No way leads out of a terminal state.
constexpr bool IsTerminal(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED || state == v1::JOB_STATE_CANCELLED;
}

// A worker process has the job: it holds its threads and memory.
constexpr bool HasWorker(v1::JobState state) {
  return state == v1::JOB_STATE_RUNNING || state == v1::JOB_STATE_CANCELLING;
}

}  // namespace traind::server

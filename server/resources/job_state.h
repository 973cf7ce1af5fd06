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
    {v1::QUEUED, v1::RUNNING},       {v1::QUEUED, v1::CANCELLED},     {v1::RUNNING, v1::QUEUED},
    {v1::RUNNING, v1::CANCELLING},   {v1::RUNNING, v1::SUCCEEDED},    {v1::RUNNING, v1::FAILED},
    {v1::CANCELLING, v1::CANCELLED}, {v1::CANCELLING, v1::SUCCEEDED}, {v1::CANCELLING, v1::FAILED},
};

constexpr bool IsLegal(v1::JobState from, v1::JobState to) {
  for (const Transition& transition : kTransitions) {
    if (transition.from == from && transition.to == to) return true;
  }
  return false;
}

// No way leads out of a terminal state.
constexpr bool IsTerminal(v1::JobState state) {
  return state == v1::SUCCEEDED || state == v1::FAILED || state == v1::CANCELLED;
}

// A worker process has the job: it holds its threads and memory.
constexpr bool HasWorker(v1::JobState state) { return state == v1::RUNNING || state == v1::CANCELLING; }

}  // namespace traind::server

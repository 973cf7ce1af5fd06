// The life of a job: every legal change of its state, in one table. The job manager makes no other. job_verb.h has what
// people may ask of a job in each state; docs/job-life.md is the picture, made from both.
//
// A job whose worker was ending it when the server died is not started again for that alone: PAUSING becomes PAUSED and
// CANCELLING becomes CANCELLED, with the last checkpoint that there is. One that was STOPPING still owes its end
// (evaluation, last checkpoint): it is QUEUED with Job.stop_reason, and is STOPPING again as soon as it runs.
#pragma once

#include <string_view>

#include "traind/v1/job.pb.h"

namespace traind::server {

struct Transition {
  v1::JobState from;
  v1::JobState to;
  std::string_view cause;  // A method, or what happens by itself.
};

inline constexpr Transition kTransitions[] = {
    {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING, "there is room"},
    {v1::JOB_STATE_QUEUED, v1::JOB_STATE_PAUSED, "PauseJob"},
    {v1::JOB_STATE_QUEUED, v1::JOB_STATE_CANCELLED, "CancelJob"},
    {v1::JOB_STATE_QUEUED, v1::JOB_STATE_SUCCEEDED, "StopJob, with a checkpoint"},
    {v1::JOB_STATE_RUNNING, v1::JOB_STATE_QUEUED, "its worker crashed, or the server ended"},
    {v1::JOB_STATE_RUNNING, v1::JOB_STATE_PAUSING, "PauseJob"},
    {v1::JOB_STATE_RUNNING, v1::JOB_STATE_PAUSED, "came to where its sweep holds it"},
    {v1::JOB_STATE_RUNNING, v1::JOB_STATE_STOPPING, "StopJob, max_duration"},
    {v1::JOB_STATE_RUNNING, v1::JOB_STATE_CANCELLING, "CancelJob"},
    {v1::JOB_STATE_RUNNING, v1::JOB_STATE_SUCCEEDED, "done, early_stopping"},
    {v1::JOB_STATE_RUNNING, v1::JOB_STATE_FAILED, "an error, too many crashes"},
    {v1::JOB_STATE_PAUSING, v1::JOB_STATE_PAUSED, "its worker ended"},
    {v1::JOB_STATE_PAUSING, v1::JOB_STATE_CANCELLING, "CancelJob"},
    {v1::JOB_STATE_PAUSING, v1::JOB_STATE_SUCCEEDED, "was done just then"},
    {v1::JOB_STATE_PAUSING, v1::JOB_STATE_FAILED, "failed just then"},
    {v1::JOB_STATE_PAUSED, v1::JOB_STATE_QUEUED, "ResumeJob"},
    {v1::JOB_STATE_PAUSED, v1::JOB_STATE_CANCELLED, "CancelJob"},
    {v1::JOB_STATE_PAUSED, v1::JOB_STATE_SUCCEEDED, "StopJob, with a checkpoint"},
    {v1::JOB_STATE_STOPPING, v1::JOB_STATE_SUCCEEDED, "evaluated and saved"},
    {v1::JOB_STATE_STOPPING, v1::JOB_STATE_FAILED, "an error, too many crashes"},
    {v1::JOB_STATE_STOPPING, v1::JOB_STATE_CANCELLING, "CancelJob"},
    {v1::JOB_STATE_STOPPING, v1::JOB_STATE_QUEUED, "its worker crashed, or the server ended"},
    {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_CANCELLED, "its worker ended"},
    {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_SUCCEEDED, "was done just then"},
    {v1::JOB_STATE_CANCELLING, v1::JOB_STATE_FAILED, "failed just then"},
    {v1::JOB_STATE_SUCCEEDED, v1::JOB_STATE_QUEUED, "ExtendJob"},
    {v1::JOB_STATE_FAILED, v1::JOB_STATE_QUEUED, "ResumeJob"},
    {v1::JOB_STATE_CANCELLED, v1::JOB_STATE_QUEUED, "ResumeJob"},
};

constexpr bool IsLegal(v1::JobState from, v1::JobState to) {
  for (const Transition& transition : kTransitions) {
    if (transition.from == from && transition.to == to) return true;
  }
  return false;
}

// The job's end. A person may still make it live again (ResumeJob, ExtendJob); nothing else does.
constexpr bool IsTerminal(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED || state == v1::JOB_STATE_CANCELLED;
}

// A worker process has the job: it holds its threads and memory.
constexpr bool HasWorker(v1::JobState state) {
  return state == v1::JOB_STATE_RUNNING || state == v1::JOB_STATE_CANCELLING || state == v1::JOB_STATE_PAUSING ||
         state == v1::JOB_STATE_STOPPING;
}

}  // namespace traind::server

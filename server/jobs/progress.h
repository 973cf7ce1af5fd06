// What a job's events say about its progress. Pure functions.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::server {

// Brings `progress` up to the event.
void ApplyEvent(const v1::Event& event, v1::JobProgress& progress);

// "going on from step 7": where a job goes on after its worker has ended, and that it is to end early, if it is.
std::string GoingOn(const v1::Job& job);

// How long the job will run still, or at most when it does not run; InfiniteDuration: not known.
absl::Duration TimeLeft(const v1::Job& job);
// "a resume goes on from step 7".
std::string WouldGoOn(const v1::Job& job);

// Adds an attempt that has ended to the time that the job has trained.
void AddTrained(absl::Duration attempt, v1::Job& job);

// How long the job may still train, by max_duration and the attempts that have ended; infinite without one.
absl::Duration MaxDurationLeft(const v1::Job& job);

// "max_duration of 1h is over".
std::string TimeIsOver(const v1::Job& job);

// Steps of an epoch and of the whole job, for a resolved spec and the dataset it trains on.
void SetTotals(const v1::JobSpec& resolved, const v1::Dataset& dataset, v1::JobProgress& progress);

}  // namespace traind::server

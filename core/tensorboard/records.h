// What a job's record holds, as TensorBoard shows it: curves, histograms of the layers' outputs, the job's settings as
// hyperparameters, the network's graph. The same job and events give the same bytes, with the times of the events. What
// takes predictions of single examples, of which a job's record has none, is in predictions.h. Pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "traind/v1/event.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::tensorboard {

// The framed records that a file begins with: version, hyperparameters, graph.
std::string BeginRecords(const v1::Job& job);

// The framed record of an event; empty: nothing of it is shown.
std::string RecordOf(const v1::Event& event, const std::string& job_uid);

// The sequence number of the event that the record was made of; 0: of the beginning; -1: it is none of this job.
int64_t SequenceOf(absl::string_view record, const std::string& job_uid);

}  // namespace traind::tensorboard

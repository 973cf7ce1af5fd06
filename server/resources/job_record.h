// What a job's record holds besides its spec. Pure functions.
#pragma once

#include "google/protobuf/timestamp.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::server {

// Fills in a new job's uid and times, and what its spec gives it to begin with: display_name, labels, priority,
// dataset.
void BeginRecord(v1::Job& job, const google::protobuf::Timestamp& now);

// Fills in what records of traind before 0.3 do not have: the above, each time the same, the etag, and what their
// resolved spec left out. A newer record stays as it is.
void CompleteRecord(v1::Job& job);

}  // namespace traind::server

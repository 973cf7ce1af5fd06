// From what a user wrote to what will run: the whole job is checked at once, every default is filled in, and what it
// will cost is known. Pure: touches no file and allocates nothing large, so the server runs it for each request.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/errors.h"
#include "core/base/stop_check.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/job.pb.h"
#include "traind/v1/training_service.pb.h"

namespace traind::core {

struct ResolvedJob {
  v1::JobSpec spec;                            // Every default filled in, data.dataset as "datasets/{id}".
  std::vector<v1::LayerAlgorithm> algorithms;  // One for each conv2d.
  v1::NetworkDescription description;          // For the job's batch size and optimizer.
  int64_t memory_bound_bytes = 0;              // Upper bound of what the worker will hold.
  std::vector<std::string> warnings;
};

// Checks `spec` against the dataset it names; `dataset` is null when it does not exist, which the caller has reported
// (everything that does not depend on it is still checked). `max_threads` is what the server grants one job.
// Whether initial_weights.model exists is the caller's to check. Violations go to `errors`, the scope of the spec; the
// result is meaningful only when there were none. Planning a network of thousands of layers takes seconds; `stop` ends
// it, and its error is the only one that is returned.
absl::StatusOr<ResolvedJob> ResolveJob(const v1::JobSpec& spec, const v1::Dataset* dataset, uint32_t max_threads,
                                       const FieldErrors& errors, const StopCheck& stop = {});

// The answer of DescribeNetwork. `errors` is the scope of the request; the rest as above.
absl::StatusOr<v1::NetworkDescription> DescribeNetwork(const v1::DescribeNetworkRequest& request,
                                                       const FieldErrors& errors, const StopCheck& stop = {});

// Checks a ProbeNetworkRequest and fills in its defaults; `dataset` as above, null too when the input is normal.
v1::ProbeNetworkRequest ResolveProbe(const v1::ProbeNetworkRequest& request, const v1::Dataset* dataset,
                                     const FieldErrors& errors);

}  // namespace traind::core

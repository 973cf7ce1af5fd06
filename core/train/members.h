// The networks that answer together: one, or the members of an ensemble. Not thread-safe; a worker makes them.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "core/data/augmentation/views.h"
#include "core/plan/plan.h"
#include "core/train/trained_model.h"

namespace traind::core {

// A trained network with its weights, planned for test mode.
struct Member {
  TrainedModel trained;
  std::optional<Views> views = std::nullopt;  // How it looks at an example.
  std::unique_ptr<Plan> plan = nullptr;
  int64_t batch = 0;  // Of the plan: the same of all members.
};
using Members = std::vector<std::unique_ptr<Member>>;

// The request for one of the others, as if it stood alone.
InferenceRequest RequestOf(const InferenceRequest& request, const InferenceRequest::Network& network);

// The request's own network and, after it, the others; for examples of `shape`, at most `batch` at once and no more
// than any of their jobs was admitted with. INVALID_ARGUMENT: members that do not go together.
absl::StatusOr<Members> MakeMembers(const InferenceRequest& request, const Shape& shape, const v1::TestTime& test_time,
                                    int64_t batch);

}  // namespace traind::core

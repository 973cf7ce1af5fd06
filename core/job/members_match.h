// Which networks may answer together: the members of an ensemble. Pure.
#pragma once

#include <optional>

#include "core/base/errors.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

// Records at `errors`, the scope of the member, in what it does not go with the first one: the shape and type of the
// examples, the outputs and what they mean, features and classes in their order. `spec` and `first` are resolved.
void CheckMembers(const v1::JobSpec& first, const std::optional<v1::DataIdentity>& first_data, const v1::JobSpec& spec,
                  const std::optional<v1::DataIdentity>& data, const FieldErrors& errors);

// Records the first difference of the networks and of the preprocessing that matters to a mean of weights: initializers
// and penalties do not.
void CheckSameNetwork(const v1::JobSpec& first, const v1::JobSpec& spec, const FieldErrors& errors);

}  // namespace traind::core

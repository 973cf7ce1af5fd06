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

// Whether what a job of the data `first` evaluated is new to a member of the data `member`, too, as far as that is
// known: they hold out the same examples of one split.
bool HeldOutTogether(const v1::DataSpec& first, const v1::DataSpec& member);
// Of an ensemble whose members did not: nothing is held out, and no split is the one to evaluate.
void ForgetHeldOut(v1::DataSpec& data);
bool ForgotHeldOut(const v1::DataSpec& data);

}  // namespace traind::core

// Where a network's tensors come from when a model has other names for them: InitialWeights.rules. Pure;
// thread-safe.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "core/base/errors.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

inline constexpr size_t kMostPatternCharacters = 256;
inline constexpr int kMostWeightRules = 100;

// Whether `name` is of the form `pattern`, in which `*` stands for any characters; what each stands for, the first ones
// as short as can be. Takes time linear in both for each `*`.
std::optional<std::vector<absl::string_view>> MatchPattern(absl::string_view pattern, absl::string_view name);

// Where one tensor of the network comes from.
struct WeightSource {
  int rule = -1;                    // The one that decided; -1: none, the tensor keeps its name.
  std::optional<std::string> name;  // Of the model's tensor; absent: the tensor is skipped.
};

// `weights` must be free of what CheckWeightRules finds.
WeightSource SourceOf(absl::string_view tensor, const v1::InitialWeights& weights);

// Violations go to `errors`, the scope of initial_weights.
void CheckWeightRules(const v1::InitialWeights& weights, const FieldErrors& errors);

}  // namespace traind::core

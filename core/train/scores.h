// The scores of a few classes or labels over all evaluated examples, and the areas under their ROC curves.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace traind::core {

// The chance that a positive has a larger score than a negative, equal ones counting half: the Mann-Whitney statistic,
// by ranks. Nullopt where one of both is missing, or a score is NaN. `positive` has as many as `scores`.
std::optional<double> AreaUnderRoc(const std::vector<float>& scores, const std::vector<bool>& positive);

}  // namespace traind::core

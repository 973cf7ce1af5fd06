// How much less the neighbours among the training examples agree than those of the evaluation. For the rules' own
// files.
#pragma once

#include <optional>

#include "core/insight/agreement.h"
#include "core/insight/rule.h"

namespace traind::core {

struct AgreementGap {
  Agreement training, evaluation;
  double gap = 0;    // Evaluation minus training.
  double error = 0;  // The standard error of the gap.
};

// Nullopt: it was not measured, or the splits cannot be compared, because their classes have other shares.
std::optional<AgreementGap> GapOf(const View& view);

}  // namespace traind::core

#include "core/insight/loss_of_answer.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

namespace traind::core {
namespace {

std::unique_ptr<Loss> LossOf(const Facts& facts) {
  if (facts.spec == nullptr) return nullptr;
  v1::Loss config = facts.spec->loss();
  FieldErrors::Root reported;
  return Registry<Loss>::Get().Create(config, reported.scope());
}

constexpr double kSure = 50;  // The output that stands for a share of 0 or 1: beyond it nothing changes.

// The mean loss of one answer for all examples; `output` gives the output for a share. Nullopt as LossOfNoAnswer.
template <class OutputOfShare>
std::optional<double> LossOfOneAnswer(const Facts& facts, absl::Span<const int64_t> counts,
                                      const OutputOfShare& output) {
  const auto loss = LossOf(facts);
  if (loss == nullptr || facts.graph == nullptr || facts.classes < 2) return std::nullopt;
  const OutputMeaning meaning = loss->output_meaning();
  if (meaning != OutputMeaning::kLogits && meaning != OutputMeaning::kLogOdds) return std::nullopt;
  const auto classes = static_cast<size_t>(facts.classes);
  std::vector<double> shares(classes, 1 / static_cast<double>(classes));
  if (counts.size() == classes) {
    const double examples = std::accumulate(counts.begin(), counts.end(), 0.0);
    if (examples <= 0) return std::nullopt;
    for (size_t c = 0; c < classes; ++c) shares[c] = static_cast<double>(counts[c]) / examples;
  }
  std::vector<float> row;  // Outputs beyond the classes are another rule's.
  if (IsBinary(meaning, Elements(facts.graph->output().output))) {
    row = {static_cast<float>(output(meaning, shares[1]))};
  } else {
    for (const double share : shares) row.push_back(static_cast<float>(output(meaning, share)));
  }
  double sum = 0;
  for (int32_t c = 0; c < facts.classes; ++c) {
    const double share = shares[static_cast<size_t>(c)];
    if (share > 0) sum += share * loss->Evaluate(row.data(), {.labels = &c}, 1, static_cast<int64_t>(row.size()));
  }
  return sum;
}

}  // namespace

std::optional<OutputMeaning> MeaningOfOutputs(const Facts& facts) {
  const auto loss = LossOf(facts);
  return loss == nullptr ? std::nullopt : std::optional(loss->output_meaning());
}

std::optional<double> LossOfNoAnswer(const Facts& facts, absl::Span<const int64_t> counts) {
  return LossOfOneAnswer(facts, counts, [](OutputMeaning, double) { return 0.0; });
}

std::optional<double> LossOfShares(const Facts& facts, absl::Span<const int64_t> counts) {
  return LossOfOneAnswer(facts, counts, [](OutputMeaning meaning, double share) {
    const double of_rest = meaning == OutputMeaning::kLogOdds ? std::log1p(-share) : 0;
    return std::clamp(std::log(share) - of_rest, -kSure, kSure);
  });
}

}  // namespace traind::core

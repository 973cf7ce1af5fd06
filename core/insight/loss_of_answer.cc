#include "core/insight/loss_of_answer.h"

#include <memory>
#include <vector>

namespace traind::core {
namespace {

std::unique_ptr<Loss> LossOf(const Facts& facts) {
  if (facts.spec == nullptr) return nullptr;
  v1::Loss config = facts.spec->loss();
  FieldErrors::Root reported;
  return Registry<Loss>::Get().Create(config, reported.scope());
}

}  // namespace

std::optional<OutputMeaning> MeaningOfOutputs(const Facts& facts) {
  const auto loss = LossOf(facts);
  return loss == nullptr ? std::nullopt : std::optional(loss->output_meaning());
}

std::optional<double> LossOfNoAnswer(const Facts& facts, absl::Span<const int64_t> counts) {
  const auto loss = LossOf(facts);
  if (loss == nullptr || facts.graph == nullptr || facts.classes < 2) return std::nullopt;
  const OutputMeaning meaning = loss->output_meaning();
  if (meaning != OutputMeaning::kLogits && meaning != OutputMeaning::kLogOdds) return std::nullopt;
  int64_t outputs = Elements(facts.graph->output().output);
  // Outputs beyond the classes are another rule's.
  if (!IsBinary(meaning, outputs)) outputs = facts.classes;
  const std::vector<float> zeros(static_cast<size_t>(outputs));
  double sum = 0, examples = 0;
  for (int32_t c = 0; c < facts.classes; ++c) {
    const bool known = static_cast<int64_t>(counts.size()) == facts.classes;
    const double count = known ? static_cast<double>(counts[static_cast<size_t>(c)]) : 1;
    sum += count * loss->Evaluate(zeros.data(), {.labels = &c}, 1, outputs);
    examples += count;
  }
  return examples > 0 ? std::optional(sum / examples) : std::nullopt;
}

}  // namespace traind::core

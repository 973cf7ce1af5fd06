#include "core/insight/fixes.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "core/kinds/optimizer.h"

namespace traind::core {

v1::JobSpec& Patch(const std::string& path, Sighting& sighting) {
  sighting.finding.mutable_fix()->mutable_mask()->add_paths(path);
  return *sighting.finding.mutable_fix()->mutable_patch();
}

void PatchRate(const Facts& facts, double factor, Sighting& sighting) {
  if (facts.spec == nullptr) return;
  // Three digits, as a person would write it.
  double rate = facts.spec->optimizer().learning_rate() * factor;
  if (!absl::SimpleAtod(absl::StrFormat("%.3g", rate), &rate)) return;
  Patch("optimizer.learning_rate", sighting).mutable_optimizer()->set_learning_rate(rate);
  // The resolved rate is scaled already: in the mask and not in the patch, the scaling goes.
  if (facts.given != nullptr && facts.given->optimizer().has_batch_scaling()) {
    Patch("optimizer.batch_scaling", sighting);
  }
}

bool TakesClipping(const Facts& facts) {
  if (facts.spec == nullptr) return true;
  v1::Optimizer config = facts.spec->optimizer();
  FieldErrors::Root none;
  const auto optimizer = Registry<Optimizer>::Get().Create(config, none.scope());
  return optimizer == nullptr || !optimizer->needs_all_examples();
}

void PatchClipping(const Facts& facts, double norm, Sighting& sighting) {
  if (facts.spec == nullptr || facts.spec->optimizer().clip_norm() > 0 || !TakesClipping(facts)) return;
  Patch("optimizer.clip_norm", sighting).mutable_optimizer()->set_clip_norm(norm);
}

void PatchStandardize(const Facts& facts, Sighting& sighting) {
  if (facts.given == nullptr) return;
  v1::JobSpec& patch = Patch("data.preprocessing", sighting);
  *patch.mutable_data()->mutable_preprocessing() = facts.given->data().preprocessing();
  patch.mutable_data()->add_preprocessing()->mutable_standardize();
}

void PatchCosine(const Facts& facts, Sighting& sighting) {
  if (facts.given == nullptr || facts.given->optimizer().has_schedule()) return;
  Patch("optimizer.schedule", sighting).mutable_optimizer()->mutable_schedule()->mutable_cosine();
}

void PatchEarlyStopping(const Facts& facts, Sighting& sighting) {
  constexpr uint32_t kPatience = 3;  // Evaluations.
  if (facts.given == nullptr || facts.given->has_early_stopping() || facts.given->has_lottery_ticket()) return;
  v1::EarlyStopping& stopping = *Patch("early_stopping", sighting).mutable_early_stopping();
  stopping.set_patience(kPatience);
  stopping.set_restore_best(true);
}

void PatchBatch(const Facts& facts, uint32_t batch, Sighting& sighting) {
  if (facts.spec == nullptr || facts.batch * static_cast<int64_t>(facts.steps_per_epoch) < batch) return;
  Patch("batch_size", sighting).set_batch_size(batch);
}

void PatchPrefetch(const Facts& facts, Sighting& sighting) {
  constexpr uint32_t kMostThreads = 64;
  if (facts.spec == nullptr) return;
  const uint32_t threads = std::min(kMostThreads, 2 * std::max(1u, facts.spec->data().prefetch_threads()));
  Patch("data.prefetch_threads", sighting).mutable_data()->set_prefetch_threads(threads);
}

}  // namespace traind::core

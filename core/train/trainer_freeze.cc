// What ParameterRule freezes in a run. Which tensors are trained decides what is planned, so a run ends with a
// checkpoint where that changes, and the next one goes on with it as any resume does: with the same bits.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "core/base/listing.h"
#include "core/graph/parameter_rules.h"
#include "core/train/trainer.h"

namespace traind::core {
namespace {

constexpr size_t kMostTensorsNamed = 20;

// The tensors that `choose` takes, with their number: "3 tensors (a, b, c)"; empty without any.
template <class Choose>
std::string TensorsWhere(const ParameterStore& store, const Choose& choose) {
  std::vector<std::string> names;
  for (const StoredParameter& parameter : store.parameters()) {
    if (parameter.spec->trained && choose(parameter)) names.push_back(parameter.name);
  }
  if (names.empty()) return "";
  return absl::StrCat(names.size(), names.size() == 1 ? " tensor (" : " tensors (", Listing(names, kMostTensorsNamed),
                      ")");
}

}  // namespace

void Trainer::Freeze() {
  model_.store->Treat(TreatmentsOf(*model_.graph, spec_), step_);
  for (const uint64_t step : UnfreezeSteps(spec_)) {
    if (!unfreeze_step_.has_value() && step > step_) unfreeze_step_ = step;
  }
}

void Trainer::BeginFrozen(bool begins) {
  for (StoredParameter& parameter : model_.store->parameters()) {
    if (!parameter.frozen) continue;
    for (int slot = average_slot(); slot < num_slots(); ++slot) {
      std::copy_n(parameter.master, parameter.stored_elements(), parameter.slots[slot]);
    }
  }
  if (step_ > 0 && absl::c_linear_search(UnfreezeSteps(spec_), step_)) {
    const std::string thawed = TensorsWhere(*model_.store, [this](const StoredParameter& parameter) {
      return parameter.treatment.frozen && parameter.treatment.unfreeze_after_steps == step_;
    });
    if (!thawed.empty()) EmitLog(v1::LogLine::LEVEL_INFO, absl::StrCat("from here on trained, too: ", thawed));
  } else if (!begins) {
    return;
  }
  const std::string frozen = TensorsWhere(*model_.store, [](const StoredParameter& p) { return p.frozen; });
  if (frozen.empty()) return;
  const std::string until = unfreeze_step_ ? absl::StrCat(", some of them until step ", *unfreeze_step_) : "";
  EmitLog(v1::LogLine::LEVEL_INFO, absl::StrCat("frozen: ", frozen, until));
}

// Updates that came before the first one of a tensor.
uint64_t Trainer::LateOf(const StoredParameter& parameter) const {
  const ParameterTreatment& treatment = parameter.treatment;
  if (!treatment.frozen || treatment.unfreeze_after_steps == 0) return 0;
  return treatment.unfreeze_after_steps - std::min(treatment.unfreeze_after_steps, manifest_.optimizer_begin_step());
}

absl::StatusOr<TrainResult> Trainer::EndBeforeUnfreezing(const StopSignal& stop) {
  absl::Status saved = SaveNeeded(stop);
  if (saved.ok()) {
    saved = SaveUntil([this] { return saved_step_ == step_; }, [this] { return SaveNow(); }, stop);
  }
  if (!saved.ok()) return saved;
  unfreezes_ = saved_step_ == step_;
  return TrainResult{.step = step_, .stopped = !unfreezes_};
}

}  // namespace traind::core

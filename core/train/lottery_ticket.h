// The lottery ticket of Frankle & Carbin 2019 inside one job: rounds of train, prune the smallest weights, rewind the
// rest, train again. Round r is the steps r * R + 1 to (r + 1) * R. The weights after the first round's rewind_step are
// kept; after each round but the last, right before the next step, Prune() takes the smallest of the weights left and
// puts everything else back to what was kept. A checkpoint between two rounds therefore holds the trained weights, and
// a resume from it prunes again. The masks work in the optimizer's pass (core/optimizers/update.h).
//
// Not thread-safe. The store outlives it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/plan/parameter_store.h"
#include "traind/v1/initialization.pb.h"

namespace traind::core {

class LotteryTicket {
 public:
  // Reserves masks, all ones, and the kept weights. Call when every parameter is placed and before UpdateTensors.
  static absl::StatusOr<std::unique_ptr<LotteryTicket>> Make(const v1::LotteryTicket& config, uint64_t round_steps,
                                                             ParameterStore& store);

  // --- `step` counts the steps done, over all rounds.
  uint64_t round(uint64_t step) const { return step / round_steps_; }          // Of the step that follows, from 0.
  uint64_t step_in_round(uint64_t step) const { return step % round_steps_; }  // Steps done in that round.
  bool EndsRound(uint64_t step) const { return step > 0 && step % round_steps_ == 0; }
  // Whether Prune() comes before the step that follows.
  bool PrunesAt(uint64_t step) const { return EndsRound(step) && round(step) <= config_.rounds(); }

  // Call with the weights after each step, and before the first: keeps them when this is the rewind step.
  void AfterStep(uint64_t step);
  // Prunes, rewinds, and says what is left. The optimizer's state is the caller's to begin anew.
  std::string Prune(uint64_t step);

  // What a checkpoint holds besides the weights: `values` in the layout of the parameter.
  struct State {
    std::string name;  // "<layer>.weight/mask", "<layer>.weight/rewind"
    const StoredParameter* parameter;
    float* values;
  };
  std::vector<State> States(uint64_t step);
  // Call when the states were read back.
  void CountPruned();

  // Share of a tensor that is pruned; nullopt for one that is never pruned. By its place in the store.
  std::optional<double> Sparsity(size_t parameter) const;

 private:
  struct Tensor {
    StoredParameter* parameter = nullptr;
    float* kept = nullptr;
    float* mask = nullptr;  // Null where nothing is pruned.
    int64_t elements = 0;
    int64_t pruned = 0;
  };

  LotteryTicket(const v1::LotteryTicket& config, uint64_t round_steps, ParameterStore& store)
      : config_(config), round_steps_(round_steps), store_(store) {}
  // Whether the weights to rewind to are known.
  bool HasKept(uint64_t step) const { return step >= config_.rewind_step(); }
  void PruneTensors(const std::vector<Tensor*>& tensors);

  const v1::LotteryTicket config_;
  const uint64_t round_steps_;
  ParameterStore& store_;
  std::vector<Tensor> tensors_;  // In the order of the store.
};

}  // namespace traind::core

// What every optimizer is: a loop over a chunk of weights, their gradients and their state. Everything around it
// (penalties, clipping, bf16 copies, parameter statistics) is one shared pass, update.h. One kind is one .cc file in
// core/optimizers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/registry.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/optimizer.pb.h"

namespace traind::core {

class Optimizer {
 public:
  // State tensors of the size of a weight: 42 of an optimizer's own at most (lbfgs; others have two), then an average
  // of the weights and slow weights (beside.h), then the sum of accumulated gradients.
  static constexpr int kMaxSlots = 45;

  // Consecutive weights of one tensor. Arrays of n floats that do not overlap.
  struct Chunk {
    float* weights;
    const float* gradients;               // Penalties added, clipped.
    std::array<float*, kMaxSlots> slots;  // The optimizer's state: slots() of them.
    int64_t n;
  };
  // Sums of squares over a chunk or a tensor, of which a layerwise optimizer makes its ratio.
  struct Squares {
    double weights = 0;
    double direction = 0;
  };
  struct Step {
    double learning_rate;                 // With the schedule.
    double weight_decay;                  // Decoupled; 0 where the tensor is not decayed.
    uint64_t number;                      // Of this update, from 1: for bias correction.
    std::optional<double> momentum = {};  // In place of the optimizer's own, where the schedule moves it.
    // Of a layerwise optimizer.
    double coupled_decay = 0;  // For one that adds it itself.
    bool adapted = true;       // Of weights proper, whose rate is its own: no bias, no normalization parameter.
    Squares squares = {};      // Of the whole tensor, from Measure.
  };

  virtual ~Optimizer() = default;

  // Names of the state tensors, as in checkpoints: "momentum", "exp_avg", ... Their number is how many there are.
  virtual std::vector<std::string_view> slots() const = 0;
  // What a slot starts with.
  virtual float initial_value(int /*slot*/) const { return 0; }
  virtual double default_learning_rate() const = 0;
  virtual double default_weight_decay() const { return 0; }
  // The least and the largest learning rate that it is used with: those of sgd, whose steps have the gradient's size.
  virtual std::pair<double, double> usual_learning_rates() const { return {1e-4, 1}; }

  // Whether a schedule may move its momentum, by Step::momentum.
  virtual bool takes_momentum() const { return false; }

  // Called once before the chunks of an update, by one thread. `number` is that of the Step.
  virtual void Begin(uint64_t /*number*/) {}
  // Updates weights and slots. Called by several threads for different chunks; allocates nothing.
  virtual void Update(const Step& step, const Chunk& chunk) const = 0;

  // Of an optimizer whose step depends on norms of the whole tensor, Measure is called for all chunks before Update: it
  // takes the gradient into the slots, if it does so at all, and leaves the weights as they are. As for Update, but
  // that `step` has no squares yet.
  virtual bool is_layerwise() const { return false; }
  virtual Squares Measure(const Step& /*step*/, const Chunk& /*chunk*/) const { return {}; }
  // Of an optimizer whose step depends on sums over all weights together, such as products of whole gradients: how many
  // there are. Before Update, AddSums is called for all chunks, as Update is, and adds those of its chunk; then Decide
  // once, by one thread, with the totals.
  virtual int num_sums() const { return 0; }
  virtual void AddSums(const Step& /*step*/, const Chunk& /*chunk*/, double* /*sums*/) const {}
  virtual void Decide(const Step& /*step*/, const double* /*sums*/) {}
  // Whether each step must see all training examples.
  virtual bool needs_all_examples() const { return false; }
  // Whether it adds Step::coupled_decay itself; for all others the gradient has it.
  virtual bool adds_coupled_decay() const { return false; }
};

// The factor on the learning rate (optimizer.proto). Immutable; thread-safe.
class Schedule {
 public:
  virtual ~Schedule() = default;
  // At step `t`, from 0, of `total`; warm-up is handled by LearningRate.
  virtual double Factor(uint64_t t, uint64_t total) const = 0;
  // Whether `t` and `total` count a warm-up; otherwise they begin behind it.
  virtual bool counts_warmup() const { return false; }

  // The momentum that goes with the rate, where the schedule moves it; see Optimizer::takes_momentum.
  virtual bool moves_momentum() const { return false; }
  virtual double Momentum(uint64_t /*t*/, uint64_t /*total*/) const { return 0; }

  // Whether it looks at evaluations: Note takes the loss of one into the state, which checkpoints keep and whose factor
  // multiplies Factor. Gives whether the factor has changed.
  virtual bool watches_evaluations() const { return false; }
  virtual bool Note(double /*evaluation_loss*/, v1::PlateauState& /*state*/) const { return false; }
};

}  // namespace traind::core

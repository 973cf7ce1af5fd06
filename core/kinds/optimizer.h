// What every optimizer is: a loop over a chunk of weights, their gradients and their state. Everything around it
// (penalties, clipping, bf16 copies, parameter statistics) is one shared pass, update.h. One kind is one .cc file in
// core/optimizers.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/registry.h"
#include "traind/v1/optimizer.pb.h"

namespace traind::core {

class Optimizer {
 public:
  static constexpr int kMaxSlots = 2;

  // Consecutive weights of one tensor. Arrays of n floats that do not overlap.
  struct Chunk {
    float* weights;
    const float* gradients;               // Penalties added, clipped.
    std::array<float*, kMaxSlots> slots;  // The optimizer's state; num_slots() of them.
    int64_t n;
  };
  struct Step {
    double learning_rate;  // With the schedule.
    double weight_decay;   // Decoupled; 0 where the tensor is not decayed.
    uint64_t number;       // Of this update, from 1: for bias correction.
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

  // Updates weights and slots. Called by several threads for different chunks; allocates nothing.
  virtual void Update(const Step& step, const Chunk& chunk) const = 0;
};

// The factor on the learning rate (optimizer.proto).
class Schedule {
 public:
  virtual ~Schedule() = default;
  // At step `t`, from 0, of `total`; warm-up is handled by LearningRate.
  virtual double Factor(uint64_t t, uint64_t total) const = 0;
};

}  // namespace traind::core

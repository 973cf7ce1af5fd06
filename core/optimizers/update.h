// The update: one pass over all parameters that adds the penalties' gradients, clips, takes the statistics, runs the
// optimizer and refreshes the bfloat16 copies, a chunk at a time, so that each array is read from memory once.
//
// Allocates only when it is made. Deterministic: sums are kept for each chunk, so nothing depends on the number of
// threads. Not thread-safe; splits its own work with ParallelFor. Owns no tensor: the arrays and the optimizer must
// outlive it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/bfloat16.h"
#include "core/kinds/optimizer.h"
#include "core/kinds/regularizer.h"
#include "core/optimizers/beside.h"
#include "traind/v1/statistics.pb.h"

namespace traind::core {

// One trained tensor in the layout of its kernels; weights, gradients and slots have the same one. Its padding is zero
// in the weights and in the gradients.
struct ParameterTensor {
  float* weights = nullptr;
  const float* gradients = nullptr;
  std::array<float*, Optimizer::kMaxSlots> slots = {};
  Bfloat16* bf16_copy = nullptr;  // Kept equal to the rounded weights; null for none.
  const float* mask = nullptr;    // 0 where a weight is pruned: it stays exactly zero. Else 1; null where none is.
  int64_t stored = 0;             // Elements of each array, padding included.
  int64_t elements = 0;           // Real ones.
  PenaltyStrength penalty;
  bool decayed = false;  // Weights proper: a layerwise optimizer adapts it, and decoupled weight decay acts on it ...
  double weight_decay_multiplier = 1;       // ... times this.
  std::optional<double> weight_decay = {};  // The tensor's own decoupled one, whether or not it is `decayed`.
  double coupled_decay = 0;                 // Times the weights, is added to the gradient after clipping.
  double learning_rate_factor = 1;
  uint64_t late = 0;         // Updates before its first one, for which it was frozen: they do not count for it.
  float* average = nullptr;  // Of the weights; null for none. See BesideUpdate.
  float* slow = nullptr;     // Of lookahead; null for none.
};

// What one Run saw of a tensor. Non-finite values are counted and left out of the sums.
struct ParameterNumbers {
  double weight_sum = 0;  // Of the weights before the update.
  double weight_squares = 0;
  double gradient_sum = 0;  // Of the gradient of loss and penalties, before clipping.
  double gradient_squares = 0;
  double update_squares = 0;  // sum (w after - w before)^2
  int64_t nan_count = 0;      // In weight and gradient together.
  int64_t inf_count = 0;
};

// Of the `stored` weights of a tensor that is not updated: those of its gradient and update are 0.
ParameterNumbers WeightNumbers(const float* weights, int64_t stored);

class UpdatePass {
 public:
  UpdatePass(Optimizer& optimizer, std::vector<ParameterTensor> tensors);

  // The joint 2-norm of all gradients, penalties added, and the value of the penalties: one pass. Clipping needs it.
  struct Measures {
    double gradient_norm = 0;
    double penalty = 0;
  };
  Measures Measure();

  // How gradients are clipped, penalties included.
  struct Clip {
    double scale = 1;  // See ClipScale.
    double value = 0;  // Then each number is brought into [-value, value]; 0: not.
  };
  // Updates everything, as number `step.number` less what a tensor is late; `step.weight_decay` acts where the tensor
  // is decayed; a tensor's coupled decay is added behind the clipping. With `observe`, which has one element for each
  // tensor in the order given, also takes the statistics.
  void Run(const Optimizer::Step& step, const Clip& clip, std::vector<ParameterNumbers>* observe,
           const BesideUpdate& beside = {});

  // Takes the weights into their average, as Run does: where they change after Run. nullopt does nothing.
  void MoveAverage(std::optional<double> share);

  const std::vector<ParameterTensor>& tensors() const { return tensors_; }

 private:
  // A piece of a tensor small enough that all its arrays stay in the first-level cache.
  struct Piece {
    int32_t tensor;
    int32_t n;
    int64_t offset;
  };

  // The gradient that the optimizer sees of a piece: the tensor's own, or one made in `combined`, of kPiece elements.
  const float* GradientOf(const Piece& piece, const Clip& clip, float* combined) const;
  Optimizer::Chunk ChunkOf(const Piece& piece, const float* gradients) const;
  Optimizer::Step StepOf(const ParameterTensor& tensor, Optimizer::Step step) const;
  // Pieces of tensors that are equally late.
  struct Group {
    int64_t begin;
    int64_t end;
    uint64_t late;
  };
  // The first pass, of a layerwise optimizer and of one that needs sums over all weights.
  void MeasureLayers(const Group& group, const Optimizer::Step& step, const Clip& clip);
  void MeasureAll(const Group& group, const Optimizer::Step& step, const Clip& clip);
  void Update(const Group& group, const Optimizer::Step& step, const Clip& clip, bool observe,
              const BesideUpdate& beside);

  Optimizer& optimizer_;
  const std::vector<ParameterTensor> tensors_;
  std::vector<Piece> pieces_;
  std::vector<Group> groups_;
  // For each piece.
  std::vector<double> penalties_;
  std::vector<double> squares_;
  std::vector<ParameterNumbers> numbers_;
  // Of a layerwise optimizer: for each piece, and of each tensor.
  std::vector<Optimizer::Squares> piece_squares_;
  std::vector<Optimizer::Squares> tensor_squares_;
  // Of an optimizer that needs sums over all weights: of each bunch of pieces, and in all.
  std::vector<double> bunch_sums_;
  std::vector<double> sums_;
};

// The factor that brings a gradient of this norm to at most `clip_norm`; 1 where clip_norm is 0.
double ClipScale(double norm, double clip_norm);

// The statistics as the API has them, without the name; `elements` is the tensor's real size.
void ToStatistics(const ParameterNumbers& numbers, int64_t elements, v1::ParameterStatistics* statistics);

}  // namespace traind::core

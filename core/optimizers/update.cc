#include "core/optimizers/update.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "core/base/math.h"
#include "core/base/parallel.h"
#include "core/base/vectorize.h"

namespace traind::core {
namespace {

constexpr int64_t kPiece = 2048;
// Pieces that one thread takes at least: enough work to be worth waking a thread for.
constexpr int64_t kGrain = 8;
// Pieces whose sums over all weights are kept together: there may be hundreds of sums.
constexpr int64_t kBunch = 16;

// In [-limit, limit]; NaN stays.
TRAIND_INLINE float Clamped(float x, float limit) { return x > limit ? limit : x < -limit ? -limit : x; }

TRAIND_VECTORIZED void ClampLoop(float limit, int64_t n, float* __restrict x) {
  for (int64_t i = 0; i < n; ++i) x[i] = Clamped(x[i], limit);
}

TRAIND_VECTORIZED void AddLoop(const float* __restrict w, int64_t n, float scale, float* __restrict out) {
  for (int64_t i = 0; i < n; ++i) out[i] += scale * w[i];
}

// average += share (w - average)
TRAIND_VECTORIZED void MoveLoop(const float* __restrict w, int64_t n, float share, float* __restrict average) {
  for (int64_t i = 0; i < n; ++i) average[i] += share * (w[i] - average[i]);
}

// out = scale * (g + penalty gradient) + decay * w
TRAIND_VECTORIZED void CombineLoop(const float* __restrict g, const float* __restrict w, int64_t n, float l1, float l2,
                                   float scale, float decay, float* __restrict out) {
  const float twice = 2 * l2;
  for (int64_t i = 0; i < n; ++i) {
    const float sign = static_cast<float>(w[i] > 0.0f) - static_cast<float>(w[i] < 0.0f);
    out[i] = scale * (g[i] + l1 * sign + twice * w[i]) + decay * w[i];
  }
}

TRAIND_VECTORIZED void ScaleLoop(const float* __restrict g, int64_t n, float scale, float* __restrict out) {
  for (int64_t i = 0; i < n; ++i) out[i] = scale * g[i];
}

// x where the mask is not zero, else exactly 0, whatever x is.
TRAIND_VECTORIZED void KeepLoop(const float* __restrict mask, int64_t n, float* __restrict x) {
  for (int64_t i = 0; i < n; ++i) x[i] = mask[i] != 0.0f ? x[i] : 0.0f;
}

// sum |w| and sum w^2
TRAIND_VECTORIZED void PenaltyLoop(const float* w, int64_t n, double* sum, double* squares) {
  double s = 0, q = 0;
#pragma omp simd reduction(+ : s, q)
  for (int64_t i = 0; i < n; ++i) {
    const double x = w[i];
    s += std::abs(x);
    q += x * x;
  }
  *sum = s;
  *squares = q;
}

TRAIND_VECTORIZED double SquaresLoop(const float* g, int64_t n) {
  double squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t i = 0; i < n; ++i) squares += static_cast<double>(g[i]) * static_cast<double>(g[i]);
  return squares;
}

TRAIND_VECTORIZED double DifferenceLoop(const float* a, const float* b, int64_t n) {
  double squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t i = 0; i < n; ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    squares += std::abs(d) <= std::numeric_limits<double>::max() ? d * d : 0.0;
  }
  return squares;
}

struct Moments {
  double sum = 0;
  double squares = 0;
  int64_t nan_count = 0;
  int64_t inf_count = 0;
};

// Sums of the finite values, and counts of the others.
TRAIND_VECTORIZED Moments MomentsLoop(const float* x, int64_t n) {
  double s = 0, q = 0;
  int32_t nans = 0, finite_count = 0;
#pragma omp simd reduction(+ : s, q, nans, finite_count)
  for (int64_t i = 0; i < n; ++i) {
    const bool finite = Abs(x[i]) <= std::numeric_limits<float>::max();
    const double v = finite ? x[i] : 0.0f;
    s += v;
    q += v * v;
    nans += x[i] != x[i] ? 1 : 0;
    finite_count += finite ? 1 : 0;
  }
  return {.sum = s, .squares = q, .nan_count = nans, .inf_count = n - finite_count - nans};
}

bool IsPenalized(const ParameterTensor& tensor) { return tensor.penalty.l1 != 0 || tensor.penalty.l2 != 0; }

double PenaltyOf(const ParameterTensor& tensor, const float* w, int64_t n) {
  double sum = 0, squares = 0;
  PenaltyLoop(w, n, &sum, &squares);
  return tensor.penalty.l1 * sum + tensor.penalty.l2 * squares;
}

// Whether the gradient that counts is another one than the loss's.
bool IsCombined(const ParameterTensor& tensor) { return IsPenalized(tensor) || tensor.mask != nullptr; }

// The gradient that counts of the `n` elements from `offset`: penalties added, scaled, `decay` times the weights added,
// zero for what is pruned.
void Combine(const ParameterTensor& tensor, int64_t offset, int64_t n, double scale, double decay, float* out) {
  const float* g = tensor.gradients + offset;
  if (IsPenalized(tensor) || decay != 0) {
    const float* w = tensor.weights + offset;
    CombineLoop(g, w, n, static_cast<float>(tensor.penalty.l1), static_cast<float>(tensor.penalty.l2),
                static_cast<float>(scale), static_cast<float>(decay), out);
  } else {
    ScaleLoop(g, n, static_cast<float>(scale), out);
  }
  if (tensor.mask != nullptr) KeepLoop(tensor.mask + offset, n, out);
}

void MoveTo(const float* w, int64_t n, double share, float* average) {
  if (share == 1) {
    std::copy_n(w, n, average);
  } else {
    MoveLoop(w, n, static_cast<float>(share), average);
  }
}

void Observe(const float* w, const float* g, int64_t n, ParameterNumbers* numbers) {
  const Moments weights = MomentsLoop(w, n);
  const Moments gradients = MomentsLoop(g, n);
  *numbers = {.weight_sum = weights.sum,
              .weight_squares = weights.squares,
              .gradient_sum = gradients.sum,
              .gradient_squares = gradients.squares,
              .nan_count = weights.nan_count + gradients.nan_count,
              .inf_count = weights.inf_count + gradients.inf_count};
}

}  // namespace

ParameterNumbers WeightNumbers(const float* weights, int64_t stored) {
  const Moments moments = MomentsLoop(weights, stored);
  return {.weight_sum = moments.sum,
          .weight_squares = moments.squares,
          .nan_count = moments.nan_count,
          .inf_count = moments.inf_count};
}

UpdatePass::UpdatePass(Optimizer& optimizer, std::vector<ParameterTensor> tensors)
    : optimizer_(optimizer), tensors_(std::move(tensors)) {
  std::map<uint64_t, std::vector<size_t>> by_late;
  for (size_t t = 0; t < tensors_.size(); ++t) by_late[tensors_[t].late].push_back(t);
  for (const auto& [late, members] : by_late) {
    const auto begin = static_cast<int64_t>(pieces_.size());
    for (size_t t : members) {
      for (int64_t offset = 0; offset < tensors_[t].stored; offset += kPiece) {
        const int64_t n = std::min(kPiece, tensors_[t].stored - offset);
        pieces_.push_back({.tensor = static_cast<int32_t>(t), .n = static_cast<int32_t>(n), .offset = offset});
      }
    }
    groups_.push_back({.begin = begin, .end = static_cast<int64_t>(pieces_.size()), .late = late});
  }
  penalties_.resize(pieces_.size());
  squares_.resize(pieces_.size());
  numbers_.resize(pieces_.size());
  if (optimizer_.is_layerwise()) {
    piece_squares_.resize(pieces_.size());
    tensor_squares_.resize(tensors_.size());
  }
  sums_.resize(optimizer_.num_sums());
  bunch_sums_.resize((pieces_.size() + kBunch - 1) / kBunch * sums_.size());
}

UpdatePass::Measures UpdatePass::Measure() {
  ParallelFor(static_cast<int64_t>(pieces_.size()), kGrain, [this](int64_t begin, int64_t end, int) {
    float combined[kPiece];
    for (int64_t p = begin; p < end; ++p) {
      const Piece piece = pieces_[p];
      const ParameterTensor& tensor = tensors_[piece.tensor];
      const float* g = tensor.gradients + piece.offset;
      penalties_[p] = 0;
      if (IsPenalized(tensor)) penalties_[p] = PenaltyOf(tensor, tensor.weights + piece.offset, piece.n);
      if (IsCombined(tensor)) {
        Combine(tensor, piece.offset, piece.n, 1, 0, combined);
        g = combined;
      }
      squares_[p] = SquaresLoop(g, piece.n);
    }
  });
  double squares = 0, penalty = 0;
  for (size_t p = 0; p < pieces_.size(); ++p) {
    squares += squares_[p];
    penalty += penalties_[p];
  }
  return {.gradient_norm = std::sqrt(squares), .penalty = penalty};
}

const float* UpdatePass::GradientOf(const Piece& piece, const Clip& clip, float* combined) const {
  const ParameterTensor& tensor = tensors_[piece.tensor];
  const double decay = optimizer_.adds_coupled_decay() ? 0 : tensor.coupled_decay;
  if (!IsCombined(tensor) && clip.scale == 1 && clip.value == 0 && decay == 0) return tensor.gradients + piece.offset;
  Combine(tensor, piece.offset, piece.n, clip.scale, clip.value > 0 ? 0 : decay, combined);
  if (clip.value > 0) {
    ClampLoop(static_cast<float>(clip.value), piece.n, combined);
    if (decay != 0) {
      AddLoop(tensor.weights + piece.offset, piece.n, static_cast<float>(decay), combined);
      if (tensor.mask != nullptr) KeepLoop(tensor.mask + piece.offset, piece.n, combined);
    }
  }
  return combined;
}

Optimizer::Chunk UpdatePass::ChunkOf(const Piece& piece, const float* gradients) const {
  const ParameterTensor& tensor = tensors_[piece.tensor];
  Optimizer::Chunk chunk = {
      .weights = tensor.weights + piece.offset, .gradients = gradients, .slots = {}, .n = piece.n};
  for (int slot = 0; slot < Optimizer::kMaxSlots && tensor.slots[slot] != nullptr; ++slot) {
    chunk.slots[slot] = tensor.slots[slot] + piece.offset;
  }
  return chunk;
}

Optimizer::Step UpdatePass::StepOf(const ParameterTensor& tensor, Optimizer::Step step) const {
  if (!tensor.decayed) step.weight_decay = 0;
  step.weight_decay = tensor.weight_decay.value_or(step.weight_decay * tensor.weight_decay_multiplier);
  step.learning_rate *= tensor.learning_rate_factor;
  if (optimizer_.is_layerwise()) {
    step.coupled_decay = tensor.coupled_decay;
    step.adapted = tensor.decayed;
  }
  return step;
}

void UpdatePass::MeasureLayers(const Group& group, const Optimizer::Step& step, const Clip& clip) {
  ParallelFor(group.end - group.begin, kGrain, [&](int64_t begin, int64_t end, int) {
    float combined[kPiece];
    for (int64_t p = group.begin + begin; p < group.begin + end; ++p) {
      const float* g = GradientOf(pieces_[p], clip, combined);
      piece_squares_[p] = optimizer_.Measure(StepOf(tensors_[pieces_[p].tensor], step), ChunkOf(pieces_[p], g));
    }
  });
  for (int64_t p = group.begin; p < group.end; ++p) tensor_squares_[pieces_[p].tensor] = {};
  for (int64_t p = group.begin; p < group.end; ++p) {
    Optimizer::Squares& total = tensor_squares_[pieces_[p].tensor];
    total.weights += piece_squares_[p].weights;
    total.direction += piece_squares_[p].direction;
  }
}

void UpdatePass::MeasureAll(const Group& group, const Optimizer::Step& step, const Clip& clip) {
  const size_t n = sums_.size();
  const int64_t bunches = (group.end - group.begin + kBunch - 1) / kBunch;
  std::fill(bunch_sums_.begin(), bunch_sums_.end(), 0.0);
  ParallelFor(bunches, 1, [&](int64_t begin, int64_t end, int) {
    float combined[kPiece];
    for (int64_t i = begin * kBunch; i < std::min(end * kBunch, group.end - group.begin); ++i) {
      const Piece& piece = pieces_[group.begin + i];
      const float* g = GradientOf(piece, clip, combined);
      optimizer_.AddSums(StepOf(tensors_[piece.tensor], step), ChunkOf(piece, g), &bunch_sums_[i / kBunch * n]);
    }
  });
  std::fill(sums_.begin(), sums_.end(), 0.0);
  for (size_t i = 0; i < bunches * n; ++i) sums_[i % n] += bunch_sums_[i];
  optimizer_.Decide(step, sums_.data());
}

void UpdatePass::Update(const Group& group, const Optimizer::Step& step, const Clip& clip, bool observe,
                        const BesideUpdate& beside) {
  ParallelFor(group.end - group.begin, kGrain, [&](int64_t begin, int64_t end, int) {
    float combined[kPiece];
    float before[kPiece];
    for (int64_t p = group.begin + begin; p < group.begin + end; ++p) {
      const Piece piece = pieces_[p];
      const ParameterTensor& tensor = tensors_[piece.tensor];
      float* w = tensor.weights + piece.offset;
      if (observe) {
        if (IsCombined(tensor)) {
          Combine(tensor, piece.offset, piece.n, 1, 0, combined);
          Observe(w, combined, piece.n, &numbers_[p]);
        } else {
          Observe(w, tensor.gradients + piece.offset, piece.n, &numbers_[p]);
        }
        std::copy(w, w + piece.n, before);
      }
      float* slow = tensor.slow == nullptr ? nullptr : tensor.slow + piece.offset;
      if (slow != nullptr && beside.begins_slow) std::copy_n(w, piece.n, slow);
      Optimizer::Step own = StepOf(tensor, step);
      if (optimizer_.is_layerwise()) own.squares = tensor_squares_[piece.tensor];
      optimizer_.Update(own, ChunkOf(piece, GradientOf(piece, clip, combined)));
      if (slow != nullptr && beside.pull.has_value()) {
        MoveTo(w, piece.n, *beside.pull, slow);
        std::copy_n(slow, piece.n, w);
      }
      if (tensor.mask != nullptr) KeepLoop(tensor.mask + piece.offset, piece.n, w);
      if (tensor.average != nullptr && beside.average.has_value()) {
        MoveTo(w, piece.n, *beside.average, tensor.average + piece.offset);
      }
      if (observe) numbers_[p].update_squares = DifferenceLoop(w, before, piece.n);
      if (tensor.bf16_copy != nullptr) Round(w, piece.n, tensor.bf16_copy + piece.offset);
    }
  });
}

void UpdatePass::Run(const Optimizer::Step& step, const Clip& clip, std::vector<ParameterNumbers>* observe,
                     const BesideUpdate& beside) {
  for (const Group& group : groups_) {
    Optimizer::Step own = step;
    own.number = step.number - std::min(group.late, step.number - 1);
    optimizer_.Begin(own.number);
    if (optimizer_.is_layerwise()) MeasureLayers(group, own, clip);
    if (!sums_.empty()) MeasureAll(group, own, clip);
    Update(group, own, clip, observe != nullptr, beside);
  }
  if (observe != nullptr) {
    std::fill(observe->begin(), observe->end(), ParameterNumbers());
    for (size_t p = 0; p < pieces_.size(); ++p) {
      ParameterNumbers& total = (*observe)[pieces_[p].tensor];
      total.weight_sum += numbers_[p].weight_sum;
      total.weight_squares += numbers_[p].weight_squares;
      total.gradient_sum += numbers_[p].gradient_sum;
      total.gradient_squares += numbers_[p].gradient_squares;
      total.update_squares += numbers_[p].update_squares;
      total.nan_count += numbers_[p].nan_count;
      total.inf_count += numbers_[p].inf_count;
    }
  }
}

void UpdatePass::MoveAverage(std::optional<double> share) {
  if (!share.has_value()) return;
  ParallelFor(static_cast<int64_t>(pieces_.size()), kGrain, [&](int64_t begin, int64_t end, int) {
    for (int64_t p = begin; p < end; ++p) {
      const ParameterTensor& tensor = tensors_[pieces_[p].tensor];
      const int64_t offset = pieces_[p].offset;
      if (tensor.average != nullptr) MoveTo(tensor.weights + offset, pieces_[p].n, *share, tensor.average + offset);
    }
  });
}

double ClipScale(double norm, double clip_norm) { return clip_norm > 0 && norm > clip_norm ? clip_norm / norm : 1; }

void ToStatistics(const ParameterNumbers& numbers, int64_t elements, v1::ParameterStatistics* statistics) {
  const double n = static_cast<double>(std::max<int64_t>(1, elements));
  const auto std_of = [n](double sum, double squares) {
    const double mean = sum / n;
    return static_cast<float>(std::sqrt(std::max(0.0, squares / n - mean * mean)));
  };
  const double weight_norm = std::sqrt(numbers.weight_squares);
  statistics->set_weight_norm(static_cast<float>(weight_norm));
  statistics->set_weight_mean(static_cast<float>(numbers.weight_sum / n));
  statistics->set_weight_std(std_of(numbers.weight_sum, numbers.weight_squares));
  statistics->set_gradient_norm(static_cast<float>(std::sqrt(numbers.gradient_squares)));
  statistics->set_gradient_mean(static_cast<float>(numbers.gradient_sum / n));
  statistics->set_gradient_std(std_of(numbers.gradient_sum, numbers.gradient_squares));
  statistics->set_update_ratio(weight_norm > 0 ? static_cast<float>(std::sqrt(numbers.update_squares) / weight_norm)
                                               : 0.0f);
  statistics->set_nan_count(numbers.nan_count);
  statistics->set_inf_count(numbers.inf_count);
}

}  // namespace traind::core

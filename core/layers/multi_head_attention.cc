// Self-attention over the positions of a sequence (Vaswani et al. 2017), as PyTorch's MultiheadAttention: with
// q, k, v = the three parts of x W_in^T + b_in, d = features / heads and, for each head,
//   p = softmax(q k^T / sqrt(d)),   r = p m,   o = r v,   y = (the heads' o side by side) W_out^T + b_out,
// where m is 1, or with dropout 0 or 1 / (1 - dropout) for each number of p, the way back is
//   dv = r^T do,   ds = softmax's gradient of (do v^T) m,   dq = ds k / sqrt(d),   dk = ds^T q / sqrt(d).
// m depends on (seed, layer name, step, example, head, query, key) alone.
// Projections are inner products over rows in the compute type. Between them everything is float32 and lies
// [batch * heads, length, d], which the kernels of matrix products like best.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/base/random.h"
#include "core/base/vectorize.h"
#include "core/kinds/checks.h"
#include "core/kinds/values.h"
#include "core/layers/drop_mask.h"
#include "core/layers/projection.h"
#include "core/onednn/primitives.h"

namespace traind::core {
namespace {

using onednn::Type;

constexpr Purpose kAttentionDropout("attention dropout");
constexpr int64_t kMostWeights = int64_t{1} << 31;  // As of a layer's output.

template <class From, class To>
TRAIND_VECTORIZED void CopyScaled(const From* __restrict from, float scale, int64_t n, To* __restrict to) {
  for (int64_t i = 0; i < n; ++i) to[i] = FromFloat<To>(ToFloat(from[i]) * scale);
}

// The sizes of a step.
struct Sizes {
  int64_t batch = 0, length = 0, heads = 0, each = 0;  // `each`: features of a head.

  int64_t features() const { return heads * each; }
  int64_t rows() const { return batch * length; }
  float scale() const { return static_cast<float>(1 / std::sqrt(static_cast<double>(each))); }
  onednn::Desc Heads() const { return onednn::Plain({batch * heads, length, each}, Type::f32); }
  onednn::Desc Weights() const { return onednn::Plain({batch * heads, length, length}, Type::f32); }
  onednn::Desc Transposed(const onednn::Desc& desc) const {
    const int64_t columns = desc == Heads() ? each : length;
    return {{batch * heads, columns, length}, Type::f32, {length * columns, 1, columns}};
  }
};

// Of rows of `width` values, the features that begin at `first`, times `scale`, to and from [batch * heads, length, d].
struct Columns {
  Value rows;
  int64_t width = 0;
  int64_t first = 0;
};

template <class T, bool kToHeads>
void MoveHeads(const Frame& frame, const Sizes& s, const Columns& columns, Value heads, float scale) {
  ParallelFor(s.batch * s.heads, GrainFor(s.length * s.each), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      T* row =
          frame.at<T>(columns.rows) + i / s.heads * s.length * columns.width + columns.first + i % s.heads * s.each;
      float* head = frame.at<float>(heads) + i * s.length * s.each;
      for (int64_t t = 0; t < s.length; ++t, row += columns.width, head += s.each) {
        if constexpr (kToHeads) {
          CopyScaled(row, scale, s.each, head);
        } else {
          CopyScaled(head, scale, s.each, row);
        }
      }
    }
  });
}

Value ToHeads(Planner& planner, const Sizes& s, const Columns& columns, float scale = 1) {
  const Value heads = planner.New(s.Heads());
  const bool bf16 = planner.compute_type() == Type::bf16;
  planner.Run("heads", {columns.rows}, {heads}, [=](const Frame& frame) {
    bf16 ? MoveHeads<Bfloat16, true>(frame, s, columns, heads, scale)
         : MoveHeads<float, true>(frame, s, columns, heads, scale);
  });
  return heads;
}

void FromHeads(Planner& planner, const Sizes& s, Value heads, const Columns& columns, float scale = 1) {
  const bool bf16 = planner.compute_type() == Type::bf16;
  planner.Run("heads", {heads}, {columns.rows}, [=](const Frame& frame) {
    bf16 ? MoveHeads<Bfloat16, false>(frame, s, columns, heads, scale)
         : MoveHeads<float, false>(frame, s, columns, heads, scale);
  });
}

// a b, a^T b or a b^T of two values of Heads() or Weights(), into a new one of `desc`.
enum class Side { kNone, kFirst, kSecond };
absl::StatusOr<Value> Product(Planner& planner, const Sizes& s, Value a, Value b, Side transposed,
                              const onednn::Desc& desc) {
  if (transposed == Side::kFirst) a = planner.View(a, s.Transposed(planner.Desc(a)));
  if (transposed == Side::kSecond) b = planner.View(b, s.Transposed(planner.Desc(b)));
  const auto product = onednn::MatMul(planner.Desc(a), planner.Desc(b), desc);
  if (!product.ok()) return product.status();
  const Value to = planner.New(desc);
  planner.Run(product->desc, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, to}});
  return to;
}

// The dropout of the weights.
struct AttentionDrop {
  Sizes sizes;
  RandomStream random;
  uint32_t threshold = 0;
  float scale = 1;  // Of the weights that stay.

  int64_t OfExample() const { return sizes.heads * sizes.length * sizes.length; }
  // Draws the mask of a step, and applies it.
  void Forward(uint64_t step, int64_t first_example, const float* p, uint8_t* mask, float* dropped) const {
    const int64_t blocks = (OfExample() + kDraw - 1) / kDraw;
    ParallelFor(sizes.batch * blocks, GrainFor(kDraw), [&](int64_t begin, int64_t end, int) {
      uint8_t drawn[kDraw];
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = i % blocks * kDraw;
        const int64_t n = std::min(kDraw, OfExample() - first);
        const int64_t at = i / blocks * OfExample() + first;
        DrawMask(random, step, static_cast<uint32_t>(first_example + i / blocks), first, n, threshold, drawn);
        std::copy_n(drawn, n, mask + at);
        ApplyMask(p + at, mask + at, scale, dropped + at, n);
      }
    });
  }
  void Backward(const uint8_t* mask, float* gradient) const {
    ParallelFor(sizes.batch * OfExample(), kValueGrain, [&](int64_t begin, int64_t end, int) {
      ApplyMask(gradient + begin, mask + begin, scale, gradient + begin, end - begin);
    });
  }
};

// What the way back reads.
struct Attention {
  Projected in, out;
  Value q, k, v;  // q with the scale in it.
  Value p;        // The weights of the attention,
  Value dropped;  // and after their dropout: p itself where there is none.
  std::optional<AttentionDrop> drop;
  Value mask;         // Of the dropout.
  onednn::Desc rows;  // p as [batch * heads * length, length].
  onednn::SoftmaxForward softmax;
};

class MultiHeadAttentionLayer : public Layer {
 public:
  explicit MultiHeadAttentionLayer(const v1::MultiHeadAttention& config) : config_(config) {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    const Shape* input = SingleSequence(inputs, errors);
    if (input == nullptr) return shape;
    const int64_t features = (*input)[0], length = (*input)[1], heads = config_.heads();
    if (features % heads != 0) {
      errors.At("heads").Add(absl::StrCat("must divide the features: ", features, " / ", heads));
    }
    // So that a minibatch of them can be counted.
    if (CheckedElements({heads, length, length}, kMostWeights) < 0) {
      errors.Add(absl::StrCat("compares ", length, " positions with each other ", heads,
                              " times: more than 2^31 numbers for one example; make the sequence shorter"));
    }
    shape.output = *input;
    const auto add = [&](const char* name, const Shape& of, bool weight) {
      shape.parameters.push_back({.name = name,
                                  .shape = of,
                                  .initializer = weight ? config_.weight_init() : config_.bias_init(),
                                  .fan_in = features,
                                  .fan_out = of[0],
                                  .penalized = weight});
    };
    add("in_proj_weight", {3 * features, features}, true);
    if (config_.bias()) add("in_proj_bias", {3 * features}, false);
    add("out_proj.weight", {features, features}, true);
    if (config_.bias()) add("out_proj.bias", {features}, false);
    CheckParameter(shape.parameters[0], errors.At("heads"));
    // The projections, q k^T and p v.
    shape.forward_flops = CheckedFlops(Elements(*input), 4 * features + 2 * length, 0, errors);
    return shape;
  }

  LayerTraits traits() const override {
    if (config_.dropout() == 0) return {};
    return {.purpose = kAttentionDropout};
  }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const Shape shape = planner.InputShape();
    const int64_t heads = config_.heads();
    const Sizes s{.batch = planner.batch(), .length = shape[1], .heads = heads, .each = shape[0] / heads};
    Attention a;
    auto in = Project(planner, In(s), RowsOf(planner, planner.Input()));
    if (!in.ok()) return in.status();
    a.in = *std::move(in);
    a.q = ToHeads(planner, s, Part(s, a.in.output, 0), s.scale());
    a.k = ToHeads(planner, s, Part(s, a.in.output, 1));
    a.v = ToHeads(planner, s, Part(s, a.in.output, 2));
    const auto scores = Product(planner, s, a.q, a.k, Side::kSecond, s.Weights());
    if (!scores.ok()) return scores.status();
    a.p = *scores;
    a.rows = onednn::Plain({s.batch * s.heads * s.length, s.length}, Type::f32);
    auto softmax = onednn::Softmax(a.rows, planner.training());
    if (!softmax.ok()) return softmax.status();
    a.softmax = *std::move(softmax);
    const Value weights = planner.View(a.p, a.rows);
    planner.Run(a.softmax.desc, {{DNNL_ARG_SRC, weights}, {DNNL_ARG_DST, weights}});
    PlanDropout(planner, s, a);
    const auto o = Product(planner, s, a.dropped, a.v, Side::kNone, s.Heads());
    if (!o.ok()) return o.status();
    const Value rows = planner.New(onednn::Plain({s.rows(), s.features()}, planner.compute_type()));
    FromHeads(planner, s, *o, {.rows = rows, .width = s.features()});
    auto out = Project(planner, Out(s), rows);
    if (!out.ok()) return out.status();
    a.out = *std::move(out);
    planner.SetOutput(FromRows(planner, a.out.output, shape));
    return [this, s, shape, a = std::move(a)](Planner& back) { return Backward(back, s, shape, a); };
  }

 private:
  Projection In(const Sizes& s) const {
    return {.weight = "in_proj_weight", .bias = config_.bias() ? "in_proj_bias" : "", .out = 3 * s.features()};
  }
  Projection Out(const Sizes& s) const {
    return {.weight = "out_proj.weight", .bias = config_.bias() ? "out_proj.bias" : "", .out = s.features()};
  }
  // Queries, keys or values, side by side in rows.
  static Columns Part(const Sizes& s, Value rows, int64_t part) {
    return {.rows = rows, .width = 3 * s.features(), .first = part * s.features()};
  }

  void PlanDropout(Planner& planner, const Sizes& s, Attention& a) const {
    a.dropped = a.p;
    if (config_.dropout() == 0 || !planner.sampling()) return;
    a.drop = AttentionDrop{.sizes = s,
                           .random = RandomStream(planner.seed(), kAttentionDropout, StreamOf(planner.layer_name())),
                           .threshold = DropThreshold(config_.dropout()),
                           .scale = 1.0f / static_cast<float>(1 - config_.dropout())};
    a.dropped = planner.New(s.Weights());
    a.mask = planner.New(onednn::Plain({s.batch * a.drop->OfExample()}, Type::u8));
    planner.Run("attention dropout", {a.p}, {a.mask, a.dropped},
                [drop = *a.drop, p = a.p, mask = a.mask, dropped = a.dropped](const Frame& frame) {
                  drop.Forward(frame.step(), frame.first_example(), frame.at<float>(p), frame.at<uint8_t>(mask),
                               frame.at<float>(dropped));
                });
  }

  absl::Status Backward(Planner& planner, const Sizes& s, const Shape& shape, const Attention& a) const {
    const auto of_rows = ProjectBack(planner, Out(s), a.out, GradientRows(planner, shape), /*wants_input=*/true);
    if (!of_rows.ok()) return of_rows.status();
    const Value of_o = ToHeads(planner, s, {.rows = *of_rows, .width = s.features()});
    const auto of_v = Product(planner, s, a.dropped, of_o, Side::kFirst, s.Heads());
    if (!of_v.ok()) return of_v.status();
    const auto of_p = Product(planner, s, of_o, a.v, Side::kSecond, s.Weights());
    if (!of_p.ok()) return of_p.status();
    if (a.drop.has_value()) {
      planner.Run("attention dropout gradient", {*of_p, a.mask}, {*of_p},
                  [drop = *a.drop, gradient = *of_p, mask = a.mask](const Frame& frame) {
                    drop.Backward(frame.at<uint8_t>(mask), frame.at<float>(gradient));
                  });
    }
    const auto softmax = onednn::SoftmaxGradient(a.rows, a.softmax);
    if (!softmax.ok()) return softmax.status();
    const Value of_scores = planner.View(*of_p, a.rows);
    planner.Run(
        softmax->desc,
        {{DNNL_ARG_DST, planner.View(a.p, a.rows)}, {DNNL_ARG_DIFF_DST, of_scores}, {DNNL_ARG_DIFF_SRC, of_scores}});
    const auto of_q = Product(planner, s, *of_p, a.k, Side::kNone, s.Heads());
    if (!of_q.ok()) return of_q.status();
    const auto of_k = Product(planner, s, *of_p, a.q, Side::kFirst, s.Heads());
    if (!of_k.ok()) return of_k.status();
    const Value of_in = planner.New(planner.Desc(a.in.output));
    FromHeads(planner, s, *of_q, Part(s, of_in, 0), s.scale());
    FromHeads(planner, s, *of_k, Part(s, of_in, 1));
    FromHeads(planner, s, *of_v, Part(s, of_in, 2));
    const bool wanted = planner.NeedsInputGradient();
    const auto of_input = ProjectBack(planner, In(s), a.in, of_in, wanted);
    if (!of_input.ok()) return of_input.status();
    if (wanted) GiveInputGradient(planner, 0, FromRows(planner, *of_input, shape));
    return absl::OkStatus();
  }

  const v1::MultiHeadAttention config_;
};

const Registered<Layer, v1::MultiHeadAttention> kMultiHeadAttention(
    "Self-attention of the positions of a sequence.",
    [](v1::MultiHeadAttention& config, const FieldErrors& errors) -> std::unique_ptr<Layer> {
      const int before = errors.count();
      CheckChannels(config.heads(), errors.At("heads"));
      if (!config.has_bias()) config.set_bias(true);
      CheckRate(config.dropout(), errors.At("dropout"));
      v1::Initializer xavier;
      xavier.mutable_xavier()->set_fan(v1::FAN_AVERAGE);
      xavier.mutable_xavier()->set_distribution(v1::DISTRIBUTION_UNIFORM);
      ResolveInitializer(config.mutable_weight_init(), xavier, errors.At("weight_init"));
      if (config.bias()) {
        ResolveInitializer(config.mutable_bias_init(), ZerosInitializer(), errors.At("bias_init"));
      } else if (config.has_bias_init()) {
        errors.At("bias_init").Add("contradicts bias: false");
      }
      return errors.count() > before ? nullptr : std::make_unique<MultiHeadAttentionLayer>(config);
    });

}  // namespace
}  // namespace traind::core

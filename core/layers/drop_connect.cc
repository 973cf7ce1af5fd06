// DropConnect (Wan et al. 2013): y_o = sum over i of w_oi m_oi x_i / keep + b_o in training, m_oi = 1 with probability
// keep; a dense layer at test time. With one mask for each step the weights are masked once, into a copy that an inner
// product reads. With one for each example every output of every example has other weights, which no library's kernel
// takes: loops of our own, that draw the masks as they go (connection_mask.h), in the backward pass once more.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/parallel.h"
#include "core/kinds/checks.h"
#include "core/kinds/values.h"
#include "core/layers/connection_mask.h"
#include "core/layers/fusion.h"
#include "core/layers/weight_gradients.h"
#include "core/onednn/desc.h"
#include "core/onednn/primitives.h"

namespace traind::core {
namespace {

using onednn::Type;

// The values of one step's kernels with a mask for each example; [units, inputs] and so on, all row-major.
struct PerExample {
  int64_t batch, inputs, units;
  ConnectionMask mask;
  Value x, weight, bias, y;
  Value dy, dx, dweight, dbias;
  Value sums;  // [batch, inputs]: dx in float32 where dx is not.
};

template <class T>
void RunForward(const Frame& frame, const PerExample& v) {
  const float* weight = frame.at<float>(v.weight);
  const float* bias = v.bias.valid() ? frame.at<float>(v.bias) : nullptr;
  ParallelFor(v.batch * v.units, 8, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / v.units, unit = i % v.units;
      const float sum = KeptProduct(v.mask, frame.step(), frame.first_example() + static_cast<uint32_t>(n),
                                    ConnectionMask::FirstBlock(unit, v.inputs), weight + unit * v.inputs,
                                    frame.at<T>(v.x) + n * v.inputs, v.inputs);
      frame.at<T>(v.y)[i] = FromFloat<T>(v.mask.scale * sum + (bias != nullptr ? bias[unit] : 0.0f));
    }
  });
}

template <class T>
void RunInputGradient(const Frame& frame, const PerExample& v) {
  ParallelFor(v.batch, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; ++n) {
      float* sums = frame.at<float>(v.sums) + n * v.inputs;
      std::fill(sums, sums + v.inputs, 0.0f);
      for (int64_t unit = 0; unit < v.units; ++unit) {
        const float factor = v.mask.scale * ToFloat(frame.at<T>(v.dy)[n * v.units + unit]);
        AddKept(v.mask, frame.step(), frame.first_example() + static_cast<uint32_t>(n),
                ConnectionMask::FirstBlock(unit, v.inputs), factor, frame.at<float>(v.weight) + unit * v.inputs,
                v.inputs, sums);
      }
      if (v.sums == v.dx) continue;
      std::transform(sums, sums + v.inputs, frame.at<T>(v.dx) + n * v.inputs, FromFloat<T>);
    }
  });
}

template <class T>
void RunWeightGradient(const Frame& frame, const PerExample& v) {
  ParallelFor(v.units, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t unit = begin; unit < end; ++unit) {
      float* dweight = frame.at<float>(v.dweight) + unit * v.inputs;
      std::fill(dweight, dweight + v.inputs, 0.0f);
      double dbias = 0;
      for (int64_t n = 0; n < v.batch; ++n) {
        const float dy = ToFloat(frame.at<T>(v.dy)[n * v.units + unit]);
        dbias += dy;
        AddKept(v.mask, frame.step(), frame.first_example() + static_cast<uint32_t>(n),
                ConnectionMask::FirstBlock(unit, v.inputs), v.mask.scale * dy, frame.at<T>(v.x) + n * v.inputs,
                v.inputs, dweight);
      }
      if (v.dbias.valid()) frame.at<float>(v.dbias)[unit] = static_cast<float>(dbias);
    }
  });
}

// What the weights of one step come to, or their gradient: from `from`, [units, inputs] of float32, to `to`.
template <class T>
void RunMask(const Frame& frame, const ConnectionMask& mask, Value from, Value to, int64_t units, int64_t inputs) {
  ParallelFor(units, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t unit = begin; unit < end; ++unit) {
      TakeKept(mask, frame.step(), 0, ConnectionMask::FirstBlock(unit, inputs), frame.at<float>(from) + unit * inputs,
               inputs, frame.at<T>(to) + unit * inputs);
    }
  });
}

class DropConnectLayer : public Layer {
 public:
  explicit DropConnectLayer(const v1::DropConnect& config) : config_(config) {}

  bool Widen(int64_t pieces) override {
    pieces_ = pieces;
    return true;
  }

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    return DenseShape(config_, pieces_, inputs, errors);
  }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const bool dropping = planner.sampling() && config_.rate() > 0;
    if (dropping && config_.per_example()) return PlanPerExample(planner);
    const Value source = planner.Flat(planner.Input());
    onednn::InnerProductOptions options{.src = planner.Desc(source),
                                        .weights = onednn::Any(WeightDims(planner), planner.compute_type()),
                                        .bias = config_.bias() ? onednn::Plain({units()}, Type::f32) : onednn::Desc(),
                                        .dst = onednn::Plain({planner.batch(), units()}, planner.compute_type())};
    // A masked copy is written row-major.
    const onednn::InnerProductOptions any = options;
    if (dropping) options.weights = onednn::Plain(WeightDims(planner), planner.compute_type());
    auto forward = WithFusedActivation(planner, options, onednn::InnerProduct);
    if (dropping && (!forward.ok() || IsReference(*forward))) {
      options = any;
      forward = WithFusedActivation(planner, options, onednn::InnerProduct);
    }
    if (!forward.ok()) return forward.status();
    const auto& chosen = forward->desc;
    Value weight;
    if (dropping) {
      weight = New(planner, planner.compute_type());
      Mask(planner, planner.Parameter("weight", onednn::Plain(WeightDims(planner), Type::f32)), weight);
    } else {
      weight = planner.Parameter("weight", chosen.weights_desc());
    }
    Value bias;
    if (config_.bias()) bias = planner.Parameter("bias", chosen.bias_desc());
    const Value output = planner.New(chosen.dst_desc());
    planner.Run(forward->desc, {{DNNL_ARG_SRC, planner.In(source, chosen.src_desc())},
                                {DNNL_ARG_WEIGHTS, planner.In(weight, chosen.weights_desc())},
                                {DNNL_ARG_BIAS, bias},
                                {DNNL_ARG_DST, output}});
    planner.SetOutput(output);
    if (!planner.training()) return BackwardPlan();
    return BackwardPlan([=, this, forward = *std::move(forward)](Planner& back) {
      return Backward(back, source, dropping ? weight : Value(), options, forward);
    });
  }

 private:
  int64_t units() const { return config_.units() * pieces_; }
  onednn::Dims WeightDims(const Planner& planner) const { return {units(), Elements(planner.InputShape())}; }
  Value New(Planner& planner, Type type) const { return planner.New(onednn::Plain(WeightDims(planner), type)); }
  ConnectionMask MaskOf(const Planner& planner) const {
    return {RandomStream(planner.seed(), Purpose::kDropConnect, StreamOf(planner.layer_name())), config_.rate()};
  }

  // Appends to = from with the step's mask.
  void Mask(Planner& planner, Value from, Value to) const {
    const ConnectionMask mask = MaskOf(planner);
    const int64_t units = this->units(), inputs = Elements(planner.InputShape());
    const bool bf16 = onednn::TypeOf(planner.Desc(to)) == Type::bf16;
    planner.Run("mask", {from}, {to}, [=](const Frame& frame) {
      bf16 ? RunMask<Bfloat16>(frame, mask, from, to, units, inputs)
           : RunMask<float>(frame, mask, from, to, units, inputs);
    });
  }

  // `masked` is the weights that the forward pass read; invalid where nothing is dropped.
  absl::Status Backward(Planner& planner, Value source, Value masked, onednn::InnerProductOptions options,
                        const onednn::InnerProductForward& forward) const {
    options.post_op.reset();
    const Value gradient = GradientAs(planner, options.dst);
    if (planner.NeedsInputGradient()) {
      options.weights = forward.desc.weights_desc();
      auto data = onednn::InnerProductGradientOfData(options, forward);
      if (!data.ok() || IsReference(*data)) {
        options.weights = onednn::Any(WeightDims(planner), planner.compute_type());
        data = onednn::InnerProductGradientOfData(options, forward);
      }
      if (!data.ok()) return data.status();
      if (!masked.valid()) {
        RunGradientOfData(planner, *data, gradient);
      } else {
        const Value input_gradient = planner.New(data->desc.diff_src_desc());
        planner.Run(data->desc, {{DNNL_ARG_DIFF_DST, planner.In(gradient, data->desc.diff_dst_desc())},
                                 {DNNL_ARG_WEIGHTS, planner.In(masked, data->desc.weights_desc())},
                                 {DNNL_ARG_DIFF_SRC, input_gradient}});
        GiveInputGradient(planner, 0, input_gradient);
      }
    }
    options.weights = onednn::Any(WeightDims(planner), Type::f32);
    auto weights = onednn::InnerProductGradientOfWeights(options, forward);
    if (!weights.ok()) return weights.status();
    if (!masked.valid()) {
      RunGradientOfWeights(planner, *weights, source, gradient, config_.bias());
      return absl::OkStatus();
    }
    const auto& chosen = weights->desc;
    const Value unmasked = planner.New(chosen.diff_weights_desc());
    Value bias_gradient;
    if (config_.bias()) bias_gradient = planner.ParameterGradient("bias", chosen.diff_bias_desc());
    planner.Run(weights->desc, {{DNNL_ARG_SRC, planner.In(source, chosen.src_desc())},
                                {DNNL_ARG_DIFF_DST, planner.In(gradient, chosen.diff_dst_desc())},
                                {DNNL_ARG_DIFF_WEIGHTS, unmasked},
                                {DNNL_ARG_DIFF_BIAS, bias_gradient}});
    const dnnl::memory::desc plain = onednn::Plain(WeightDims(planner), Type::f32);
    Mask(planner, planner.In(unmasked, plain), planner.ParameterGradient("weight", plain));
    return absl::OkStatus();
  }

  absl::StatusOr<BackwardPlan> PlanPerExample(Planner& planner) const {
    const bool bf16 = planner.compute_type() == Type::bf16;
    const int64_t inputs = Elements(planner.InputShape());
    PerExample v{.batch = planner.batch(),
                 .inputs = inputs,
                 .units = units(),
                 .mask = MaskOf(planner),
                 .x = planner.Flat(planner.Input()),
                 .weight = planner.Parameter("weight", onednn::Plain(WeightDims(planner), Type::f32)),
                 .bias = {},
                 .y = planner.New(onednn::Plain({planner.batch(), units()}, planner.compute_type())),
                 .dy = {},
                 .dx = {},
                 .dweight = {},
                 .dbias = {},
                 .sums = {}};
    std::vector<Value> reads = {v.x, v.weight};
    if (config_.bias()) reads.push_back(v.bias = planner.Parameter("bias", onednn::Plain({units()}, Type::f32)));
    planner.Run("drop connect", reads, {v.y},
                [=](const Frame& frame) { bf16 ? RunForward<Bfloat16>(frame, v) : RunForward<float>(frame, v); });
    planner.SetOutput(v.y);
    return BackwardPlan([=, this](Planner& back) {
      PerExample b = v;
      b.dy = GradientAs(back, back.Desc(v.y));
      if (back.NeedsInputGradient()) {
        b.dx = back.New(back.Desc(v.x));
        b.sums = bf16 ? back.New(onednn::Plain({v.batch, inputs}, Type::f32)) : b.dx;
        back.Run("drop connect gradient", {b.dy, b.weight}, {b.sums, b.dx}, [=](const Frame& frame) {
          bf16 ? RunInputGradient<Bfloat16>(frame, b) : RunInputGradient<float>(frame, b);
        });
        GiveInputGradient(back, 0, b.dx);
      }
      b.dweight = back.ParameterGradient("weight", onednn::Plain(WeightDims(back), Type::f32));
      std::vector<Value> writes = {b.dweight};
      if (config_.bias()) {
        writes.push_back(b.dbias = back.ParameterGradient("bias", onednn::Plain({units()}, Type::f32)));
      }
      back.Run("drop connect weight gradient", {b.x, b.dy}, writes, [=](const Frame& frame) {
        bf16 ? RunWeightGradient<Bfloat16>(frame, b) : RunWeightGradient<float>(frame, b);
      });
      return absl::OkStatus();
    });
  }

  const v1::DropConnect config_;
  int64_t pieces_ = 1;
};

const Registered<Layer, v1::DropConnect> kDropConnect(
    "A dense layer whose weights are dropped at random while training (slide 94).",
    [](v1::DropConnect& config, const FieldErrors& errors) -> std::unique_ptr<Layer> {
      const int before = errors.count();
      CheckChannels(config.units(), errors.At("units"));
      if (!config.has_rate()) config.set_rate(0.5);
      if (!(config.rate() >= 0 && config.rate() < 1)) errors.At("rate").Add("must be in [0, 1)");
      ResolveWeights(config, errors);
      return errors.count() > before ? nullptr : std::make_unique<DropConnectLayer>(config);
    });

}  // namespace
}  // namespace traind::core

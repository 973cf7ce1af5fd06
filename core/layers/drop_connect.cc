// DropConnect (Wan et al. 2013): y_o = sum over i of w_oi m_oi x_i / keep + b_o in training, m_oi = 1 with probability
// keep; a dense layer at test time. With one mask for each step the weights are masked once, into a copy that an inner
// product reads. With one for each example every output of every example has other weights, which no library's kernel
// takes: loops of our own (drop_connect_loops.h), which draw the masks again in the backward pass.
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/kinds/checks.h"
#include "core/kinds/values.h"
#include "core/layers/drop_connect_loops.h"
#include "core/layers/fusion.h"
#include "core/layers/weighted.h"
#include "core/onednn/desc.h"
#include "core/onednn/primitives.h"

namespace traind::core {
namespace {

using drop_connect::PerExample;
using onednn::Type;

constexpr Purpose kDropConnectPurpose = Purpose::Numbered(10);

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

  LayerTraits traits() const override {
    return {.linear = true, .weight_initializer = "weight_init", .purpose = kDropConnectPurpose};
  }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const bool dropping = planner.sampling() && config_.rate() > 0;
    return dropping && config_.per_example() ? PlanPerExample(planner) : PlanInnerProduct(planner, dropping);
  }

 private:
  int64_t units() const { return config_.units() * pieces_; }
  onednn::Dims WeightDims(const Planner& planner) const { return {units(), Elements(planner.InputShape())}; }
  ConnectionMask MaskOf(const Planner& planner) const {
    return {RandomStream(planner.seed(), kDropConnectPurpose, StreamOf(planner.layer_name())), config_.rate()};
  }

  // --- One mask for each step, or none.
  absl::StatusOr<BackwardPlan> PlanInnerProduct(Planner& planner, bool masked) const {
    const Value source = planner.Flat(planner.Input());
    onednn::InnerProductOptions options = InnerProductOf(planner, planner.Desc(source), units(), config_.bias());
    auto forward =
        masked ? OnRowMajorWeights(planner, options) : WithFusedActivation(planner, options, onednn::InnerProduct);
    if (!forward.ok()) return forward.status();
    const Value weight = masked ? MaskedWeight(planner) : Value();
    RunWeightedForward(planner, *forward, source, weight, config_.bias());
    if (!planner.training()) return BackwardPlan();
    options.post_op.reset();
    return BackwardPlan([=, this, forward = *std::move(forward)](Planner& back) {
      return Backward(back, source, weight, options, forward);
    });
  }

  // A masked copy is row-major; a kernel reads it so unless only the slow reference one would.
  absl::StatusOr<onednn::InnerProductForward> OnRowMajorWeights(Planner& planner,
                                                                onednn::InnerProductOptions& options) const {
    const onednn::InnerProductOptions any = options;
    options.weights = onednn::Plain(WeightDims(planner), planner.compute_type());
    auto forward = WithFusedActivation(planner, options, onednn::InnerProduct);
    if (forward.ok() && !IsReference(*forward)) return forward;
    options = any;
    return WithFusedActivation(planner, options, onednn::InnerProduct);
  }

  Value MaskedWeight(Planner& planner) const {
    const Value masked = planner.New(onednn::Plain(WeightDims(planner), planner.compute_type()));
    Mask(planner, planner.Parameter("weight", onednn::Plain(WeightDims(planner), Type::f32)), masked);
    return masked;
  }

  // Appends to = from with the step's mask.
  void Mask(Planner& planner, Value from, Value to) const {
    const ConnectionMask mask = MaskOf(planner);
    const int64_t units = this->units(), inputs = Elements(planner.InputShape());
    const bool bf16 = onednn::TypeOf(planner.Desc(to)) == Type::bf16;
    planner.Run("mask", {from}, {to}, [=](const Frame& frame) {
      bf16 ? drop_connect::RunMask<Bfloat16>(frame, mask, from, to, units, inputs)
           : drop_connect::RunMask<float>(frame, mask, from, to, units, inputs);
    });
  }

  // `masked` is the weights that the forward pass read; invalid where nothing is dropped.
  absl::Status Backward(Planner& planner, Value source, Value masked, const onednn::InnerProductOptions& options,
                        const onednn::InnerProductForward& forward) const {
    const auto unmasked = RunInnerProductGradients(planner, options, forward, source, masked, config_.bias());
    if (!unmasked.ok()) return unmasked.status();
    if (!masked.valid()) return absl::OkStatus();
    const dnnl::memory::desc plain = onednn::Plain(WeightDims(planner), Type::f32);
    Mask(planner, planner.In(*unmasked, plain), planner.ParameterGradient("weight", plain));
    return absl::OkStatus();
  }

  // --- One mask for each example.
  absl::StatusOr<BackwardPlan> PlanPerExample(Planner& planner) const {
    const bool bf16 = planner.compute_type() == Type::bf16;
    PerExample v{.batch = planner.batch(),
                 .inputs = Elements(planner.InputShape()),
                 .units = units(),
                 .mask = MaskOf(planner),
                 .x = planner.Flat(planner.Input()),
                 .weight = planner.Parameter("weight", onednn::Plain(WeightDims(planner), Type::f32)),
                 .y = planner.New(onednn::Plain({planner.batch(), units()}, planner.compute_type()))};
    std::vector<Value> reads = {v.x, v.weight};
    if (config_.bias()) reads.push_back(v.bias = planner.Parameter("bias", onednn::Plain({units()}, Type::f32)));
    planner.Run("drop connect", reads, {v.y}, [=](const Frame& frame) {
      bf16 ? drop_connect::RunForward<Bfloat16>(frame, v) : drop_connect::RunForward<float>(frame, v);
    });
    planner.SetOutput(v.y);
    return BackwardPlan([=, this](Planner& back) {
      PerExample b = v;
      b.dy = GradientAs(back, back.Desc(v.y));
      if (back.NeedsInputGradient()) RunInputGradient(back, b);
      RunWeightGradient(back, b);
      return absl::OkStatus();
    });
  }

  static void RunInputGradient(Planner& planner, PerExample& v) {
    const bool bf16 = planner.compute_type() == Type::bf16;
    v.dx = planner.New(planner.Desc(v.x));
    v.sums = bf16 ? planner.New(onednn::Plain({v.batch, v.inputs}, Type::f32)) : v.dx;
    planner.Run("drop connect gradient", {v.dy, v.weight}, {v.sums, v.dx}, [=](const Frame& frame) {
      bf16 ? drop_connect::RunInputGradient<Bfloat16>(frame, v) : drop_connect::RunInputGradient<float>(frame, v);
    });
    GiveInputGradient(planner, 0, v.dx);
  }

  void RunWeightGradient(Planner& planner, PerExample& v) const {
    const bool bf16 = planner.compute_type() == Type::bf16;
    v.dweight = planner.ParameterGradient("weight", onednn::Plain(WeightDims(planner), Type::f32));
    std::vector<Value> writes = {v.dweight};
    if (config_.bias()) {
      writes.push_back(v.dbias = planner.ParameterGradient("bias", onednn::Plain({units()}, Type::f32)));
    }
    planner.Run("drop connect weight gradient", {v.x, v.dy}, writes, [=](const Frame& frame) {
      bf16 ? drop_connect::RunWeightGradient<Bfloat16>(frame, v) : drop_connect::RunWeightGradient<float>(frame, v);
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
      CheckRate(config.rate(), errors.At("rate"));
      ResolveWeights(config, errors);
      return errors.count() > before ? nullptr : std::make_unique<DropConnectLayer>(config);
    });

}  // namespace
}  // namespace traind::core

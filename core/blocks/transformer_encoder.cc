// One layer of a transformer's encoder, pre-norm (Vaswani et al. 2017; Dosovitskiy et al. 2021):
//   a = x + attention(norm1(x)),   y = a + project(activation(expand(norm2(a))))
#include <memory>
#include <string>
#include <utility>

#include "core/kinds/block.h"
#include "core/kinds/checks.h"
#include "core/kinds/make_layers.h"

namespace traind::core {
namespace {

constexpr uint32_t kMlpFactor = 4;

class TransformerEncoderBlock final : public Block {
 public:
  explicit TransformerEncoderBlock(const v1::TransformerEncoder& config) : config_(config) {}

  void Expand(BlockBuilder& builder, const FieldErrors& errors) const override {
    const Shape* input = builder.ShapeOf(BlockBuilder::kInput);
    const uint32_t features = input ? static_cast<uint32_t>((*input)[0]) : config_.heads();
    if (input != nullptr && !config_.has_mlp_width()) CheckChannels(int64_t{kMlpFactor} * features, errors);
    builder.Add(Norm("norm1"));
    v1::Layer attention = Named("attention");
    attention.mutable_multi_head_attention()->set_heads(config_.heads());
    *attention.mutable_multi_head_attention()->mutable_weight_init() = config_.weight_init();
    attention.mutable_multi_head_attention()->set_dropout(config_.attention_dropout());
    builder.Add(std::move(attention));
    v1::Layer attended = Named("attended");
    attended.mutable_add();
    const std::string first = Branch(builder, "attention", "1");
    builder.Add(Reading(std::move(attended), {first, std::string(BlockBuilder::kInput)}));

    builder.Add(Norm("norm2"));
    builder.Add(With(Dense("expand", config_.has_mlp_width() ? config_.mlp_width() : kMlpFactor * features),
                     config_.activation()));
    if (config_.dropout() > 0) builder.Add(MakeDropout("drop", config_.dropout()));
    builder.Add(Dense("project", features));
    v1::Layer sum = Named("sum");
    sum.mutable_add();
    const std::string second = Branch(builder, "project", "2");
    builder.AddLast(Reading(std::move(sum), {second, "attended"}));
  }

 private:
  v1::Layer Norm(std::string name) const {
    v1::Layer layer = Named(std::move(name));
    layer.mutable_layer_norm()->set_per_position(true);
    layer.mutable_layer_norm()->set_epsilon(config_.epsilon());
    return layer;
  }

  v1::Layer Dense(std::string name, uint32_t units) const {
    v1::Layer layer = MakeDense(std::move(name), units);
    layer.mutable_dense()->set_per_position(true);
    *layer.mutable_dense()->mutable_weight_init() = config_.weight_init();
    return layer;
  }

  // What stands at the end of a branch; returns what the sum reads.
  std::string Branch(BlockBuilder& builder, std::string last, const std::string& number) const {
    if (config_.dropout() > 0) builder.Add(MakeDropout(last = "drop" + number, config_.dropout()));
    if (config_.survival() < 1) {
      v1::Layer depth = Named(last = "depth" + number);
      depth.mutable_stochastic_depth()->set_survival(config_.survival());
      depth.mutable_stochastic_depth()->set_per_example(true);
      builder.Add(std::move(depth));
    }
    return last;
  }

  const v1::TransformerEncoder config_;
};

const Registered<Block, v1::TransformerEncoder> kTransformerEncoder(
    "One layer of a transformer's encoder, pre-norm: attention and a small network for each position.",
    [](v1::TransformerEncoder& config, const FieldErrors& errors) -> std::unique_ptr<Block> {
      const int before = errors.count();
      CheckChannels(config.heads(), errors.At("heads"));
      if (config.has_mlp_width()) CheckChannels(config.mlp_width(), errors.At("mlp_width"));
      if (config.activation().kind_case() == v1::Activation::KIND_NOT_SET) config.mutable_activation()->mutable_gelu();
      ResolveActivation(*config.mutable_activation(), errors.At("activation"));
      CheckRate(config.dropout(), errors.At("dropout"));
      CheckRate(config.attention_dropout(), errors.At("attention_dropout"));
      if (!config.has_survival()) config.set_survival(1);
      CheckShare(config.survival(), errors.At("survival"));
      if (!config.has_epsilon()) config.set_epsilon(1e-5);
      // As layer_norm checks it.
      if (!(config.epsilon() >= 1e-30 && config.epsilon() <= 1e30)) {
        errors.At("epsilon").Add("must be above 0, at least 1e-30 and at most 1e30");
      }
      v1::Initializer xavier;
      xavier.mutable_xavier()->set_fan(v1::FAN_AVERAGE);
      xavier.mutable_xavier()->set_distribution(v1::DISTRIBUTION_UNIFORM);
      ResolveInitializer(config.mutable_weight_init(), xavier, errors.At("weight_init"));
      return errors.count() > before ? nullptr : std::make_unique<TransformerEncoderBlock>(config);
    });

}  // namespace
}  // namespace traind::core

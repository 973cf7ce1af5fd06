// y = F(x) + shortcut(x) (He et al. 2015 and 2016, slides 65-66).
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/kind.h"
#include "core/kinds/block.h"
#include "core/kinds/checks.h"
#include "core/kinds/layer.h"
#include "core/kinds/make_layers.h"

namespace traind::core {
namespace {

// The layer of a config that the graph checks too, and reports on; null where it is wrong.
std::unique_ptr<Layer> MakeLayer(v1::Layer config) {
  FieldErrors::Root ignored;
  return Registry<Layer>::Get().Create(config, ignored.scope());
}

// Whether a layer among these or inside of them takes statistics over the minibatch.
bool NormalizesOverBatch(const LayerList& layers) {
  return std::any_of(layers.begin(), layers.end(), [](const v1::Layer& config) {
    if (!config.has_block()) {
      const auto layer = MakeLayer(config);
      return layer != nullptr && layer->traits().normalizes_over_batch;
    }
    FieldErrors::Root ignored;
    v1::Block copy = config.block();
    const auto block = Registry<Block>::Get().Create(copy, ignored.scope());
    if (block == nullptr) return false;
    const auto written = block->written();
    return block->normalizes_over_batch() ||
           std::any_of(written.begin(), written.end(), [](const auto* list) { return NormalizesOverBatch(*list); });
  });
}

// False where the config has no such field, as the Any of an extension.
bool StartAtZero(std::string_view initializer_field, v1::Layer& layer) {
  google::protobuf::Message& config = *layer.GetReflection()->MutableMessage(&layer, KindField(layer));
  const auto* field = config.GetDescriptor()->FindFieldByName(std::string(initializer_field));
  if (field == nullptr || field->message_type() != v1::Initializer::descriptor()) return false;
  config.GetReflection()->MutableMessage(&config, field)->CopyFrom(ZerosInitializer());
  return true;
}

// Lets the weight of the layer with which F ends start at zero, so that F is zero: nothing stands behind it but what
// keeps zeros zero and lets gradients back. False when F does not end so.
bool EndAtZero(LayerList& layers) {
  for (auto config = layers.rbegin(); config != layers.rend(); ++config) {
    if (config->has_activation() || config->has_block()) return false;
    const auto layer = MakeLayer(*config);
    if (layer == nullptr) return true;  // The graph says what is wrong.
    const LayerTraits traits = layer->traits();
    if (!traits.weight_initializer.empty()) return StartAtZero(traits.weight_initializer, *config);
    if (!traits.passes_zeros) return false;
  }
  return false;
}

// The stride with which a kernel of 1 makes `out` positions of `in`; 0 for none.
int64_t StrideBetween(int64_t in, int64_t out) {
  const int64_t stride = (in + out - 1) / out;
  return (in - 1) / stride + 1 == out ? stride : 0;
}

class ResidualBlock final : public Block {
 public:
  explicit ResidualBlock(const v1::Residual& config) : config_(config) {}

  void Expand(BlockBuilder& builder, const FieldErrors& errors) const override {
    if (!config_.layers().empty()) return ExpandWritten(builder, errors);
    const Shape* input = builder.ShapeOf(BlockBuilder::kInput);
    if (input != nullptr && input->size() != 3) {
      errors.Add(absl::StrCat("a standard body needs an input of [channels, height, width], not ", ToString(*input)));
      return;
    }
    if (config_.initialization() == v1::Residual::INITIALIZATION_FIXUP) return ExpandFixup(builder);
    if (config_.order() == v1::Residual::ORDER_PRE_ACTIVATION) return ExpandPreActivation(builder);
    ExpandPostActivation(builder);
  }

  std::vector<const LayerList*> written() const override { return {&config_.layers()}; }
  bool is_residual() const override { return true; }
  bool normalizes_over_batch() const override {
    return config_.layers().empty() && config_.initialization() != v1::Residual::INITIALIZATION_FIXUP;
  }

 private:
  bool bottleneck() const { return config_.body() == v1::Residual::BODY_BOTTLENECK; }
  int num_convs() const { return bottleneck() ? 3 : 2; }
  uint32_t out_channels() const { return config_.channels() * (bottleneck() ? config_.expansion() : 1); }

  // Convolution `i`, from 1, of a standard body.
  v1::Layer Conv(int i) const {
    const bool pointwise = bottleneck() && i != 2;
    const bool strided = i == (bottleneck() ? 2 : 1);
    return MakeConv(absl::StrCat("conv", i), {.channels = i == num_convs() ? out_channels() : config_.channels(),
                                              .kernel = pointwise ? 1u : 3u,
                                              .stride = strided ? config_.stride() : 1});
  }

  // Whether the shortcut of a standard body is a convolution.
  bool Projects(const BlockBuilder& builder) const {
    if (config_.shortcut() != v1::Residual::SHORTCUT_UNSPECIFIED) {
      return config_.shortcut() == v1::Residual::SHORTCUT_PROJECTION;
    }
    const Shape* input = builder.ShapeOf(BlockBuilder::kInput);
    return config_.stride() > 1 || (input != nullptr && (*input)[0] != out_channels());
  }
  v1::Layer Projection(const std::string& input) const {
    return Reading(MakeConv("shortcut", {.channels = out_channels(), .kernel = 1, .stride = config_.stride()}),
                   {input});
  }

  void AddDropout(BlockBuilder& builder, int conv) const {
    if (config_.dropout() > 0) builder.Add(MakeDropout(absl::StrCat("drop", conv), config_.dropout()));
  }

  // Stochastic depth on the branch that ends in `last`; returns what the sum reads.
  std::string AddDepth(BlockBuilder& builder, const std::string& last) const {
    if (config_.survival() == 1) return last;
    v1::Layer depth = Named("depth");
    depth.mutable_stochastic_depth()->set_survival(config_.survival());
    builder.Add(Reading(std::move(depth), {last}));
    return "depth";
  }

  static v1::Layer Sum(const std::string& branch, const std::string& shortcut) {
    v1::Layer sum = Named("sum");
    sum.mutable_add();
    return Reading(std::move(sum), {branch, shortcut});
  }

  void ExpandPostActivation(BlockBuilder& builder) const {
    for (int i = 1; i <= num_convs(); ++i) {
      const bool last = i == num_convs();
      builder.Add(Conv(i));
      v1::Layer norm = MakeBatchNorm(absl::StrCat("norm", i));
      if (last && config_.initialization() == v1::Residual::INITIALIZATION_ZERO_LAST) {
        *norm.mutable_batch_norm()->mutable_weight_init() = ZerosInitializer();
      }
      builder.Add(last ? std::move(norm) : With(std::move(norm), config_.activation()));
      if (!last) AddDropout(builder, i);
    }
    const std::string branch = AddDepth(builder, absl::StrCat("norm", num_convs()));
    std::string shortcut(BlockBuilder::kInput);
    if (Projects(builder)) {
      builder.Add(Projection(shortcut));
      builder.Add(MakeBatchNorm("shortcut_norm"));
      shortcut = "shortcut_norm";
    }
    builder.AddLast(With(Sum(branch, shortcut), config_.activation()));
  }

  void ExpandPreActivation(BlockBuilder& builder) const {
    for (int i = 1; i <= num_convs(); ++i) {
      builder.Add(With(MakeBatchNorm(absl::StrCat("norm", i)), config_.activation()));
      if (i > 1) AddDropout(builder, i - 1);
      v1::Layer conv = Conv(i);
      if (i == num_convs() && config_.initialization() == v1::Residual::INITIALIZATION_ZERO_LAST) {
        *conv.mutable_conv2d()->mutable_weight_init() = ZerosInitializer();
      }
      builder.Add(std::move(conv));
    }
    const std::string branch = AddDepth(builder, absl::StrCat("conv", num_convs()));
    const bool projects = Projects(builder);
    if (projects) builder.Add(Projection("norm1"));
    builder.AddLast(Sum(branch, projects ? "shortcut" : std::string(BlockBuilder::kInput)));
  }

  // Zhang et al. 2019: a scalar bias before each convolution and each activation, and one scale for the block. The
  // shortcut's convolution reads what the first one does. With pre-activation the activations stand before the
  // convolutions, and what follows the block has its own bias.
  void ExpandFixup(BlockBuilder& builder) const {
    const bool pre = config_.order() == v1::Residual::ORDER_PRE_ACTIVATION;
    const auto bias = [](int conv, const char* which) {
      return MakeScalarAffine(absl::StrCat("bias", conv, which), /*weight=*/false, /*bias=*/true);
    };
    const double blocks = builder.residual_blocks();
    const double scale = std::pow(blocks, -1.0 / (2 * num_convs() - 2));
    for (int i = 1; i <= num_convs(); ++i) {
      const bool last = i == num_convs();
      if (pre) builder.Add(With(bias(i, ""), config_.activation()));
      if (pre && i > 1) AddDropout(builder, i - 1);
      builder.Add(bias(i, "a"));
      v1::Layer conv = Conv(i);
      v1::Initializer& init = *conv.mutable_conv2d()->mutable_weight_init();
      if (last) {
        init.mutable_zeros();
      } else {
        init.mutable_xavier()->set_gain(std::sqrt(2.0) * scale);  // Kaiming, scaled.
      }
      builder.Add(std::move(conv));
      if (last) {
        builder.Add(MakeScalarAffine("scale", /*weight=*/true, /*bias=*/!pre));
      } else if (!pre) {
        builder.Add(With(bias(i, "b"), config_.activation()));
        AddDropout(builder, i);
      }
    }
    const std::string branch = AddDepth(builder, "scale");
    const bool projects = Projects(builder);
    if (projects) builder.Add(Projection("bias1a"));
    v1::Layer sum = Sum(branch, projects ? "shortcut" : std::string(BlockBuilder::kInput));
    builder.AddLast(pre ? std::move(sum) : With(std::move(sum), config_.activation()));
  }

  void ExpandWritten(BlockBuilder& builder, const FieldErrors& errors) const {
    LayerList layers = config_.layers();
    if (config_.initialization() == v1::Residual::INITIALIZATION_ZERO_LAST && !EndAtZero(layers)) {
      errors.At("initialization")
          .Add("ZERO_LAST needs layers that end in a weight that can start at zero, without an activation behind it");
      return;
    }
    const std::string last = builder.AddWritten(layers, errors);
    const Shape* from = builder.ShapeOf(BlockBuilder::kInput);
    const Shape* to = builder.ShapeOf(last);
    // Without the shapes the sum is not checked either: there is a violation already.
    const bool same = from == nullptr || to == nullptr || *from == *to;
    const bool projects = config_.shortcut() == v1::Residual::SHORTCUT_PROJECTION ||
                          (config_.shortcut() == v1::Residual::SHORTCUT_UNSPECIFIED && !same);
    std::string shortcut(BlockBuilder::kInput);
    if (projects && from != nullptr && to != nullptr) {
      const std::optional<v1::Layer> projection = ProjectionBetween(*from, *to, errors);
      if (!projection) return;
      builder.Add(Reading(*projection, {shortcut}));
      shortcut = "shortcut";
      if (NormalizesOverBatch(layers)) {
        builder.Add(MakeBatchNorm("shortcut_norm"));
        shortcut = "shortcut_norm";
      }
    } else if (!same) {
      errors.At("shortcut")
          .Add(absl::StrCat("IDENTITY needs layers that keep the shape, and these make ", ToString(*to), " of ",
                            ToString(*from)));
      return;
    }
    const std::string branch = AddDepth(builder, last);
    builder.AddLast(Sum(branch, shortcut));
  }

  // Null, with a violation, where no stride fits.
  static std::optional<v1::Layer> ProjectionBetween(const Shape& from, const Shape& to, const FieldErrors& errors) {
    if (to.size() == 1 && from.size() == 1) return MakeDense("shortcut", static_cast<uint32_t>(to[0]), /*bias=*/false);
    if (to.size() == 3 && from.size() == 3) {
      const int64_t down = StrideBetween(from[1], to[1]), across = StrideBetween(from[2], to[2]);
      if (down > 0 && across > 0) {
        v1::Layer conv = MakeConv("shortcut", {.channels = static_cast<uint32_t>(to[0]), .kernel = 1});
        conv.mutable_conv2d()->clear_stride();
        conv.mutable_conv2d()->add_stride(static_cast<uint32_t>(down));
        conv.mutable_conv2d()->add_stride(static_cast<uint32_t>(across));
        return conv;
      }
    }
    errors.At("shortcut")
        .Add(absl::StrCat("no projection makes ", ToString(to), ", the shape of the layers' output, of ",
                          ToString(from)));
    return std::nullopt;
  }

  const v1::Residual config_;
};

// The fields that describe a standard body, where the user wrote its layers.
void RejectStandardBody(const v1::Residual& config, const FieldErrors& errors) {
  const auto reject = [&](bool set, const char* field) {
    if (set) errors.At(field).Add("is of a standard body, and contradicts layers");
  };
  reject(config.body() != v1::Residual::BODY_UNSPECIFIED, "body");
  reject(config.channels() != 0, "channels");
  reject(config.has_stride(), "stride");
  reject(config.order() != v1::Residual::ORDER_UNSPECIFIED, "order");
  reject(config.dropout() != 0, "dropout");
  reject(config.has_activation(), "activation");
  reject(config.has_expansion(), "expansion");
  if (config.initialization() == v1::Residual::INITIALIZATION_FIXUP) {
    errors.At("initialization").Add("FIXUP is of a standard body, and contradicts layers");
  }
}

void ResolveStandardBody(v1::Residual& config, const FieldErrors& errors) {
  if (config.body() == v1::Residual::BODY_UNSPECIFIED) config.set_body(v1::Residual::BODY_BASIC);
  if (config.order() == v1::Residual::ORDER_UNSPECIFIED) config.set_order(v1::Residual::ORDER_POST_ACTIVATION);
  if (config.body() != v1::Residual::BODY_BASIC && config.body() != v1::Residual::BODY_BOTTLENECK) {
    errors.At("body").Add("must be BASIC or BOTTLENECK");
  }
  if (config.order() != v1::Residual::ORDER_POST_ACTIVATION && config.order() != v1::Residual::ORDER_PRE_ACTIVATION) {
    errors.At("order").Add("must be POST_ACTIVATION or PRE_ACTIVATION");
  }
  if (config.body() != v1::Residual::BODY_BOTTLENECK) {
    if (config.has_expansion()) errors.At("expansion").Add("is of a BOTTLENECK body, and this one is BASIC");
  } else {
    if (!config.has_expansion()) config.set_expansion(4);
    CheckCount(config.expansion(), 1, 64, errors.At("expansion"));
  }
  const int64_t most = std::max<int64_t>(4, std::min(config.expansion(), 64u));
  CheckCount(config.channels(), 1, kMaxChannels / most, errors.At("channels"));
  if (!config.has_stride()) config.set_stride(1);
  CheckCount(config.stride(), 1, 1024, errors.At("stride"));
  CheckRate(config.dropout(), errors.At("dropout"));
  ResolveActivation(*config.mutable_activation(), errors.At("activation"));
}

const Registered<Block, v1::Residual> kResidual(
    "The sum of some layers' output and their input (slides 65-66).",
    [](v1::Residual& config, const FieldErrors& errors) -> std::unique_ptr<Block> {
      const int before = errors.count();
      config.layers().empty() ? ResolveStandardBody(config, errors) : RejectStandardBody(config, errors);
      if (!v1::Residual::Shortcut_IsValid(config.shortcut())) {
        errors.At("shortcut").Add("must be IDENTITY or PROJECTION");
      }
      if (!v1::Residual::Initialization_IsValid(config.initialization())) {
        errors.At("initialization").Add("must be ZERO_LAST or FIXUP");
      }
      if (!config.has_survival()) config.set_survival(1);
      CheckShare(config.survival(), errors.At("survival"));
      return errors.count() > before ? nullptr : std::make_unique<ResidualBlock>(config);
    });

}  // namespace
}  // namespace traind::core

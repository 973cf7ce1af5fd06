// The convolutional network for sentences (Kim 2014): an embedding, convolutions of several lengths side by side,
// max-over-time pooling, dropout, one dense layer.
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/kinds/checks.h"
#include "core/kinds/make_layers.h"
#include "core/kinds/preset.h"

namespace traind::core {
namespace {

// Lengths of convolutions, far above use.
constexpr int kMostKernels = 32;
constexpr uint32_t kLongestKernel = 1 << 20;

class TextCnnNetwork final : public Preset {
 public:
  explicit TextCnnNetwork(const v1::TextCnnPreset& config) : config_(config) {}

  std::vector<v1::Layer> Layers(const std::optional<Shape>& /*input*/) const override {
    v1::Layer embedding = Named("embedding");
    v1::Embedding& table = *embedding.mutable_embedding();
    table.set_vocabulary(config_.vocabulary());
    table.set_features(config_.features());
    // As the paper's words that have no vector yet: uniform in [-0.25, 0.25].
    table.mutable_weight_init()->mutable_uniform()->set_low(-0.25);
    table.mutable_weight_init()->mutable_uniform()->set_high(0.25);
    if (config_.has_padding_token()) table.set_padding_token(config_.padding_token());
    std::vector<v1::Layer> layers = {std::move(embedding)};
    std::vector<std::string> pools;
    for (const uint32_t kernel : config_.kernels()) {
      v1::Layer conv = Named(absl::StrCat("conv", kernel));
      conv.mutable_conv1d()->set_out_channels(config_.channels());
      conv.mutable_conv1d()->set_kernel(kernel);
      layers.push_back(With(Reading(std::move(conv), {"embedding"}), config_.activation()));
      v1::Layer pool = Named(absl::StrCat("pool", kernel));
      pool.mutable_global_max_pool();
      layers.push_back(std::move(pool));
      pools.push_back(layers.back().name());
    }
    if (pools.size() > 1) layers.push_back(MakeConcat("features", pools));
    if (config_.dropout() > 0) layers.push_back(MakeDropout("drop", config_.dropout()));
    layers.push_back(MakeDense("logits", config_.classes()));
    return layers;
  }

 private:
  const v1::TextCnnPreset config_;
};

void ResolveKernels(google::protobuf::RepeatedField<uint32_t>& kernels, const FieldErrors& errors) {
  if (kernels.empty()) {
    for (const uint32_t kernel : {3u, 4u, 5u}) kernels.Add(kernel);
  }
  if (kernels.size() > kMostKernels) errors.Add(absl::StrCat("must be at most ", kMostKernels, " lengths"));
  for (const uint32_t kernel : kernels) CheckCount(kernel, 1, kLongestKernel, errors);
  if (std::set<uint32_t>(kernels.begin(), kernels.end()).size() < static_cast<size_t>(kernels.size())) {
    errors.Add("names a length twice; say more channels");
  }
}

const Registered<Preset, v1::TextCnnPreset> kTextCnn(
    "The convolutional network for sentences (Kim 2014), for inputs of token ids.",
    [](v1::TextCnnPreset& config, const FieldErrors& errors) -> std::unique_ptr<Preset> {
      const int before = errors.count();
      CheckCount(config.classes(), 1, kMaxChannels, errors.At("classes"));
      CheckChannels(config.vocabulary(), errors.At("vocabulary"));
      if (!config.has_features()) config.set_features(300);
      CheckChannels(config.features(), errors.At("features"));
      ResolveKernels(*config.mutable_kernels(), errors.At("kernels"));
      if (!config.has_channels()) config.set_channels(100);
      CheckCount(config.channels(), 1, kMaxChannels / kMostKernels, errors.At("channels"));
      if (!config.has_dropout()) config.set_dropout(0.5);
      CheckRate(config.dropout(), errors.At("dropout"));
      ResolveActivation(*config.mutable_activation(), errors.At("activation"));
      if (config.has_padding_token() && config.padding_token() >= config.vocabulary()) {
        errors.At("padding_token")
            .Add(absl::StrCat("must be below the vocabulary, ", config.vocabulary(), ", not ", config.padding_token()));
      }
      return errors.count() > before ? nullptr : std::make_unique<TextCnnNetwork>(config);
    });

}  // namespace
}  // namespace traind::core

// The required fields of each kind, for tests that go over all of them.
#pragma once

#include <map>
#include <string>

namespace traind::core {

// For "layer/dense" and so on; empty where nothing is required.
inline std::string Example(const std::string& kind) {
  static const std::map<std::string, std::string> examples = {
      {"layer/dense", "units: 6"},
      {"layer/conv2d", "out_channels: 6 kernel: 3"},
      {"layer/max_pool", "kernel: 2"},
      {"layer/avg_pool", "kernel: 2"},
      {"layer/drop_connect", "units: 6 per_example: true"},
      {"layer/group_norm", "groups: 3"},
      {"layer/stochastic_depth", "survival: 0.6 per_example: true"},
      {"layer/depthwise_conv2d", "kernel: 3 multiplier: 2"},
      {"layer/conv_transpose2d", "out_channels: 6 kernel: 3"},
      {"layer/conv1d", "out_channels: 6 kernel: 3"},
      {"layer/embedding", "vocabulary: 20 features: 6"},
      {"layer/multi_head_attention", "heads: 3"},
      {"block/residual", "channels: 5 survival: 0.7"},
      {"block/dense_block", "layers: 2 growth: 4 dropout: 0.2"},
      {"block/branches",
       "branches { layers { name: 'a' conv2d { out_channels: 5 kernel: 1 } } } "
       "branches { layers { name: 'b' max_pool { kernel: 3 stride: 1 padding { mode: MODE_SAME } } } }"},
      {"block/transformer_encoder", "heads: 3 dropout: 0.2 survival: 0.7"},
      {"preset/mlp", "classes: 5 width: 16 batch_norm: true dropout: 0.2"},
      {"preset/lenet", "classes: 5"},
      {"preset/alexnet", "classes: 5 width: 6 dense_width: 8 local_response_norm: true"},
      {"preset/googlenet", "classes: 5 width: 8"},
      {"preset/vgg16", "classes: 5 width: 2 dense_width: 8"},
      {"preset/resnet", "classes: 5 depth: 20 width: 4 fixup: true dropout: 0.1"},
      {"preset/wide_resnet", "classes: 5 depth: 10 widen: 1 dropout: 0.1 fixup: true"},
      {"preset/densenet", "classes: 5 depth: 10 growth: 4 bottleneck: true"},
      {"preset/text_cnn", "classes: 5 vocabulary: 20 features: 6 channels: 4"},
      {"preset/vit_tiny", "classes: 5 width: 12 depth: 2 heads: 3 dropout: 0.1 final_survival: 0.8"},
  };
  const auto found = examples.find(kind);
  return found == examples.end() ? "" : found->second;
}

// What a layer or block reads beside images and features.
inline bool ReadsTokens(const std::string& kind) { return kind == "embedding" || kind == "text_cnn"; }
inline bool ReadsSequence(const std::string& kind) {
  return kind == "conv1d" || kind == "positional_embedding" || kind == "class_token" ||
         kind == "multi_head_attention" || kind == "take_position" || kind == "transformer_encoder";
}
inline bool ReadsTwo(const std::string& kind) { return kind == "add" || kind == "concat" || kind == "multiply"; }

}  // namespace traind::core

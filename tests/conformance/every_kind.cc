#include "tests/conformance/every_kind.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "traind/v1/network.pb.h"

namespace traind::core {
namespace {

// The required fields of a kind.
std::string Example(const std::string& kind) {
  static const std::map<std::string, std::string> examples = {
      {"layer/dense", "units: 6"},
      {"layer/conv2d", "out_channels: 6 kernel: 3"},
      {"layer/max_pool", "kernel: 2"},
      {"layer/avg_pool", "kernel: 2"},
      {"layer/drop_connect", "units: 6 per_example: true"},
      {"layer/group_norm", "groups: 3"},
      {"layer/stochastic_depth", "survival: 0.6 per_example: true"},
      {"block/residual", "channels: 5 survival: 0.7"},
      {"block/dense_block", "layers: 2 growth: 4 dropout: 0.2"},
      {"block/branches",
       "branches { layers { name: 'a' conv2d { out_channels: 5 kernel: 1 } } } "
       "branches { layers { name: 'b' max_pool { kernel: 3 stride: 1 padding { mode: SAME } } } }"},
      {"preset/mlp", "classes: 5 width: 16 batch_norm: true dropout: 0.2"},
      {"preset/lenet", "classes: 5"},
      {"preset/alexnet", "classes: 5 width: 6 dense_width: 8 local_response_norm: true"},
      {"preset/googlenet", "classes: 5 width: 8"},
      {"preset/vgg16", "classes: 5 width: 2 dense_width: 8"},
      {"preset/resnet", "classes: 5 depth: 20 width: 4 fixup: true dropout: 0.1"},
      {"preset/wide_resnet", "classes: 5 depth: 10 widen: 1 dropout: 0.1 fixup: true"},
      {"preset/densenet", "classes: 5 depth: 10 growth: 4 bottleneck: true"},
  };
  const auto found = examples.find(kind);
  return found == examples.end() ? "" : found->second;
}

constexpr char kBefore[] = "layers { name: 'before' conv2d { out_channels: 6 kernel: 3 padding { mode: SAME } } } ";
constexpr char kAfter[] = "layers { name: 'after' dense { units: 5 } } ";

// `wrap` makes the whole network of the text "<kind> { <example> }".
template <class Holder, class Wrap>
void AddKinds(const std::string& category, const Wrap& wrap, std::vector<KindCase>& cases) {
  const auto* kinds = Holder::descriptor()->FindOneofByName("kind");
  for (int i = 0; i < kinds->field_count(); ++i) {
    const std::string kind = kinds->field(i)->name();
    const std::string config = absl::StrCat(kind, " { ", Example(absl::StrCat(category, "/", kind)), " }");
    cases.push_back({absl::StrCat(category, "_", kind), wrap(kind, config)});
  }
}

}  // namespace

int KindCase::side() const {
  if (name == "preset_alexnet") return 67;
  return name.starts_with("preset") ? 32 : 8;
}

std::vector<KindCase> KindCases() {
  std::vector<KindCase> cases;
  AddKinds<v1::Layer>(
      "layer",
      [](const std::string& kind, const std::string& config) {
        if (kind == "add" || kind == "concat") {  // Their inputs are what they are about.
          return absl::StrCat(kBefore, "layers { name: 'twin' inputs: 'before' conv2d { out_channels: 6 kernel: 1 } } ",
                              "layers { name: 'it' inputs: ['before', 'twin'] ", config, " activation { relu {} } } ",
                              kAfter);
        }
        return absl::StrCat(kBefore, "layers { name: 'it' ", config, " } ", kAfter);
      },
      cases);
  AddKinds<v1::Activation>(
      "activation",
      [](const std::string&, const std::string& config) {
        return absl::StrCat("layers { name: 'it' conv2d { out_channels: 6 kernel: 3 } activation { ", config, " } } ",
                            kAfter);
      },
      cases);
  AddKinds<v1::Block>(
      "block",
      [](const std::string&, const std::string& config) {
        return absl::StrCat(kBefore, "layers { name: 'it' block { ", config, " } } ", kAfter);
      },
      cases);
  AddKinds<v1::Preset>(
      "preset", [](const std::string&, const std::string& config) { return absl::StrCat("preset { ", config, " }"); },
      cases);
  return cases;
}

}  // namespace traind::core

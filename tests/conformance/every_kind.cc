#include "tests/conformance/every_kind.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/kind.h"
#include "tests/conformance/examples.h"
#include "tests/support/train_run.h"
#include "traind/v1/network.pb.h"

namespace traind::core {
namespace {

constexpr char kBefore[] =
    "layers { name: 'before' conv2d { out_channels: 6 kernel: 3 padding { mode: MODE_SAME } } } ";
constexpr char kSequence[] = "layers { name: 'sequence' to_sequence {} } ";
constexpr char kAfter[] = "layers { name: 'after' dense { units: 5 } } ";

// `wrap` makes the whole network of the text "<kind> { <example> }".
template <class Holder, class Wrap>
void AddKinds(const std::string& category, const Wrap& wrap, std::vector<KindCase>& cases) {
  const auto* kinds = Holder::descriptor()->FindOneofByName("kind");
  for (int i = 0; i < kinds->field_count(); ++i) {
    if (IsExtension(*kinds->field(i))) continue;
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

bool KindCase::tokens() const { return ReadsTokens(name.substr(name.find('_') + 1)); }

Shape KindCase::shape() const { return tokens() ? Shape{12} : Shape{3, side(), side()}; }

std::string KindCase::input_shape() const { return absl::StrCat("input_shape: [", absl::StrJoin(shape(), ", "), "] "); }

v1::Dataset KindCase::Import(const std::string& folder, int count) const {
  return tokens() ? ImportTokens("images", folder, count, shape()[0], 20, 5)
                  : ImportNumbers("images", folder, count, shape(), 5);
}

std::vector<KindCase> KindCases() {
  std::vector<KindCase> cases;
  AddKinds<v1::Layer>(
      "layer",
      [](const std::string& kind, const std::string& config) {
        if (ReadsTokens(kind)) return absl::StrCat("layers { name: 'it' ", config, " } ", kAfter);
        if (ReadsSequence(kind)) {
          return absl::StrCat(kBefore, kSequence, "layers { name: 'it' ", config, " } ", kAfter);
        }
        if (ReadsTwo(kind)) {  // Their inputs are what they are about.
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
      [](const std::string& kind, const std::string& config) {
        return absl::StrCat(kBefore, ReadsSequence(kind) ? kSequence : "", "layers { name: 'it' block { ", config,
                            " } } ", kAfter);
      },
      cases);
  AddKinds<v1::Preset>(
      "preset", [](const std::string&, const std::string& config) { return absl::StrCat("preset { ", config, " }"); },
      cases);
  return cases;
}

}  // namespace traind::core

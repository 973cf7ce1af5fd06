#include "core/job/network_from.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/nearest.h"
#include "core/checkpoint/weight_rules.h"

namespace traind::core {
namespace {

constexpr char kInputName[] = "input";
constexpr size_t kNearestLayers = 3;

// What each layer reads, with the layer before it by name.
std::vector<std::vector<std::string>> InputsOf(const v1::Network& network) {
  std::vector<std::vector<std::string>> inputs;
  std::string before = kInputName;
  for (const v1::Layer& layer : network.layers()) {
    inputs.emplace_back(layer.inputs().begin(), layer.inputs().end());
    if (inputs.back().empty()) inputs.back().push_back(before);
    before = layer.name();
  }
  return inputs;
}

// Which layers `last` reads, through others, too; itself among them.
std::vector<bool> NeededBy(const v1::Network& network, const std::vector<std::vector<std::string>>& inputs, int last) {
  std::map<std::string, int> places;
  for (int i = 0; i < network.layers_size(); ++i) places[network.layers(i).name()] = i;
  std::vector<bool> needed(inputs.size());
  std::vector<int> open = {last};
  while (!open.empty()) {
    const auto i = static_cast<size_t>(open.back());
    open.pop_back();
    if (needed[i]) continue;
    needed[i] = true;
    for (const std::string& name : inputs[i]) {
      if (const auto place = places.find(name); place != places.end()) open.push_back(place->second);
    }
  }
  return needed;
}

// The place of `until` in `trained`; -1, with a violation: it has no such layer.
int PlaceOf(const v1::Network& trained, const std::string& until, const FieldErrors& errors) {
  std::vector<std::string> names;
  for (const v1::Layer& layer : trained.layers()) {
    if (layer.name() == until) return static_cast<int>(names.size());
    names.push_back(layer.name());
  }
  if (until.empty() && !names.empty()) return static_cast<int>(names.size()) - 1;
  errors.Add(absl::StrCat("the trained network has no layer \"", until, "\"; the nearest names are ",
                          absl::StrJoin(NearestNames(until, names, kNearestLayers), ", "),
                          "; trainctl describe lists all"));
  return -1;
}

}  // namespace

std::vector<std::string> TakeLayers(const v1::Network& trained, v1::Network& network, const FieldErrors& errors) {
  const int last = PlaceOf(trained, network.from().until(), errors.At("from").At("until"));
  if (last < 0) return {};
  const auto inputs = InputsOf(trained);
  const std::vector<bool> needed = NeededBy(trained, inputs, last);
  v1::Network joined;
  std::vector<std::string> taken;
  const auto take = [&](int i) {
    v1::Layer& layer = *joined.add_layers();
    layer = trained.layers(i);
    // The layer before it may not have come along.
    const std::vector<std::string>& reads = inputs[static_cast<size_t>(i)];
    if (layer.inputs().empty() && reads[0] != (taken.empty() ? kInputName : taken.back())) layer.add_inputs(reads[0]);
    taken.push_back(layer.name());
  };
  for (int i = 0; i < trained.layers_size(); ++i) {
    if (needed[static_cast<size_t>(i)] && i != last) take(i);
  }
  take(last);  // Which the first of the others reads.
  const std::set<std::string> names(taken.begin(), taken.end());
  for (int i = 0; i < network.layers_size(); ++i) {
    if (names.count(network.layers(i).name()) == 0) continue;
    errors.At("layers", i)
        .At("name")
        .Add(absl::StrCat("\"", network.layers(i).name(), "\" is a layer that comes with `from`; choose another name"));
  }
  joined.mutable_layers()->MergeFrom(network.layers());
  network.mutable_layers()->Swap(joined.mutable_layers());
  if (network.input_shape().empty()) *network.mutable_input_shape() = trained.input_shape();
  network.clear_from();
  return taken;
}

void AddAsWritten(const rpc::BadRequest& found, absl::string_view network_path, size_t taken,
                  const FieldErrors& errors) {
  const std::string layers = absl::StrCat(network_path, ".layers[");
  for (const auto& violation : found.field_violations()) {
    absl::string_view path = violation.field();
    const size_t close = path.find(']', std::min(layers.size(), path.size()));
    size_t index = 0;
    if (taken == 0 || !absl::StartsWith(path, layers) || close == absl::string_view::npos ||
        !absl::SimpleAtoi(path.substr(layers.size(), close - layers.size()), &index)) {
      errors.At(violation.field()).Add(violation.description());
    } else if (index >= taken) {
      errors.At(absl::StrCat(layers, index - taken, path.substr(close))).Add(violation.description());
    } else {
      errors.At(absl::StrCat(network_path, ".from"))
          .Add(absl::StrCat("one of its layers, ", path, ": ", violation.description()));
    }
  }
}

void StartOwnLayers(const v1::NetworkDescription& network, absl::Span<const std::string> taken,
                    const Safetensors& model, v1::InitialWeights& weights, const FieldErrors& errors) {
  const std::set<std::string> come(taken.begin(), taken.end());
  int own = 0;
  for (const v1::LayerDescription& layer : network.layers()) {
    const bool comes = come.count(layer.name()) > 0;
    bool there = false;
    for (const v1::TensorInfo& tensor : layer.parameters()) {
      const bool found = model.Find(tensor.name()) != nullptr;
      there |= found;
      if (comes && !found) {
        errors.At("from").At("model").Add(
            absl::StrCat("lacks the tensor ", tensor.name(), " of a layer that is taken; say initial_weights"));
      }
    }
    if (comes || !there) continue;
    const auto skip = [&](const std::string& pattern) {
      v1::WeightRule& rule = *weights.add_rules();
      rule.set_to(pattern);
      rule.set_skip(true);
      ++own;
    };
    // A pattern for all would have the tensors of a taken layer below its name, too.
    const auto below = come.lower_bound(layer.name() + ".");
    if (below == come.end() || !absl::StartsWith(*below, layer.name() + ".")) {
      skip(layer.name() + ".*");
      continue;
    }
    for (const v1::TensorInfo& tensor : layer.parameters()) skip(tensor.name());
  }
  if (own > kMostWeightRules) {
    errors.At("layers").Add(absl::StrCat(own, " names of layers or tensors in them are of the trained network and not ",
                                         "taken, at most ", kMostWeightRules, " may: give the layers other names"));
  }
}

}  // namespace traind::core

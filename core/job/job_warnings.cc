#include "core/job/job_warnings.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "core/kinds/initializer.h"

namespace traind::core {
namespace {

std::string Quoted(const std::string& name) { return absl::StrCat("layer \"", name, "\""); }

bool BreaksSymmetry(v1::Initializer config) {
  FieldErrors::Root ignored;  // The graph has reported them.
  const auto initializer = Registry<Initializer>::Get().Create(config, ignored.scope());
  return initializer == nullptr || initializer->breaks_symmetry();
}

// Relu in the layer itself, or as a layer of its own right behind it.
bool FeedsRelu(const Graph& graph, int index) {
  const auto& nodes = graph.nodes();
  if (nodes[index].activation) return nodes[index].activation->is_relu();
  return std::any_of(nodes.begin(), nodes.end(), [&](const Node& node) {
    return !node.layer && node.activation->is_relu() && node.inputs == std::vector<int>{index};
  });
}

// Whether the layer's output is a term of a sum, perhaps after it was normalized or scaled: the other term, the
// shortcut of a residual block, makes its units differ.
bool JoinsSum(const Graph& graph, int index) {
  static constexpr std::string_view kPassing[] = {"batch_norm", "scalar_affine", "stochastic_depth", "dropout"};
  for (const Node& node : graph.nodes()) {
    if (std::find(node.inputs.begin(), node.inputs.end(), index) == node.inputs.end()) continue;
    const bool passes = std::find(std::begin(kPassing), std::end(kPassing), node.kind) != std::end(kPassing);
    const int position = static_cast<int>(&node - graph.nodes().data());
    if (node.kind == "add" || (passes && JoinsSum(graph, position))) return true;
  }
  return false;
}

// The last layer's units differ by their targets even when they start equal.
int LastWithWeights(const Graph& graph) {
  int last = -1;
  for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i) {
    for (const ParameterSpec& parameter : graph.nodes()[i].parameters) {
      if (parameter.penalized) last = i;
    }
  }
  return last;
}

// Whether preprocessing can leave bytes, which are all positive, around zero.
bool Centres(const v1::DataSpec& data) {
  return std::any_of(data.preprocessing().begin(), data.preprocessing().end(), [](const v1::Preprocessing& one) {
    return one.has_zero_mean() || one.has_standardize() || one.has_pca() || one.has_whiten() ||
           (one.has_scale() && one.scale().offset() < 0);
  });
}

}  // namespace

std::vector<std::string> NetworkWarnings(const Graph& graph, int64_t batch) {
  std::vector<std::string> warnings;
  const int last = LastWithWeights(graph);
  for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i) {
    const Node& node = graph.nodes()[i];
    for (const ParameterSpec& parameter : node.parameters) {
      if (!parameter.penalized) continue;
      if (i != last && parameter.shape[0] > 1 && !BreaksSymmetry(parameter.initializer) && !JoinsSum(graph, i)) {
        warnings.push_back(absl::StrCat(Quoted(node.name),
                                        ": all its weights start equal, so its units stay equal: no ",
                                        "symmetry breaking; use kaiming or xavier"));
      }
      if (parameter.initializer.has_xavier() && FeedsRelu(graph, i)) {
        warnings.push_back(absl::StrCat(Quoted(node.name), ": xavier under relu lets the activations shrink layer by ",
                                        "layer; kaiming keeps their variance"));
      }
    }
    if (node.kind == "batch_norm" && batch == 1) {
      warnings.push_back(absl::StrCat(Quoted(node.name), ": batch norm over a minibatch of one example"));
    }
  }
  if (graph.output().kind == "dropout") {
    warnings.push_back(absl::StrCat(Quoted(graph.output().name), ": dropout is the network's output, so that whole ",
                                    "outputs are dropped; put it before the last layer with weights"));
  }
  return warnings;
}

std::vector<std::string> JobWarnings(const v1::JobSpec& spec, const Graph& graph, const v1::Dataset& dataset) {
  std::vector<std::string> warnings = NetworkWarnings(graph, spec.batch_size());
  const Node& output = graph.output();
  if (spec.loss().has_softmax_cross_entropy()) {
    if (output.kind == "softmax") {
      warnings.push_back(absl::StrCat(Quoted(output.name),
                                      ": softmax_cross_entropy has a softmax of its own and wants ",
                                      "the logits; leave the layer out"));
    } else if (output.activation && output.activation->is_relu()) {
      warnings.push_back(absl::StrCat(Quoted(output.name), ": relu on the logits; they should be free to be negative"));
    }
  }
  if (dataset.element_type() == v1::UINT8 && !Centres(spec.data())) {
    warnings.emplace_back(
        "the input is not zero-mean: bytes are all positive; add zero_mean or standardize to "
        "data.preprocessing");
  }
  if (spec.data().train_split() == spec.data().evaluation_split()) {
    warnings.emplace_back("evaluation uses the examples of the training split: overfitting will not show");
  }
  return warnings;
}

}  // namespace traind::core

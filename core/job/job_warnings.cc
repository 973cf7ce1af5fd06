#include "core/job/job_warnings.h"

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/data/dataset_dir.h"
#include "core/job/duration.h"
#include "core/job/penalty_warnings.h"
#include "core/job/resolve_data.h"
#include "core/kinds/initializer.h"
#include "core/kinds/loss.h"
#include "core/kinds/transform.h"

namespace traind::core {
namespace {

std::string Quoted(const std::string& name) { return absl::StrCat("layer \"", name, "\""); }

// The component of a resolved config, whose violations were reported; null where it has one.
template <class Interface, class Config>
std::unique_ptr<Interface> Make(Config config) {
  FieldErrors::Root ignored;
  return Registry<Interface>::Get().Create(config, ignored.scope());
}

LayerTraits TraitsOf(const Node& node) { return node.layer ? node.layer->traits() : LayerTraits(); }

bool IsRelu(const Node& node) { return node.activation && node.activation->is_relu(); }

// What stands behind each node, by its place in the graph.
struct Followers {
  explicit Followers(const Graph& graph);

  std::vector<bool> relu;  // A relu that is a layer of its own, right behind it.
  // A sum that its output is a term of, perhaps after it was normalized or scaled: the other term, the shortcut of a
  // residual block, makes its units differ.
  std::vector<bool> sum;
};

Followers::Followers(const Graph& graph) : relu(graph.nodes().size()), sum(graph.nodes().size()) {
  for (size_t i = graph.nodes().size(); i-- > 0;) {
    const Node& node = graph.nodes()[i];
    const LayerTraits traits = TraitsOf(node);
    for (const int input : node.inputs) {
      if (input == Node::kNetworkInput) continue;
      if (!node.layer && IsRelu(node)) relu[input] = true;
      if (traits.sums_inputs || (traits.channelwise && sum[i])) sum[input] = true;
    }
  }
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
    const auto transform = Make<Transform>(one);
    return transform != nullptr && transform->centres();
  });
}

// `joins_sum` and `feeds_relu`: what stands behind the node, or in it.
// Advice names the components that the lecture recommends: several would do, and no trait says which is the usual one.

void WarnOfWeights(const Node& node, bool last, bool joins_sum, bool feeds_relu, std::vector<std::string>& warnings) {
  for (const ParameterSpec& parameter : node.parameters) {
    const auto initializer = parameter.penalized ? Make<Initializer>(parameter.initializer) : nullptr;
    if (initializer == nullptr) continue;
    if (!last && parameter.shape[0] > 1 && !initializer->breaks_symmetry() && !joins_sum) {
      warnings.push_back(absl::StrCat(Quoted(node.name), ": all its weights start equal, so its units stay equal: no ",
                                      "symmetry breaking; use kaiming or xavier"));
    }
    if (!initializer->suits_relu() && feeds_relu) {
      warnings.push_back(absl::StrCat(Quoted(node.name), ": ", KindName(parameter.initializer),
                                      " under relu lets the activations shrink layer by layer; kaiming keeps their ",
                                      "variance"));
    }
  }
}

void WarnOfLogits(const v1::Loss& loss, const Node& output, std::vector<std::string>& warnings) {
  const auto made = Make<Loss>(loss);
  if (made == nullptr || made->output_meaning() != OutputMeaning::kLogits) return;
  if (TraitsOf(output).makes_probabilities) {
    warnings.push_back(absl::StrCat(Quoted(output.name), ": ", KindName(loss), " has a softmax of its own and wants ",
                                    "the logits; leave the layer out"));
  } else if (IsRelu(output)) {
    warnings.push_back(absl::StrCat(Quoted(output.name), ": relu on the logits; they should be free to be negative"));
  }
}

// Early stopping looks at each evaluation of the cadence; the first one of a job is always the best so far.
void WarnOfPatience(const v1::JobSpec& spec, int64_t examples, std::vector<std::string>& warnings) {
  const v1::EarlyStopping& config = spec.early_stopping();
  if (!spec.has_early_stopping() || config.restore_best()) return;
  const uint64_t evaluations = TotalSteps(spec, StepsPerEpoch(spec, examples)) / spec.evaluation().every_steps();
  if (evaluations > config.patience()) return;
  warnings.push_back(absl::StrCat("early_stopping never acts: its patience is ", config.patience(),
                                  " evaluations, and the whole job has ", evaluations));
}

// PyTorch's sgd, adam, rmsprop and adagrad, and Caffe's solvers, mean another thing by the same name; adamw is the
// same.
void WarnOfDecay(const v1::Optimizer& optimizer, std::vector<std::string>& warnings) {
  if (optimizer.weight_decay() == 0 || optimizer.has_adamw()) return;
  warnings.push_back(absl::StrCat("optimizer.weight_decay is decoupled from the gradient; what PyTorch's ",
                                  KindName(optimizer), " and Caffe call weight_decay is coupled_weight_decay"));
}

void WarnOfWarmup(const v1::JobSpec& spec, int64_t examples, std::vector<std::string>& warnings) {
  const uint64_t steps = RoundSteps(spec, StepsPerEpoch(spec, examples));
  const uint64_t warmup = spec.optimizer().schedule().warmup_steps();
  if (steps == 0 || warmup < steps) return;
  const bool rounds = spec.has_lottery_ticket();
  warnings.push_back(absl::StrCat("optimizer.schedule.warmup_steps are ", warmup, ", and ",
                                  rounds ? "each round" : "the job", " has ", steps, " steps: learning_rate reaches ",
                                  100 * steps / warmup, " % of ", spec.optimizer().learning_rate(),
                                  ", and the rest of the schedule never comes"));
}

void WarnOfOutputs(const Graph& graph, const v1::Dataset& dataset, std::vector<std::string>& warnings) {
  const int64_t outputs = Elements(graph.output().output);
  if (dataset.num_classes() == 0 || outputs <= dataset.num_classes()) return;
  warnings.push_back(absl::StrCat(Quoted(graph.output().name), ": ", outputs, " outputs for the ",
                                  dataset.num_classes(), " classes of ", dataset.name(), ": the last ",
                                  outputs - dataset.num_classes(), " stand for no class"));
}

// Statistics over one example: its own values are their mean.
void WarnOfLastBatch(const v1::JobSpec& spec, const Graph& graph, int64_t examples,
                     std::vector<std::string>& warnings) {
  if (spec.batch_size() == 1 || LastBatchOf(spec, examples) != 1) return;
  for (const Node& node : graph.nodes()) {
    if (!TraitsOf(node).normalizes_over_batch) continue;
    warnings.push_back(absl::StrCat("the last minibatch of an epoch has one example, over which ", Quoted(node.name),
                                    " normalizes: say last_batch: DROP, or another batch_size than ",
                                    spec.batch_size()));
    return;
  }
}

}  // namespace

std::vector<std::string> NetworkWarnings(const Graph& graph, int64_t batch) {
  std::vector<std::string> warnings;
  const int last = LastWithWeights(graph);
  const Followers behind(graph);
  for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i) {
    const Node& node = graph.nodes()[i];
    WarnOfWeights(node, i == last, behind.sum[i], node.activation ? IsRelu(node) : behind.relu[i], warnings);
    if (TraitsOf(node).normalizes_over_batch && batch == 1) {
      warnings.push_back(absl::StrCat(Quoted(node.name), ": ", absl::StrReplaceAll(node.kind, {{"_", " "}}),
                                      " over a minibatch of one example"));
    }
  }
  if (TraitsOf(graph.output()).drops_values) {
    warnings.push_back(absl::StrCat(Quoted(graph.output().name), ": ", graph.output().kind,
                                    " is the network's output, so that whole outputs are dropped; put it before the ",
                                    "last layer with weights"));
  }
  return warnings;
}

std::vector<std::string> JobWarnings(const v1::JobSpec& spec, const v1::JobSpec& given, const Graph& graph,
                                     const v1::Dataset& dataset) {
  std::vector<std::string> warnings = NetworkWarnings(graph, spec.batch_size());
  WarnOfPenalties(given.network(), graph, warnings);
  WarnOfLogits(spec.loss(), graph.output(), warnings);
  WarnOfOutputs(graph, dataset, warnings);
  WarnOfDecay(spec.optimizer(), warnings);
  if (dataset.element_type() == v1::ELEMENT_TYPE_UINT8 && !Centres(spec.data())) {
    warnings.emplace_back(
        "the input is not zero-mean: bytes are all positive; add zero_mean or standardize to "
        "data.preprocessing");
  }
  if (spec.data().train_split() == spec.data().evaluation_split()) {
    warnings.emplace_back("evaluation uses the examples of the training split: overfitting will not show");
  }
  if (given.data().evaluation_split().empty() && !Evaluates(spec.data())) {
    warnings.push_back(
        absl::StrCat("nothing is evaluated: ", dataset.name(), " has no split test, val, valid, ",
                     "validation or dev beside the one that is trained on, so that overfitting will not ",
                     "show and no checkpoint is the best; import it with one, or say ", "evaluation_split: \"none\""));
  }
  const v1::DatasetSplit* train = FindSplit(dataset, spec.data().train_split());
  if (train == nullptr) return warnings;
  const int64_t examples = LimitedTo(spec.data().max_train_examples(), train->num_examples());
  WarnOfLastBatch(spec, graph, examples, warnings);
  WarnOfWarmup(spec, examples, warnings);
  WarnOfPatience(spec, examples, warnings);
  return warnings;
}

}  // namespace traind::core

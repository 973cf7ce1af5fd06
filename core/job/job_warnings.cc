#include "core/job/job_warnings.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/kind.h"
#include "core/data/held_out.h"
#include "core/insight/insight.h"
#include "core/job/duration.h"
#include "core/job/full_batch.h"
#include "core/job/penalty_warnings.h"
#include "core/job/resolve_optimizer.h"
#include "core/job/resolve_parameter_rules.h"
#include "core/job/resolve_splits.h"

namespace traind::core {
namespace {

std::string Quoted(const std::string& name) { return absl::StrCat("layer \"", name, "\""); }

// Early stopping looks at each evaluation of the cadence; the first one of a job is always the best so far.
void WarnOfPatience(const v1::JobSpec& spec, int64_t examples, std::vector<std::string>& warnings) {
  const v1::EarlyStopping& config = spec.early_stopping();
  if (!spec.has_early_stopping() || config.restore_best()) return;
  const uint64_t evaluations = TotalSteps(spec, StepsPerEpoch(spec, examples)) / spec.evaluation().every_steps();
  if (evaluations > config.patience()) return;
  warnings.push_back(absl::StrCat("early_stopping never acts: its patience is ", config.patience(),
                                  " evaluations, and the whole job has ", evaluations));
}

// PyTorch's sgd, adam, rmsprop and adagrad, and Caffe's solvers, mean another thing by the same name; adamw, lion and
// lamb are the same.
void WarnOfDecay(const v1::Optimizer& optimizer, std::vector<std::string>& warnings) {
  const bool same = optimizer.has_adamw() || optimizer.has_lion() || optimizer.has_lamb();
  if (optimizer.weight_decay() == 0 || same) return;
  warnings.push_back(absl::StrCat("optimizer.weight_decay is decoupled from the gradient; what PyTorch's ",
                                  KindName(optimizer), " and Caffe call weight_decay is coupled_weight_decay"));
}

// Statistics over one example: its own values are their mean.
void WarnOfLastBatch(const v1::JobSpec& spec, const Graph& graph, int64_t examples,
                     std::vector<std::string>& warnings) {
  if (spec.batch_size() == 1 || LastBatchOf(spec, examples) != 1) return;
  const std::vector<bool> normalizes = NormalizesOverBatch(graph, &spec);
  for (size_t i = 0; i < normalizes.size(); ++i) {
    if (!normalizes[i]) continue;
    warnings.push_back(
        absl::StrCat("the last minibatch of an epoch has one example, over which ", Quoted(graph.nodes()[i].name),
                     " normalizes: say last_batch: DROP, or another batch_size than ", spec.batch_size()));
    return;
  }
}

// The rules that look before a job trains, as its spec has them.
Rules RulesOf(const Facts& facts) {
  v1::InsightSpec insight;
  if (facts.spec != nullptr) insight = facts.spec->insight();
  insight.clear_rules();  // They say what the job is watched for.
  FieldErrors::Root resolved;
  return ResolveInsight(insight, resolved.scope());
}

// What these rules see in the spec, and what is none of them.
std::vector<std::string> WarningsOf(const Facts& facts, const Rules& rules) {
  std::vector<std::string> warnings;
  for (const v1::Finding& finding : SpecFindings(facts, rules)) {
    if (finding.severity() >= v1::Finding::SEVERITY_WARNING) warnings.push_back(WarningText(finding));
  }
  const Node& output = facts.graph->output();
  if (TraitsOf(output).drops_values) {
    warnings.push_back(absl::StrCat(Quoted(output.name), ": ", output.kind,
                                    " is the network's output, so that whole outputs are dropped; put it before the ",
                                    "last layer with weights"));
  }
  return warnings;
}

}  // namespace

std::vector<std::string> NetworkWarnings(const Graph& graph, int64_t batch) {
  const Facts facts = {.graph = &graph, .batch = batch};
  return WarningsOf(facts, RulesOf(facts));
}

std::vector<std::string> ProbeWarnings(const Graph& graph, int64_t batch, const v1::StatisticsReport& statistics) {
  const Facts facts = {.graph = &graph, .batch = batch};
  const Rules rules = RulesOf(facts);
  std::vector<std::string> warnings = WarningsOf(facts, rules);
  for (const v1::Finding& finding : FreshFindings(facts, rules, statistics)) warnings.push_back(WarningText(finding));
  return warnings;
}

std::vector<std::string> JobWarnings(const v1::JobSpec& spec, const v1::JobSpec& given, const Graph& graph,
                                     const v1::Dataset& dataset) {
  const int64_t examples = NumTrained(spec.data(), dataset);
  const uint64_t steps_per_epoch = StepsPerEpoch(spec, examples);
  const Facts facts = {.graph = &graph,
                       .batch = spec.batch_size(),
                       .spec = &spec,
                       .given = &given,
                       .dataset = dataset.name(),
                       .classes = dataset.num_classes(),
                       .element_type = dataset.element_type(),
                       .steps_per_epoch = steps_per_epoch,
                       .total_steps = TotalSteps(spec, steps_per_epoch),
                       .continues = spec.has_initial_weights()};
  std::vector<std::string> warnings = WarningsOf(facts, RulesOf(facts));
  WarnOfPenalties(given.network(), graph, warnings);
  WarnOfDecay(spec.optimizer(), warnings);
  WarnOfNoise(spec, graph, warnings);
  WarnOfSplits(spec, given, dataset, warnings);
  if (examples == 0) return warnings;
  WarnOfLastBatch(spec, graph, examples, warnings);
  WarnOfPatience(spec, examples, warnings);
  WarnOfOptimizer(spec, given, examples, warnings);
  WarnOfParameterRules(spec, graph, TotalSteps(spec, steps_per_epoch), warnings);
  return warnings;
}

}  // namespace traind::core

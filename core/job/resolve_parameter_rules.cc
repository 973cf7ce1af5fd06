#include "core/job/resolve_parameter_rules.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/nearest.h"
#include "core/base/require.h"
#include "core/checkpoint/weight_rules.h"
#include "core/graph/parameter_rules.h"
#include "core/optimizers/lengths.h"

namespace traind::core {
namespace {

constexpr int kMostParameterRules = 100;
constexpr size_t kMostUnfreezings = 16;
constexpr size_t kNamedNearest = 3;
constexpr double kMostMultiplier = 1000;

// The decays of the rule against each other and those of the optimizer, of which a job has one kind.
void CheckRuleDecay(const v1::ParameterRule& rule, const v1::Optimizer& optimizer, const FieldErrors& errors) {
  const auto value = [&](bool given, const char* field, double number, double most, const char* range) {
    if (given) Require(number >= 0 && number <= most && IsFiniteFloat(number), errors, field, range, number);
  };
  value(rule.has_weight_decay_multiplier(), "weight_decay_multiplier", rule.weight_decay_multiplier(), kMostMultiplier,
        "0 to 1000");
  value(rule.has_weight_decay(), "weight_decay", rule.weight_decay(), 1e30, "a finite number, at least 0");
  value(rule.has_coupled_weight_decay(), "coupled_weight_decay", rule.coupled_weight_decay(), 1e30,
        "a finite number, at least 0");
  if (rule.has_weight_decay() && rule.has_coupled_weight_decay()) {
    errors.At("coupled_weight_decay").Add("cannot be given together with weight_decay");
  }
  if (rule.has_weight_decay_multiplier() && (rule.has_weight_decay() || rule.has_coupled_weight_decay())) {
    errors.At("weight_decay_multiplier").Add("does nothing where the rule has a decay of its own; leave one out");
  }
  if (rule.has_weight_decay() && optimizer.coupled_weight_decay() != 0) {
    errors.At("weight_decay")
        .Add("is decoupled, and the optimizer has a coupled_weight_decay: say coupled_weight_decay here, too");
  }
  if (rule.has_coupled_weight_decay() && optimizer.weight_decay() != 0) {
    errors.At("coupled_weight_decay")
        .Add(absl::StrCat("is coupled, and the optimizer has a weight_decay of ", optimizer.weight_decay(),
                          ", which is decoupled: say weight_decay here, too, or optimizer.weight_decay: 0"));
  }
  if (rule.has_weight_decay_multiplier() && optimizer.weight_decay() == 0 && optimizer.coupled_weight_decay() == 0) {
    errors.At("weight_decay_multiplier").Add("multiplies nothing: the optimizer has no weight decay");
  }
}

void CheckFreezing(const v1::ParameterRule& rule, const v1::JobSpec& spec, const FieldErrors& errors) {
  const bool thaws = rule.unfreeze_after_steps() > 0 || rule.unfreeze_after_epochs() != 0;
  if (thaws && !rule.frozen()) {
    errors.At(rule.unfreeze_after_steps() > 0 ? "unfreeze_after_steps" : "unfreeze_after_epochs")
        .Add("needs frozen: true, which it ends");
  }
  if (spec.optimizer().has_lbfgs() && (thaws || rule.has_learning_rate_multiplier() || rule.has_layer_decay())) {
    errors.Add(
        "does not go with lbfgs, which moves all tensors along one direction: freeze tensors to the end, or none");
  }
  if (rule.frozen() && spec.has_lottery_ticket()) {
    errors.At("frozen").Add("does not go with lottery_ticket, which prunes and rewinds every weight");
  }
  const bool trains = rule.has_learning_rate_multiplier() || rule.has_layer_decay() ||
                      rule.has_weight_decay_multiplier() || rule.has_weight_decay() || rule.has_coupled_weight_decay();
  if (rule.frozen() && !thaws && trains) {
    errors.At("frozen").Add(
        "is to the end of the job, so that the rule's rate and decay never act: leave them out, or say "
        "unfreeze_after_epochs");
  }
}

void CheckRule(const v1::ParameterRule& rule, const v1::JobSpec& spec, const FieldErrors& errors) {
  if (rule.parameters().empty()) errors.At("parameters").Add("is required: a pattern such as \"conv1.*\"");
  if (rule.parameters().size() > kMostPatternCharacters) {
    errors.At("parameters")
        .Add(absl::StrCat("has ", rule.parameters().size(), " characters, at most ", kMostPatternCharacters,
                          " are allowed"));
  }
  if (rule.has_learning_rate_multiplier()) {
    const double factor = rule.learning_rate_multiplier();
    Require(factor > 0 && factor <= kMostMultiplier, errors, "learning_rate_multiplier",
            "above 0 and at most 1000 (for a rate of 0 say frozen: true)", factor);
  }
  if (rule.has_layer_decay()) {
    Require(rule.layer_decay() > 0 && rule.layer_decay() <= 1, errors, "layer_decay", "above 0 and at most 1",
            rule.layer_decay());
  }
  CheckRuleDecay(rule, spec.optimizer(), errors);
  CheckFreezing(rule, spec, errors);
  CheckLengths(rule, errors);
}

// The names of the trained tensors.
std::vector<std::string> TrainedNames(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes()) {
    for (const ParameterSpec& parameter : node.parameters) {
      if (parameter.trained) names.push_back(absl::StrCat(node.name, ".", parameter.name));
    }
  }
  return names;
}

// Why no tensor is decided by the pattern.
std::string WhyIdle(const std::string& pattern, const std::vector<std::string>& trained) {
  const bool matches = std::any_of(trained.begin(), trained.end(),
                                   [&](const std::string& name) { return MatchPattern(pattern, name).has_value(); });
  if (matches) {
    return absl::StrCat("\"", pattern, "\" decides nothing: rules before it match all of its tensors, and the first ",
                        "that matches decides; put it before them");
  }
  return absl::StrCat("\"", pattern, "\" matches no trained tensor of the network; the nearest names are ",
                      absl::StrJoin(NearestNames(pattern, trained, kNamedNearest), ", "));
}

}  // namespace

void ResolveParameterRules(v1::JobSpec& spec, uint64_t steps_per_epoch, const FieldErrors& errors) {
  if (spec.parameter_rules_size() > kMostParameterRules) {
    errors.At("parameter_rules")
        .Add(absl::StrCat("has ", spec.parameter_rules_size(), ", at most ", kMostParameterRules, " are allowed"));
    return;
  }
  for (int i = 0; i < spec.parameter_rules_size(); ++i) {
    const FieldErrors at = errors.At("parameter_rules", i);
    CheckRule(spec.parameter_rules(i), spec, at);
    if (steps_per_epoch > 0) ConvertLengths(*spec.mutable_parameter_rules(i), steps_per_epoch, at);
  }
  if (const size_t different = UnfreezeSteps(spec).size(); different > kMostUnfreezings) {
    errors.At("parameter_rules")
        .Add(absl::StrCat("unfreeze at ", different, " different steps, at most ", kMostUnfreezings,
                          " are allowed: each makes the plan of the network anew"));
  }
}

void CheckParameterRules(const v1::JobSpec& spec, const Graph& graph, const FieldErrors& errors) {
  if (spec.parameter_rules().empty()) return;
  const std::vector<int> deciding = DecidingRules(graph, spec);
  const std::set<int> decides(deciding.begin(), deciding.end());
  const std::vector<std::string> trained = TrainedNames(graph);
  for (int i = 0; i < spec.parameter_rules_size(); ++i) {
    if (decides.count(i) > 0) continue;
    errors.At("parameter_rules", i).At("parameters").Add(WhyIdle(spec.parameter_rules(i).parameters(), trained));
  }
  bool any = false;
  size_t index = 0;
  const std::vector<ParameterTreatment> treatments = TreatmentsOf(graph, spec);
  for (const Node& node : graph.nodes()) {
    for (const ParameterSpec& parameter : node.parameters) {
      any |= parameter.trained && !treatments[index].frozen;
      ++index;
    }
  }
  if (!any) {
    errors.At("parameter_rules")
        .Add(
            "freeze every tensor of the network, so that nothing would be trained at the beginning; leave out the "
            "last layer's, or say steps: 0 without rules to train nothing");
  }
}

void WarnOfParameterRules(const v1::JobSpec& spec, const Graph& graph, uint64_t total_steps,
                          std::vector<std::string>& warnings) {
  for (int i = 0; i < spec.parameter_rules_size(); ++i) {
    const v1::ParameterRule& rule = spec.parameter_rules(i);
    if (rule.unfreeze_after_steps() < total_steps || total_steps == 0 || rule.unfreeze_after_steps() == 0) continue;
    warnings.push_back(absl::StrCat("parameter_rules[", i, "]: \"", rule.parameters(),
                                    "\" is never unfrozen: ", "unfreeze_after_steps is ", rule.unfreeze_after_steps(),
                                    ", and the job has ", total_steps, " steps"));
  }
  if (spec.has_initial_weights()) return;
  const std::vector<ParameterTreatment> treatments = TreatmentsOf(graph, spec);
  const auto frozen = std::find_if(treatments.begin(), treatments.end(), [](const auto& one) { return one.frozen; });
  if (frozen == treatments.end()) return;
  warnings.emplace_back(kFrozenAtRandom);
}

}  // namespace traind::core

#include "core/search/resolve.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/labels.h"
#include "core/search/space.h"
#include "google/protobuf/util/time_util.h"

namespace traind::core {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr uint32_t kMostParallel = 64;

absl::Status NoMetric(const std::string& path, const google::protobuf::Descriptor& at) {
  std::string known;
  for (int i = 0; i < at.field_count(); ++i) absl::StrAppend(&known, i > 0 ? ", " : "", at.field(i)->name());
  return absl::InvalidArgumentError(
      absl::StrCat("\"", path, "\" is no number of an evaluation; ", at.name(), " has: ", known));
}

// Of a short name: "classification.macro_f1" of "macro_f1", "classification.top_k_accuracy[4]" of "top_5_accuracy".
std::string FullPath(const std::string& path) {
  if (absl::StrContains(path, '.') || v1::EvaluationMetrics::descriptor()->FindFieldByName(path) != nullptr)
    return path;
  if (v1::ClassificationMetrics::descriptor()->FindFieldByName(path) != nullptr) return "classification." + path;
  if (v1::RegressionMetrics::descriptor()->FindFieldByName(path) != nullptr) return "regression." + path;
  absl::string_view digits = path;
  int k = 0;
  const bool top = absl::ConsumePrefix(&digits, "top_") && absl::ConsumeSuffix(&digits, "_accuracy");
  if (!top || !absl::SimpleAtoi(digits, &k) || k < 1) return path;
  return absl::StrCat("classification.top_k_accuracy[", k - 1, "]");
}

std::optional<double> NumberIn(const Message& message, const FieldDescriptor& field, int index) {
  const auto& reflection = *message.GetReflection();
  const bool list = field.is_repeated();
  if (list && (index < 0 || index >= reflection.FieldSize(message, &field))) return std::nullopt;
  if (!list && field.has_presence() && !reflection.HasField(message, &field)) return std::nullopt;
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) {
    return list ? reflection.GetRepeatedDouble(message, &field, index) : reflection.GetDouble(message, &field);
  }
  return static_cast<double>(list ? reflection.GetRepeatedInt64(message, &field, index)
                                  : reflection.GetInt64(message, &field));
}

bool MinimizedByDefault(absl::string_view metric) {
  const absl::string_view last = metric.substr(metric.rfind('.') == metric.npos ? 0 : metric.rfind('.') + 1);
  for (absl::string_view name :
       {"loss", "log_loss", "calibration_error", "mean_absolute_error", "root_mean_squared_error", "spread",
        "minibatch_train_mode_loss", "minibatch_test_mode_loss"}) {
    if (last == name) return true;
  }
  return false;
}

void ResolveObjective(v1::SweepSpec& spec, const FieldErrors& errors) {
  v1::Objective& objective = *spec.mutable_objective();
  if (objective.metric().empty()) objective.set_metric("loss");
  if (objective.metric().size() > 128) errors.At("metric").Add("must have at most 128 characters");
  if (!spec.trained_by_clients()) {
    const auto known = MetricOf(v1::EvaluationMetrics(), objective.metric());
    if (!known.ok()) errors.At("metric").Add(std::string(known.status().message()));
  }
  if (objective.goal() == v1::Objective::GOAL_UNSPECIFIED) {
    objective.set_goal(MinimizedByDefault(objective.metric()) ? v1::Objective::GOAL_MINIMIZE
                                                              : v1::Objective::GOAL_MAXIMIZE);
  }
  if (!v1::Objective::Goal_IsValid(objective.goal())) errors.At("goal").Add("is no value that is known");
  if (objective.value() == v1::Objective::VALUE_UNSPECIFIED) objective.set_value(v1::Objective::VALUE_LAST);
  if (!v1::Objective::Value_IsValid(objective.value())) errors.At("value").Add("is no value that is known");
}

// After the space is known to be sound.
void ResolveBudget(v1::SweepSpec& spec, const FieldErrors& errors) {
  v1::SweepBudget& budget = *spec.mutable_budget();
  const FieldErrors trials = errors.At("max_trials");
  if (budget.has_max_trials() && (budget.max_trials() < 1 || budget.max_trials() > kMostTrials)) {
    trials.Add("must be from 1 to 1000");
  }
  if (spec.has_grid()) {
    const uint64_t size = GridSize(spec);
    constexpr uint64_t kMostCombinations = 100000;
    if (size > kMostCombinations) {
      errors.Add(absl::StrCat("the grid has ", size, " combinations, more than ", kMostCombinations,
                              ": leave out values, or use random"));
    } else if (!budget.has_max_trials() && size > kMostTrials) {
      trials.Add(absl::StrCat("the grid has ", size, " combinations, and a sweep at most 1000 trials: say how many of ",
                              "them, or leave out values"));
    }
    const auto most = static_cast<uint32_t>(std::min<uint64_t>(size, kMostTrials));
    budget.set_max_trials(budget.has_max_trials() ? std::min(budget.max_trials(), most) : most);
  }
  if (!budget.has_max_trials() && spec.has_pbt()) budget.set_max_trials(kMostTrials);
  if (!budget.has_max_trials()) trials.Add("is required: 1 to 1000");
  if (spec.has_pbt() && budget.max_trials() < spec.pbt().population()) trials.Add("must be at least pbt.population");
  if (budget.has_max_duration() &&
      google::protobuf::util::TimeUtil::DurationToNanoseconds(budget.max_duration()) <= 0) {
    errors.At("max_duration").Add("must be above 0");
  }
}

void ResolveAsha(v1::Asha& asha, const FieldErrors& errors) {
  if (asha.reduction_factor() == 0) asha.set_reduction_factor(3);
  if (asha.reduction_factor() < 2) errors.At("reduction_factor").Add("must be at least 2");
  if (asha.min_case() == v1::Asha::MIN_NOT_SET) errors.Add("needs min_steps or min_epochs: where its first rung is");
  if (asha.has_min_steps() && asha.min_steps() < 1) errors.At("min_steps").Add("must be at least 1");
  if (asha.has_min_epochs() && asha.min_epochs() < 1) errors.At("min_epochs").Add("must be at least 1");
}

void ResolvePbt(v1::PopulationBased& pbt, const FieldErrors& errors) {
  if (pbt.population() < 2 || pbt.population() > kMostParallel) errors.At("population").Add("must be from 2 to 64");
  if (pbt.interval_case() == v1::PopulationBased::INTERVAL_NOT_SET) {
    errors.Add("needs interval_steps or interval_epochs: how long members train between two exchanges");
  }
  if (pbt.has_interval_steps() && pbt.interval_steps() < 1) errors.At("interval_steps").Add("must be at least 1");
  if (pbt.has_interval_epochs() && pbt.interval_epochs() < 1) errors.At("interval_epochs").Add("must be at least 1");
  if (!pbt.has_quantile()) pbt.set_quantile(0.25);
  if (!(pbt.quantile() > 0 && pbt.quantile() <= 0.5)) errors.At("quantile").Add("must be above 0 and at most 0.5");
  if (!pbt.has_resample()) pbt.set_resample(0.25);
  if (!(pbt.resample() >= 0 && pbt.resample() <= 1)) errors.At("resample").Add("must be from 0 to 1");
}

void ResolveAlgorithm(v1::SweepSpec& spec, const FieldErrors& errors) {
  const bool holds = spec.has_asha() || spec.has_pbt();
  switch (spec.algorithm_case()) {
    case v1::SweepSpec::kAsha:
      ResolveAsha(*spec.mutable_asha(), errors.At("asha"));
      break;
    case v1::SweepSpec::kPbt:
      ResolvePbt(*spec.mutable_pbt(), errors.At("pbt"));
      break;
    case v1::SweepSpec::ALGORITHM_NOT_SET:
      errors.At("algorithm").Add("must be one of grid, random, latin_hypercube, asha, pbt and external");
      break;
    default:
      break;
  }
  if (holds && spec.trained_by_clients()) {
    errors.At("trained_by_clients").Add("does not go with asha and pbt, which hold jobs of the server");
  }
  if (holds && spec.has_median_stopping()) {
    errors.At("median_stopping").Add("does not go with asha and pbt, which end trials by themselves");
  }
  if (!spec.has_median_stopping()) return;
  v1::MedianStopping& rule = *spec.mutable_median_stopping();
  if (!rule.has_min_trials()) rule.set_min_trials(5);
  if (rule.min_trials() < 1) errors.At("median_stopping").At("min_trials").Add("must be at least 1");
}

}  // namespace

absl::StatusOr<std::optional<double>> MetricOf(const v1::EvaluationMetrics& evaluation, const std::string& wanted) {
  const std::string path = FullPath(wanted);
  const Message* message = &evaluation;
  bool absent = false;  // The path leads behind the end of a list.
  const std::vector<std::string> steps = absl::StrSplit(path, '.');
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto& descriptor = *message->GetDescriptor();
    absl::string_view name = steps[i];
    int index = -1;
    if (const size_t open = name.find('['); open != name.npos) {
      absl::string_view digits = name.substr(open + 1);
      if (!absl::ConsumeSuffix(&digits, "]") || !absl::SimpleAtoi(digits, &index) || index < 0) {
        return NoMetric(path, descriptor);
      }
      name = name.substr(0, open);
    }
    const FieldDescriptor* field = descriptor.FindFieldByName(std::string(name));
    if (field == nullptr || field->is_repeated() != (index >= 0)) return NoMetric(path, descriptor);
    if (i + 1 == steps.size()) {
      const bool number =
          field->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE || field->cpp_type() == FieldDescriptor::CPPTYPE_INT64;
      if (!number) return NoMetric(path, field->message_type() != nullptr ? *field->message_type() : descriptor);
      return absent ? std::nullopt : NumberIn(*message, *field, index);
    }
    if (field->message_type() == nullptr) return NoMetric(path, descriptor);
    const auto& reflection = *message->GetReflection();
    if (!field->is_repeated()) {
      message = &reflection.GetMessage(*message, field);
    } else if (index < reflection.FieldSize(*message, field)) {
      message = &reflection.GetRepeatedMessage(*message, field, index);
    } else {
      absent = true;
      message = google::protobuf::MessageFactory::generated_factory()->GetPrototype(field->message_type());
    }
  }
  return NoMetric(path, *evaluation.GetDescriptor());
}

void ResolveSweep(v1::SweepSpec& spec, const FieldErrors& errors) {
  const int before = errors.count();
  CheckDisplayName(spec.display_name(), errors.At("display_name"));
  CheckLabels(spec.labels(), errors.At("labels"));
  NameParameters(spec);
  CheckSpace(spec, errors);
  ResolveAlgorithm(spec, errors);
  ResolveObjective(spec, errors.At("objective"));
  if (errors.count() == before) ResolveBudget(spec, errors.At("budget"));
  if (!spec.has_max_failures()) spec.set_max_failures(3);
  if (spec.has_parallelism() && (spec.parallelism() < 1 || spec.parallelism() > kMostParallel)) {
    errors.At("parallelism").Add("must be from 1 to 64");
  }
}

}  // namespace traind::core

#include "tests/insight/pictured.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace traind::insight {
namespace {

void NoFault(FaultyJob&) {}
void ManyOutputs(FaultyJob& job) {
  job.spec.mutable_network()->mutable_layers()->rbegin()->mutable_dense()->set_units(2 * NumClasses(job.data));
}
void OneActivationLess(FaultyJob& job) {
  for (v1::Layer& layer : *job.spec.mutable_network()->mutable_layers()) {
    if (layer.name() == "hidden2") layer.clear_activation();
  }
}
void StandardizedTwice(FaultyJob& job) { job.spec.mutable_data()->add_preprocessing()->mutable_standardize(); }
void ByPixel(FaultyJob& job) {
  v1::DataSpec& data = *job.spec.mutable_data();
  data.clear_preprocessing();
  data.add_preprocessing()->mutable_standardize()->set_grouping(v1::GROUPING_PER_FEATURE);
}
void Flipped(FaultyJob& job) {
  job.spec.mutable_data()->add_augmentation()->mutable_horizontal_flip();
  job.spec.mutable_data()->add_augmentation()->mutable_vertical_flip();
}
void DecayEverywhere(FaultyJob& job) {
  v1::Regularizer& decay = *job.spec.mutable_network()->add_regularizers();
  decay.mutable_l2()->set_strength(0.02);
  for (const auto group :
       {v1::PARAMETER_GROUP_WEIGHTS, v1::PARAMETER_GROUP_BIASES, v1::PARAMETER_GROUP_NORMALIZATION}) {
    decay.add_groups(group);
  }
}
void RateHigher(FaultyJob& job) {
  v1::Optimizer& optimizer = *job.spec.mutable_optimizer();
  optimizer.set_learning_rate(10 * optimizer.learning_rate());
}
void DeepSigmoids(FaultyJob& job) {
  ForEachLayer(job.spec, [](v1::Layer& layer) {
    if (!layer.has_activation()) return;
    layer.mutable_activation()->mutable_sigmoid();
  });
  for (const Weighted& one : WeightedLayers(job.spec)) WeightInitOf(*one.layer).mutable_xavier();
}

const std::map<std::string, void (*)(FaultyJob&)>& Own() {
  static const auto& own = *new std::map<std::string, void (*)(FaultyJob&)>{
      {"none", NoFault},
      {"many_outputs", ManyOutputs},
      {"one_activation_less", OneActivationLess},
      {"standardized_twice", StandardizedTwice},
      {"by_pixel", ByPixel},
      {"flipped", Flipped},
      {"decay_everywhere", DecayEverywhere},
      {"rate_higher", RateHigher},
      {"deep_sigmoids", DeepSigmoids},
  };
  return own;
}

}  // namespace

std::string WordsOf(const std::string& fault) {
  static const auto& words = *new std::map<std::string, std::string>{
      {"none", "the healthy job as it is"},
      {"many_outputs", "twice as many outputs as classes"},
      {"one_activation_less", "the activation of one hidden layer is missing"},
      {"standardized_twice", "standardized twice"},
      {"by_pixel", "standardized pixel by pixel"},
      {"flipped", "flipped left to right and upside down"},
      {"decay_everywhere", "L2 of strength 0.02 on biases and scales, too"},
      {"rate_higher", "ten times the learning rate"},
      {"deep_sigmoids", "sigmoid with xavier in place of relu"},
  };
  if (const auto own = words.find(fault); own != words.end()) return own->second;
  for (const Fault& one : Faults()) {
    if (one.name == fault) return one.what;
  }
  return fault;
}

const std::vector<Shown>& AllShown() {
  constexpr Quantity kLoss = Quantity::kTrainLoss, kEvaluation = Quantity::kEvaluationLoss, kGood = Quantity::kResult;
  static const auto& shown = *new std::vector<Shown>{
      {"non_finite", kLoss, {"residual blobs exploding_residuals", "residual digits exploding_residuals"}},
      {"data_not_centered",
       kLoss,
       {"mlp regression unnormalized", "lenet digits unnormalized", "mlp blobs unnormalized"}},
      {"data_scale", kLoss, {"lenet fashion unnormalized", "mlp blobs unnormalized"}},
      {"preprocessing_twice", kLoss, {"lenet fashion standardized_twice"}},
      {"per_feature_on_images", kEvaluation, {"lenet digits by_pixel", "lenet fashion by_pixel"}},
      {"constant_labels", kGood, {"lenet fashion one_class"}},
      {"shuffled_labels", kGood, {"lenet digits shuffled_labels", "mlp blobs shuffled_labels"}},
      {"noisy_labels", kGood, {"lenet digits noisy_labels", "mlp blobs noisy_labels", "lenet fashion noisy_labels"}},
      {"few_examples", kGood, {"lenet digits few_examples", "lenet fashion few_examples", "mlp blobs few_examples"}},
      {"split_shift", kEvaluation, {"mlp blobs test_shifted", "lenet fashion test_shifted"}},
      {"augmentation_changes_label", kGood, {"lenet digits flipped"}},
      {"strong_augmentation", kGood, {"lenet fashion bad_augmentation", "lenet digits bad_augmentation"}},
      {"class_imbalance", kGood, {"lenet fashion imbalance", "lenet digits imbalance"}},
      {"outputs_and_classes", kLoss, {"lenet fashion many_outputs"}},
      {"softmax_before_cross_entropy", kGood, {"lenet digits softmax_twice", "mlp blobs softmax_twice"}},
      {"loss_for_classes", kGood, {"mlp circles wrong_loss", "mlp blobs wrong_loss", "lenet digits wrong_loss"}},
      {"two_linear_layers", kGood, {"mlp circles one_activation_less", "mlp blobs one_activation_less"}},
      {"no_activation", kGood, {"mlp circles no_activation"}},
      {"bias_before_batch_norm", kLoss, {"residual fashion none"}},
      {"decay_of_norms", kGood, {"residual fashion decay_everywhere", "residual blobs decay_everywhere"}},
      {"batch_norm_small_batch", kGood, {"residual digits tiny_batch", "residual fashion tiny_batch"}},
      {"dropout_place",
       kGood,
       {"lenet fashion strong_dropout", "lenet digits strong_dropout", "residual digits dropout_before_norm"}},
      {"no_symmetry_breaking", kLoss, {"mlp blobs zero_weights", "mlp blobs zero_layer"}},
      {"xavier_under_relu", kLoss, {"cnn fashion xavier_relu", "mlp circles xavier_relu", "mlp blobs xavier_relu"}},
      {"initialization_scale", kLoss, {"mlp blobs small_weights", "cnn fashion small_weights"}},
      {"initial_loss", kLoss, {"lenet fashion large_weights", "mlp blobs large_layer"}},
      {"learning_rate_habit", kLoss, {"mlp blobs rate_low", "mlp blobs rate_high"}},
      {"rate_too_high", kLoss, {"residual regression momentum", "mlp circles large_weights"}},
      {"rate_too_low",
       kLoss,
       {"lenet fashion small_weights", "mlp blobs small_weights", "residual digits no_batch_norm",
        "lenet fashion large_layer"}},
      {"schedule_too_long", kLoss, {"lenet fashion long_warmup", "mlp blobs long_warmup"}},
      {"early_decay", kLoss, {"lenet fashion early_decay", "mlp blobs early_decay"}},
      {"update_ratio", kLoss, {"mlp blobs short_warmup", "mlp blobs momentum", "mlp blobs rate_high"}},
      {"epsilon_above_gradients", kLoss, {"lenet digits adam_epsilon", "mlp blobs adam_epsilon"}},
      {"penalty_above_loss", kLoss, {"lenet digits strong_decay", "mlp blobs strong_decay"}},
      {"saturation", kLoss, {"mlp blobs saturated_layer", "lenet digits saturated_layer"}},
      {"dead_relu", kLoss, {"mlp blobs dead_layer", "lenet digits dead_layer"}},
      {"exploding_gradient", kLoss, {"residual blobs rate_high", "residual circles rate_high"}},
      {"vanishing_gradient", kLoss, {"mlp blobs deep_sigmoids", "mlp blobs sigmoids", "cnn digits sigmoids"}},
      {"residual_variance",
       kLoss,
       {"residual blobs no_batch_norm", "residual digits no_batch_norm", "residual blobs exploding_residuals",
        "residual fashion no_batch_norm", "residual fashion exploding_residuals", "residual circles no_batch_norm"}},
      {"unchanged_tensor", kLoss, {"mlp blobs zero_weights", "lenet digits zero_weights"}},
      {"loss_diverging",
       kLoss,
       {"lenet digits short_warmup", "lenet fashion rate_high", "mlp blobs rate_high", "cnn digits short_warmup",
        "lenet digits momentum"}},
      {"loss_jump",
       kLoss,
       {"lenet digits momentum", "mlp blobs momentum", "lenet fashion momentum", "cnn digits short_warmup",
        "mlp circles rate_high", "residual blobs rate_high", "cnn digits rate_high", "mlp digits rate_high"}},
      {"loss_not_falling", kLoss, {"cnn digits sigmoids", "mlp blobs sigmoids", "lenet digits shifted_labels"}},
      {"loss_oscillating",
       kLoss,
       {"lenet digits momentum", "mlp blobs momentum", "mlp regression rate_high", "residual blobs rate_high",
        "residual regression rate_high", "mlp blobs rate_higher", "residual circles rate_high"}},
      {"loss_plateau",
       kLoss,
       {"lenet digits one_class", "mlp blobs deep_sigmoids", "lenet digits zero_weights", "mlp blobs short_warmup",
        "lenet digits softmax_twice", "mlp circles no_activation"}},
      {"overfitting", kEvaluation, {"lenet fashion few_examples", "mlp blobs few_examples"}},
      {"overtraining",
       kEvaluation,
       {"lenet fashion few_examples", "mlp blobs few_examples", "mlp circles few_examples"}},
      {"class_never_predicted", kGood, {"mlp blobs imbalance", "lenet digits imbalance", "mlp blobs sigmoids"}},
      {"modes_disagree", kEvaluation, {"residual digits slow_statistics", "residual blobs slow_statistics"}},
      {"underfitting", kLoss, {"mlp circles no_activation", "mlp blobs noisy_labels", "lenet digits shifted_labels"}},
  };
  return shown;
}

const std::vector<Unpictured>& WithoutPicture() {
  static const auto& without = *new std::vector<Unpictured>{
      {"waiting_for_data", "It is about the clock, not the loss: the same curve, later."},
      {"constant_features", "It is about the data; the curve of a run with such features is that of one without."},
      {"duplicated_features", "It is about the data; the curve of a run with such features is that of one without."},
      {"shared_examples", "The curve looks better than the network is: that is the fault."},
  };
  return without;
}

absl::StatusOr<Run> RunOf(const std::string& text, bool healthy) {
  const std::vector<std::string> parts = absl::StrSplit(text, ' ');
  const auto own = Own().find(parts[2]);
  std::vector<Run> runs = PlanRuns({.seeds = 1,
                                    .faults = {own == Own().end() ? parts[2] : std::string("zero_layer")},
                                    .data = {parts[1]},
                                    .nets = {parts[0]}});
  if (runs.size() < 2) return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is no run of the benchmark"));
  if (healthy) return std::move(runs.front());
  if (own == Own().end()) return std::move(runs.back());
  Run run = std::move(runs.front());
  run.id = absl::StrCat("own-", absl::StrReplaceAll(text, {{" ", "-"}}));
  run.kind = parts[2];
  own->second(run.job);
  return run;
}

}  // namespace traind::insight

#include "core/insight/profiles.h"

#include <map>

#include "google/protobuf/text_format.h"

namespace traind::core {
namespace {

// The rules of a tool look in windows here (three of five), where theirs look in each step or epoch; and where their
// measure is another, the nearest one here stands for it. Each profile says where. A threshold that a profile does not
// give is the default here.

// Amazon SageMaker Debugger, "List of Debugger built-in rules", with the defaults of its parameters. It knows nothing
// of how the run goes, so its rules always warn.
// - AllZero (100 %) and UnchangedTensor (numpy.allclose, rtol 1e-5): unchanged_tensor.
// - ClassImbalance (10): class_imbalance.
// - DeadRelu (inactive, 50 % of the layer): dead_relu, over dead_window observed steps.
// - ExplodingTensor (NaN, infinity): non_finite.
// - LossNotDecreasing (0.1 % against 10 steps before): loss_not_falling, against the beginning, which is milder.
// - Overfit ((validation - training) / training above 0.1): overfitting, against the best evaluation, which is milder.
// - Overtraining (a patience in validations): overtraining, by the share of the job.
// - PoorWeightInitialization (largest over smallest variance of the layers above 10): initialization_scale, whose
//   factor is of the deviation, sqrt(10), whatever the depth; and no_symmetry_breaking.
// - SaturatedActivation (slope below 1e-7, 50 % of the layer): saturation, whose slope of 0.01 is stricter.
// - VanishingGradient (mean |gradient| below 1e-7): vanishing_gradient by its root mean square alone.
// - WeightUpdateRatio (1e-8 to 10): update_ratio, the median of the layers.
// Without a counterpart: CheckInputImages (a mean of images off zero), Confusion, NLPSequenceRatio, SimilarAcrossRuns,
// StalledTraining, TensorVariance, and those of XGBoost.
constexpr char kSageMaker[] = R"pb(
  warn_while_improving: true
  rules: "class_imbalance"
  rules: "dead_relu"
  rules: "initialization_scale"
  rules: "loss_not_falling"
  rules: "no_symmetry_breaking"
  rules: "non_finite"
  rules: "overfitting"
  rules: "overtraining"
  rules: "saturation"
  rules: "unchanged_tensor"
  rules: "update_ratio"
  rules: "vanishing_gradient"
  thresholds { class_imbalance { most_ratio: 10 } }
  thresholds { dead_relu { most_share: 0.5 } }
  thresholds { initialization_scale { least_ratio: 0.999 most_ratio: 1.001 least_change: 3.1623 } }
  thresholds { loss_not_falling { least_fall: 0.001 after_share: 0.1 } }
  thresholds { overfitting { most_over_best: 1.1 } }
  thresholds { saturation { most_share: 0.5 } }
  thresholds { unchanged_tensor { most_ratio: 1e-5 } }
  thresholds { update_ratio { least: 1e-8 most: 10 } }
  thresholds { vanishing_gradient { least_rms: 1e-7 least_ratio: 1e-30 } }
)pb";

// Wardat, Cruz, Le and Rajan, "DeepDiagnosis: Automatically Diagnosing Faults and Recommending Actionable Fixes in Deep
// Learning Programs", ICSE 2022; the numbers are those of callbacks.py in its repository. It stops the training at the
// first symptom, however the run goes.
// - Dead node (70 % of a relu's values are zero): dead_relu, by units that are zero for every example, which is milder.
// - Loss not decreasing (the same number in five epochs): loss_not_falling, where it has not fallen at all.
// - Numerical error (NaN, infinity): non_finite.
// - Out of range (the last activation does not suit loss and labels): softmax_before_cross_entropy.
// - Saturated activation (|x| of 5 or more, half of the values): saturation. At 5 a sigmoid has a slope of 0.0066, a
//   tanh of 0.0002; here the slope is 0.01.
// - Unchanged tensor (the same mean in five epochs), and a mean of zero: unchanged_tensor.
// - Vanishing gradient (mean |gradient| below 1e-7): vanishing_gradient by its root mean square alone.
// Without a counterpart: accuracy not increasing (the same number in twenty epochs). Data outside -1 to 1, poor weights
// (variance outside 1e-5 to 10) and the learning rate (update outside 1e-5 to 1e-1 of the weights) are only advice
// there, which follows a symptom.
constexpr char kDeepDiagnosis[] = R"pb(
  warn_while_improving: true
  rules: "dead_relu"
  rules: "loss_not_falling"
  rules: "non_finite"
  rules: "saturation"
  rules: "softmax_before_cross_entropy"
  rules: "unchanged_tensor"
  rules: "vanishing_gradient"
  thresholds { dead_relu { most_share: 0.7 } }
  thresholds { loss_not_falling { least_fall: 1e-6 after_share: 0.1 } }
  thresholds { saturation { most_share: 0.5 } }
  thresholds { vanishing_gradient { least_rms: 1e-7 least_ratio: 1e-30 } }
)pb";

// Zhang, Zhai, Ma and Shen, "AUTOTRAINER: An Automatic DNN Training Problem Detection and Repair System", ICSE 2021;
// the numbers are the params and the monitor of its repository. It looks only at runs that do not converge (an accuracy
// below Theta = 0.7), so rules about layers are silent while the run improves, as they are here by default.
// - Dying relu (gamma: 70 % of the gradients are zero): dead_relu, by units.
// - Exploding gradient (beta_3: norm of the first layer over that of the last above 70; NaN): exploding_gradient, by
//   root mean squares and of any layer, and non_finite.
// - Oscillating loss (zeta 0.03, eta 0.2, of the accuracy): loss_oscillating with its default, of the loss.
// - Slow convergence (delta: no epoch gains 0.01 of accuracy, after 0.3 of the epochs): loss_not_falling with its
//   default, of the loss, after the same share.
// - Vanishing gradient (beta_1: first over last below 1e-3, and beta_2: its norm below 1e-4): vanishing_gradient,
//   against the largest one behind it.
// Without a counterpart: a test loss of 1e5 or more, which it takes for an explosion. Growth from step to step is no
// rule of it, and is not looked at.
constexpr char kAutoTrainer[] = R"pb(
  warn_while_improving: false
  rules: "dead_relu"
  rules: "exploding_gradient"
  rules: "loss_not_falling"
  rules: "loss_oscillating"
  rules: "non_finite"
  rules: "vanishing_gradient"
  thresholds { dead_relu { most_share: 0.7 } }
  thresholds { exploding_gradient { most_ratio: 70 most_growth: 1e30 } }
  thresholds { loss_not_falling { after_share: 0.3 } }
  thresholds { vanishing_gradient { least_ratio: 1e-3 } }
)pb";

// Ben Braiek and Khomh, "Testing Feedforward Neural Networks Training Programs" (TheDeepChecker), TOSEM 2023; the
// checks are those of its repository. Its settings file could not be read: the numbers below are those of a later port
// of the same checks to PyTorch (rl_debugger), and where there are none the rule looks with its default here. It
// reports whatever the run does.
// - Dead activations (95 % of a unit's values below 1e-5, half of the units): dead_relu.
// - Data: constant features, unbalanced labels (perplexity, 0.5): constant_features and class_imbalance, both with
//   their defaults. Not normalized (neither a range of [0, 1] or [-1, 1] nor mean 0 and variance 1): data_scale,
//   likewise.
// - Exploding and vanishing gradients, unstable updates, untrained weights: exploding_gradient, vanishing_gradient,
//   update_ratio and unchanged_tensor, whose numbers were not to be had.
// - Initial loss (deviation from the expected one above 1.0 of it): initial_loss.
// - Initial weights (F test against He under relu and Glorot under tanh; no variance): xavier_under_relu and
//   no_symmetry_breaking.
// - Loss: stagnates (5 % in five windows), diverges (twice as large in each of five), fluctuates (smoothness below
//   0.5): loss_not_falling, loss_diverging and loss_oscillating, the last two with their defaults.
// - Numerical instabilities: non_finite. Saturation (rho_B above 0.85, half of the units): saturation.
// - Switch of modes (relative difference of the losses, whose number was not to be had): modes_disagree.
// Without a counterpart: deviation of activations outside 0.5 to 2, sign and divergence of weights and biases, the bias
// of the last layer, overwhelming penalties, loss against metric, one minibatch that must be learned by heart, and the
// likeness of activations with and without augmentation.
constexpr char kTheDeepChecker[] = R"pb(
  warn_while_improving: true
  rules: "class_imbalance"
  rules: "constant_features"
  rules: "data_scale"
  rules: "dead_relu"
  rules: "exploding_gradient"
  rules: "initial_loss"
  rules: "loss_diverging"
  rules: "loss_not_falling"
  rules: "loss_oscillating"
  rules: "modes_disagree"
  rules: "no_symmetry_breaking"
  rules: "non_finite"
  rules: "saturation"
  rules: "unchanged_tensor"
  rules: "update_ratio"
  rules: "vanishing_gradient"
  rules: "xavier_under_relu"
  thresholds { dead_relu { most_share: 0.5 } }
  thresholds { initial_loss { most_ratio: 2 } }
  thresholds { loss_not_falling { least_fall: 0.05 after_share: 0.1 } }
  thresholds { saturation { most_share: 0.5 } }
)pb";

v1::InsightSpec Parsed(const char* text) {
  v1::InsightSpec spec;
  google::protobuf::TextFormat::ParseFromString(text, &spec);  // The test parses them too, and says what is wrong.
  return spec;
}

}  // namespace

const v1::InsightSpec& BaseOf(v1::InsightSpec::Profile profile) {
  static const auto& bases = *new std::map<v1::InsightSpec::Profile, v1::InsightSpec>{
      {v1::InsightSpec::PROFILE_SAGEMAKER, Parsed(kSageMaker)},
      {v1::InsightSpec::PROFILE_DEEPDIAGNOSIS, Parsed(kDeepDiagnosis)},
      {v1::InsightSpec::PROFILE_AUTOTRAINER, Parsed(kAutoTrainer)},
      {v1::InsightSpec::PROFILE_THEDEEPCHECKER, Parsed(kTheDeepChecker)},
  };
  static const v1::InsightSpec none;
  const auto found = bases.find(profile);
  return found == bases.end() ? none : found->second;
}

}  // namespace traind::core

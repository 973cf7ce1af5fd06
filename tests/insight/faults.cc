#include "tests/insight/faults.h"

#include <iterator>
#include <utility>

namespace traind::insight {
namespace {

using Layers = google::protobuf::RepeatedPtrField<v1::Layer>;

// --- To which jobs.

bool Everywhere(Net, Data) { return true; }
bool InChains(Net net, Data) { return net != Net::kResidual; }
bool InDeepChains(Net net, Data) { return net == Net::kMlp || net == Net::kCnn; }
bool InResidual(Net net, Data) { return net == Net::kResidual; }
bool WithClasses(Net, Data data) { return HasClasses(data); }
bool WithImages(Net, Data data) { return IsImage(data); }
bool WithTargets(Net, Data data) { return !HasClasses(data); }

// --- Parts of changes.

Weighted Middle(FaultyJob& job) {
  const std::vector<Weighted> hidden = HiddenLayers(job.spec);
  return hidden[hidden.size() / 2];
}

void StartNormal(Weighted layer, double std) {
  v1::Initializer& initializer = WeightInitOf(*layer.layer);
  initializer.Clear();
  initializer.mutable_normal()->set_std(std);
}

void StartAllNormal(FaultyJob& job, double std) {
  for (const Weighted& one : WeightedLayers(job.spec)) StartNormal(one, std);
}

// All activations become another one; null: none.
void Activate(FaultyJob& job, void (*make)(v1::Activation&)) {
  ForEachLayer(job.spec, [&](v1::Layer& layer) {
    if (!layer.has_activation()) return;
    layer.clear_activation();
    if (make != nullptr) make(*layer.mutable_activation());
  });
}

void MultiplyRate(FaultyJob& job, double factor) {
  v1::Optimizer& optimizer = *job.spec.mutable_optimizer();
  optimizer.set_learning_rate(optimizer.learning_rate() * factor);
}

v1::Layer& Last(FaultyJob& job) { return *job.spec.mutable_network()->mutable_layers()->rbegin(); }

// Every layer of a list, with others behind those that `behind` wants them; inside of blocks too.
void Insert(Layers& layers, const std::string& prefix, bool (*behind)(const v1::Layer&), const v1::Layer& what,
            std::vector<std::string>& names) {
  Layers all;
  for (v1::Layer& layer : layers) {
    v1::Layer& kept = *all.Add();
    kept = layer;
    if (kept.has_block()) {
      Insert(*kept.mutable_block()->mutable_residual()->mutable_layers(), prefix + kept.name() + ".", behind, what,
             names);
    }
    if (!behind(kept)) continue;
    v1::Layer& added = *all.Add();
    added = what;
    added.set_name(what.name() + "_" + kept.name());
    names.push_back(prefix + added.name());
  }
  layers = std::move(all);
}

// Batch norms go, and leave their activation to the layer before.
void RemoveNorms(Layers& layers) {
  Layers all;
  for (v1::Layer& layer : layers) {
    if (layer.has_batch_norm()) {
      if (layer.has_activation()) *all.rbegin()->mutable_activation() = layer.activation();
      continue;
    }
    v1::Layer& kept = *all.Add();
    kept = layer;
    if (kept.has_block()) RemoveNorms(*kept.mutable_block()->mutable_residual()->mutable_layers());
  }
  layers = std::move(all);
}

// --- Weights and activations.

void ZeroWeights(FaultyJob& job) {
  const Weighted middle = Middle(job);
  WeightInitOf(*middle.layer).mutable_zeros();
  job.layers = {middle.name};
}

void ZeroWeightsEverywhere(FaultyJob& job) {
  for (const Weighted& one : WeightedLayers(job.spec)) WeightInitOf(*one.layer).mutable_zeros();
}

void ConstantWeights(FaultyJob& job) {
  const Weighted middle = Middle(job);
  WeightInitOf(*middle.layer).mutable_constant()->set_value(0.05);
  job.layers = {middle.name};
}

void SmallWeights(FaultyJob& job) { StartAllNormal(job, 0.01); }
void LargeWeights(FaultyJob& job) { StartAllNormal(job, 1); }

void LargeLayer(FaultyJob& job) {
  const Weighted middle = Middle(job);
  StartNormal(middle, 5);
  job.layers = {middle.name};
}

void XavierUnderRelu(FaultyJob& job) {
  for (const Weighted& one : WeightedLayers(job.spec)) WeightInitOf(*one.layer).mutable_xavier();
}

void Sigmoids(FaultyJob& job) {
  Activate(job, [](v1::Activation& activation) { activation.mutable_sigmoid(); });
}

void NoActivation(FaultyJob& job) { Activate(job, nullptr); }

void Saturated(FaultyJob& job) {
  Activate(job, [](v1::Activation& activation) { activation.mutable_tanh(); });
  for (const Weighted& one : WeightedLayers(job.spec)) WeightInitOf(*one.layer).mutable_xavier();
  const Weighted middle = Middle(job);
  StartNormal(middle, 5);
  job.layers = {middle.name};
}

void DeadBias(FaultyJob& job) {
  constexpr double kFarBelow = -20;
  const Weighted middle = Middle(job);
  if (job.net != Net::kResidual) {
    BiasInitOf(*middle.layer).mutable_constant()->set_value(kFarBelow);
    job.layers = {middle.name};
    return;
  }
  // Batch norm takes the bias before it away; its own one stays.
  for (v1::Layer& layer : *job.spec.mutable_network()->mutable_layers()) {
    if (layer.name() != "stem_norm") continue;
    layer.mutable_batch_norm()->mutable_bias_init()->mutable_constant()->set_value(kFarBelow);
    job.layers = {layer.name()};
  }
}

void ExplodingResiduals(FaultyJob& job) {
  RemoveNorms(*job.spec.mutable_network()->mutable_layers());
  for (const Weighted& one : WeightedLayers(job.spec)) {
    if (one.layer->name() == "two") StartNormal(one, 0.5);
  }
}

// --- Normalization and regularization.

void NoNorms(FaultyJob& job) { RemoveNorms(*job.spec.mutable_network()->mutable_layers()); }
void TinyBatch(FaultyJob& job) { job.spec.set_batch_size(2); }

void DropoutBeforeNorm(FaultyJob& job) {
  v1::Layer dropout;
  dropout.set_name("drop");
  dropout.mutable_dropout()->set_rate(0.5);
  Insert(
      *job.spec.mutable_network()->mutable_layers(), "",
      [](const v1::Layer& layer) { return layer.name() == "stem" || layer.name() == "one" || layer.name() == "two"; },
      dropout, job.layers);
}

void StrongDropout(FaultyJob& job) {
  v1::Layer dropout;
  dropout.set_name("drop");
  dropout.mutable_dropout()->set_rate(0.9);
  Insert(
      *job.spec.mutable_network()->mutable_layers(), "",
      [](const v1::Layer& layer) { return layer.has_activation() && layer.name() != "norm1"; }, dropout, job.layers);
}

void SlowStatistics(FaultyJob& job) {
  ForEachLayer(job.spec, [](v1::Layer& layer) {
    if (layer.has_batch_norm()) layer.mutable_batch_norm()->set_momentum(0.001);
  });
}

void StrongDecay(FaultyJob& job) { job.spec.mutable_network()->add_regularizers()->mutable_l2()->set_strength(0.3); }

void FewExamples(FaultyJob& job) {
  job.spec.mutable_data()->set_max_train_examples(60);
  job.spec.set_batch_size(16);
}

// --- Data.

void Unnormalized(FaultyJob& job) { job.spec.mutable_data()->clear_preprocessing(); }
void NormalizedTwice(FaultyJob& job) { job.spec.mutable_data()->add_preprocessing()->mutable_scale(); }

void BadAugmentation(FaultyJob& job) {
  job.spec.mutable_data()->add_augmentation()->mutable_rotate()->set_max_degrees(180);
  v1::RandomResizedCrop& crop = *job.spec.mutable_data()->add_augmentation()->mutable_random_resized_crop();
  crop.set_min_area(0.05);
  crop.set_max_area(0.15);
}

// --- Optimization.

void RateHigh(FaultyJob& job) { MultiplyRate(job, 100); }
void RateLow(FaultyJob& job) { MultiplyRate(job, 1e-3); }

void ShortWarmup(FaultyJob& job) {
  MultiplyRate(job, 20);
  job.spec.mutable_optimizer()->mutable_schedule()->set_warmup_steps(3);
}

void LongWarmup(FaultyJob& job) { job.spec.mutable_optimizer()->mutable_schedule()->set_warmup_steps(100 * kSteps); }

void EarlyDecay(FaultyJob& job) {
  v1::StepSchedule& schedule = *job.spec.mutable_optimizer()->mutable_schedule()->mutable_step();
  schedule.set_every_steps(5);
  schedule.set_factor(0.3);
}

void Momentum(FaultyJob& job) {
  v1::Optimizer& optimizer = *job.spec.mutable_optimizer();
  optimizer.mutable_sgd()->set_momentum(0.999);
  optimizer.set_learning_rate(0.02);
}

void AdamEpsilon(FaultyJob& job) {
  v1::Optimizer& optimizer = *job.spec.mutable_optimizer();
  optimizer.mutable_adam()->set_epsilon(10);
  optimizer.set_learning_rate(0.001);
}

// --- Outputs and loss.

void SoftmaxTwice(FaultyJob& job) {
  v1::Layer& layer = *job.spec.mutable_network()->add_layers();
  layer.set_name("softmax");
  layer.mutable_softmax();
  job.layers = {"out", "softmax"};
}

void ReluOutputs(FaultyJob& job) {
  Last(job).mutable_activation()->mutable_relu();
  job.layers = {"out"};
}

void SigmoidOutputs(FaultyJob& job) {
  Last(job).mutable_activation()->mutable_sigmoid();
  job.layers = {"out"};
}

void WrongLoss(FaultyJob& job) { job.spec.mutable_loss()->mutable_mean_squared_error(); }

template <Change change>
void OfData(FaultyJob& job) {
  job.change = change;
}

const std::vector<std::string> kOfRate = {"update_ratio",   "rate_too_high",    "learning_rate_habit", "non_finite",
                                          "loss_diverging", "loss_oscillating", "exploding_gradient",  "loss_jump"};
const std::vector<std::string> kOfLabels = {"shuffled_labels", "noisy_labels", "loss_not_falling",
                                            "overfitting",     "overtraining", "underfitting"};
const std::vector<std::string> kOfScale = {"initialization_scale", "initial_loss",   "exploding_gradient",
                                           "non_finite",           "loss_diverging", "residual_variance"};

std::vector<Fault> MakeFaults() {
  constexpr Seen kAtOnce = Seen::kAtOnce;
  return {
      {"zero_layer",
       "the weights of one layer start at zero",
       {"no_symmetry_breaking"},
       kAtOnce,
       Everywhere,
       ZeroWeights},
      {"zero_weights",
       "all weights start at zero",
       {"no_symmetry_breaking"},
       kAtOnce,
       Everywhere,
       ZeroWeightsEverywhere},
      {"constant_layer",
       "the weights of one layer start at 0.05",
       {"no_symmetry_breaking"},
       kAtOnce,
       Everywhere,
       ConstantWeights},
      {"small_weights",
       "all weights start with deviation 0.01",
       {"initialization_scale", "vanishing_gradient"},
       kAtOnce,
       Everywhere,
       SmallWeights},
      {"large_weights", "all weights start with deviation 1", kOfScale, kAtOnce, Everywhere, LargeWeights},
      {"large_layer", "the weights of one layer start with deviation 5", kOfScale, kAtOnce, InChains, LargeLayer},
      {"xavier_relu",
       "xavier under relu",
       {"xavier_under_relu", "initialization_scale"},
       kAtOnce,
       InDeepChains,
       XavierUnderRelu},
      {"sigmoids",
       "sigmoid in place of relu",
       {"vanishing_gradient", "saturation", "initialization_scale"},
       kAtOnce,
       Everywhere,
       Sigmoids},
      {"no_activation", "no activations", {"no_activation", "two_linear_layers"}, kAtOnce, InChains, NoActivation},
      {"saturated_layer",
       "tanh, and one layer's weights start with deviation 5",
       {"saturation", "initialization_scale"},
       kAtOnce,
       InChains,
       Saturated},
      {"dead_layer", "the bias before one relu starts at -20", {"dead_relu"}, kAtOnce, Everywhere, DeadBias},
      {"exploding_residuals", "residual branches without batch norm, weights of deviation 0.5", kOfScale, kAtOnce,
       InResidual, ExplodingResiduals},
      {"no_batch_norm", "batch norm is missing", kOfScale, kAtOnce, InResidual, NoNorms},
      {"tiny_batch", "batch norm over 2 examples", {"batch_norm_small_batch"}, kAtOnce, InResidual, TinyBatch},
      {"dropout_before_norm",
       "dropout before each batch norm",
       {"dropout_place", "modes_disagree"},
       kAtOnce,
       InResidual,
       DropoutBeforeNorm},
      {"strong_dropout",
       "dropout of 0.9 behind every layer",
       {"dropout_place", "underfitting"},
       kAtOnce,
       Everywhere,
       StrongDropout},
      {"slow_statistics",
       "batch norm's running statistics take a thousandth of each batch",
       {"modes_disagree"},
       Seen::kFirstEvaluation,
       InResidual,
       SlowStatistics},
      {"strong_decay",
       "L2 of strength 0.3",
       {"penalty_above_loss", "underfitting", "loss_not_falling", "vanishing_gradient", "loss_diverging"},
       kAtOnce,
       Everywhere,
       StrongDecay},
      {"few_examples",
       "60 training examples",
       {"few_examples", "overfitting", "overtraining"},
       Seen::kAfterBest,
       Everywhere,
       FewExamples},
      {"unnormalized", "no preprocessing", {"data_not_centered", "data_scale"}, kAtOnce, Everywhere, Unnormalized},
      {"normalized_twice",
       "divided by 255 after it was standardized",
       {"data_scale", "preprocessing_twice"},
       kAtOnce,
       Everywhere,
       NormalizedTwice},
      {"bad_augmentation",
       "turned by any angle and cut to a tenth",
       {"strong_augmentation", "augmentation_changes_label", "underfitting", "loss_not_falling", "split_shift"},
       kAtOnce,
       WithImages,
       BadAugmentation},
      {"shuffled_labels", "training labels in another order", kOfLabels, kAtOnce, Everywhere,
       OfData<Change::kLabelsShuffled>},
      {"shifted_labels", "each training example has the label of the next one", kOfLabels, kAtOnce, Everywhere,
       OfData<Change::kLabelsShifted>},
      {"noisy_labels", "six of ten training labels drawn anew", kOfLabels, kAtOnce, Everywhere,
       OfData<Change::kLabelsNoisy>},
      {"imbalance",
       "of all classes but one a thirtieth is left",
       {"class_imbalance", "class_never_predicted", "split_shift"},
       kAtOnce,
       WithClasses,
       OfData<Change::kImbalanced>},
      {"one_class",
       "all training labels are one class",
       {"constant_labels", "class_never_predicted", "split_shift"},
       kAtOnce,
       WithClasses,
       OfData<Change::kOneClass>},
      {"test_shifted",
       "test inputs are larger than those of the training",
       {"split_shift"},
       kAtOnce,
       Everywhere,
       OfData<Change::kTestShifted>},
      {"scaled_targets",
       "targets of deviation 1000",
       {"exploding_gradient", "update_ratio", "non_finite", "loss_diverging", "loss_not_falling", "underfitting"},
       kAtOnce,
       WithTargets,
       OfData<Change::kTargetsScaled>},
      {"rate_high", "100 times the learning rate", kOfRate, kAtOnce, Everywhere, RateHigh},
      {"rate_low",
       "a thousandth of the learning rate",
       {"update_ratio", "rate_too_low", "learning_rate_habit", "underfitting", "loss_not_falling"},
       kAtOnce,
       Everywhere,
       RateLow},
      {"short_warmup", "20 times the rate after 3 steps of warm-up", kOfRate, kAtOnce, Everywhere, ShortWarmup},
      {"long_warmup",
       "a warm-up a hundred times as long as the job",
       {"schedule_too_long", "update_ratio", "rate_too_low"},
       kAtOnce,
       Everywhere,
       LongWarmup},
      {"early_decay",
       "the rate falls to 0.3 of it every 5 steps",
       {"early_decay", "update_ratio", "underfitting", "loss_plateau", "schedule_too_long", "loss_not_falling"},
       kAtOnce,
       Everywhere,
       EarlyDecay},
      {"momentum", "momentum 0.999", kOfRate, kAtOnce, Everywhere, Momentum},
      {"adam_epsilon",
       "Adam with epsilon 10",
       {"epsilon_above_gradients", "update_ratio", "rate_too_low", "underfitting", "loss_not_falling"},
       kAtOnce,
       Everywhere,
       AdamEpsilon},
      {"softmax_twice",
       "a softmax before the loss that takes its own",
       {"softmax_before_cross_entropy"},
       kAtOnce,
       WithClasses,
       SoftmaxTwice},
      {"relu_outputs", "relu on the outputs", {"softmax_before_cross_entropy"}, kAtOnce, WithClasses, ReluOutputs},
      {"sigmoid_outputs",
       "sigmoid on the outputs",
       {"softmax_before_cross_entropy"},
       kAtOnce,
       WithClasses,
       SigmoidOutputs},
      {"wrong_loss",
       "mean squared error for classes",
       {"loss_for_classes", "underfitting", "loss_not_falling", "loss_plateau"},
       kAtOnce,
       WithClasses,
       WrongLoss},
  };
}

}  // namespace

const std::vector<Fault>& Faults() {
  static const auto& faults = *new std::vector<Fault>(MakeFaults());
  return faults;
}

}  // namespace traind::insight

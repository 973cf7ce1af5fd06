#include "core/job/job_memory.h"

#include <algorithm>

#include "core/data/batch_loader.h"
#include "core/data/data_profile.h"
#include "core/data/dataset_dir.h"
#include "core/data/held_out.h"
#include "core/job/duration.h"
#include "core/job/metrics_size.h"
#include "core/job/resolve_initialization.h"

namespace traind::core {
namespace {

// A lottery ticket's mask and the weights that it rewinds to take as much as two state tensors of an optimizer.
constexpr int kPruningTensors = 2;
// A checkpoint has the weights beside their average.
constexpr int kAverageTensors = 1;
// Copies of one example: of loaders, augmentation and preprocessing, as they are made and as they are read.
constexpr double kExampleCopies = 8;

// Examples of the splits that are not read as a whole.
int64_t Sampled(const v1::Dataset& dataset, const v1::DataSpec& data) {
  return (data.max_train_examples() > 0 ? NumTrained(data, dataset) : 0) +
         (data.max_evaluation_examples() > 0 ? NumEvaluated(data, dataset) : 0) +
         (data.max_test_examples() > 0 ? NumTested(data, dataset) : 0);
}

// Of the profile that insight reads; 0: it does not.
int64_t ProfileBytes(const v1::JobSpec& spec, const v1::Dataset& dataset, const Graph& graph) {
  if (spec.insight().profile() == v1::InsightSpec::PROFILE_OFF) return 0;
  const int64_t examples = std::max(NumTrained(spec.data(), dataset), NumEvaluated(spec.data(), dataset));
  return ProfileMemory(Elements(graph.input_shape()), examples, dataset.num_classes());
}

}  // namespace

PlanOptions PlanOptionsFor(const v1::JobSpec& spec, absl::Span<const v1::LayerAlgorithm> algorithms) {
  PlanOptions options;
  options.batch = spec.batch_size();
  options.precision = spec.precision();
  options.seed = spec.seed();
  options.SetAlgorithms(algorithms);
  options.histogram_bins = static_cast<int>(spec.statistics().histogram_bins());
  options.dead_window = static_cast<int>(spec.statistics().dead_window());
  return options;
}

MemoryOptions MemoryOptionsFor(const v1::JobSpec& spec, absl::Span<const v1::LayerAlgorithm> algorithms,
                               int optimizer_slots, int64_t examples, int64_t looks) {
  const bool averages = spec.optimizer().has_ema() || spec.optimizer().has_swa();
  MemoryOptions options{
      .plan = PlanOptionsFor(spec, algorithms),
      .optimizer_slots = optimizer_slots,
      .more_tensors = (spec.has_lottery_ticket() ? kPruningTensors : 0) + (averages ? kAverageTensors : 0),
      .threads = spec.threads(),
      .evaluates = Evaluates(spec.data()) || Tests(spec.data()),
      .last_batch = LastBatchOf(spec, examples),
      .averages_looks = looks > 1};
  options.plan.observe = spec.statistics().every_steps() > 0;
  if (spec.has_data_initialization()) options.initialization = InitializationOf(spec.data_initialization());
  return options;
}

int64_t DataMemory(const v1::JobSpec& spec, const v1::Dataset& dataset, const ResolvedData& data, const Graph& graph) {
  const double example = 4.0 * static_cast<double>(Elements(graph.input_shape()));
  // Blended examples have soft labels as wide as the output.
  const int64_t targets = spec.data().targets() == v1::TARGET_SOURCE_INPUT ? 0
                          : data.blends                                    ? graph.output().output[0]
                                                                           : dataset.target_width();
  const double batch = spec.batch_size() * (example + 4.0 + 4.0 * static_cast<double>(targets));
  // Evaluation has a loader of its own, beside that of training.
  const double loaders = Evaluates(spec.data()) || Tests(spec.data()) ? 2 : 1;
  const double in_flight = loaders * static_cast<double>(BatchLoader::BatchesInFlight(PrefetchThreads(spec.data())));
  const double stored = 4.0 * static_cast<double>(std::max(Elements(data.stored), Elements(data.augmented)));
  const double initializing = batch * spec.data_initialization().minibatches();
  // What evaluation counts beside the loss.
  v1::Loss config = spec.loss();
  FieldErrors::Root checked;
  const auto loss = Registry<Loss>::Get().Create(config, checked.scope());
  const int64_t evaluated = std::max(NumEvaluated(spec.data(), dataset), NumTested(spec.data(), dataset));
  const double metrics =
      loss == nullptr ? 0
                      : static_cast<double>(MetricsBytes(loss->output_meaning(), graph.output().output[0], evaluated));
  // Which examples a sample has, and their labels; the same of what is held out.
  const double samples = 8.0 * static_cast<double>(Sampled(dataset, spec.data())) +
                         static_cast<double>(HeldOutBytes(spec.data(), dataset));
  return data.preprocessing_bytes + ProfileBytes(spec, dataset, graph) +
         static_cast<int64_t>(
             std::min(in_flight * batch + kExampleCopies * std::max(example, stored) + initializing + samples + metrics,
                      0x1p62));
}

}  // namespace traind::core

#include "core/job/resolve.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/kind.h"
#include "core/base/labels.h"
#include "core/base/registry.h"
#include "core/checkpoint/weight_rules.h"
#include "core/data/batch_loader.h"
#include "core/graph/graph.h"
#include "core/graph/parameter_rules.h"
#include "core/insight/resolve.h"
#include "core/job/best_metric.h"
#include "core/job/cadence.h"
#include "core/job/check_tokens.h"
#include "core/job/check_values.h"
#include "core/job/describe.h"
#include "core/job/duration.h"
#include "core/job/early_stopping.h"
#include "core/job/fits.h"
#include "core/job/full_batch.h"
#include "core/job/job_memory.h"
#include "core/job/job_warnings.h"
#include "core/job/resolve_data.h"
#include "core/job/resolve_initialization.h"
#include "core/job/resolve_optimizer.h"
#include "core/job/resolve_parameter_rules.h"
#include "core/job/test_time.h"
#include "core/kinds/checks.h"
#include "core/kinds/loss.h"
#include "core/onednn/onednn.h"
#include "core/optimizers/resolve.h"
#include "core/plan/choose_algorithms.h"

namespace traind::core {
namespace {

constexpr int64_t kMaxMemory = int64_t{1} << 61;  // So that two can be added.

// A bound far above use: the memory that a job may reserve is what limits a batch.
constexpr uint32_t kMaxBatch = 65536;
// The API's defaults: of a large job and of the description of a network; of a probe, as in the lecture.
constexpr uint32_t kDefaultBatch = 128;
constexpr uint32_t kDefaultProbeBatch = 16;
// One prefetch thread keeps up with so many that compute.
constexpr uint32_t kThreadsPerPrefetchThread = 8;

void CheckPrecision(v1::Precision precision, const FieldErrors& errors) {
  if (precision == v1::PRECISION_BF16 && !onednn::SupportsBf16()) {
    errors.Add(absl::StrCat("BF16 needs a CPU with bfloat16 instructions, and this one offers ",
                            onednn::InstructionSet(), "; use F32"));
  }
}

// Batch size: `wanted` or the default, at most the number of examples; 0 examples means that it is not known.
uint32_t ResolveBatch(bool has, uint32_t wanted, uint32_t fallback, int64_t examples, const FieldErrors& errors) {
  const uint32_t limit = static_cast<uint32_t>(examples > 0 ? std::min<int64_t>(examples, kMaxBatch) : kMaxBatch);
  if (!has) return std::min(fallback, limit);
  if (wanted < 1 || wanted > limit) {
    errors.Add(absl::StrCat("must be 1 to ", limit, limit < kMaxBatch ? ", the number of training examples" : "",
                            ", not ", wanted));
  }
  return wanted;
}

// The graph of a network whose input shape the data may know: that of the examples after augmentation and
// preprocessing. `dataset` may be null.
std::unique_ptr<Graph> BuildNetwork(v1::Network& network, const v1::Dataset* dataset, const ResolvedData& data,
                                    const FieldErrors& errors) {
  const Shape& wanted = data.input_shape;
  if (dataset != nullptr && network.input_shape().empty()) {
    network.mutable_input_shape()->Assign(wanted.begin(), wanted.end());
  }
  if (dataset != nullptr && Shape(network.input_shape().begin(), network.input_shape().end()) != wanted) {
    errors.At("input_shape")
        .Add(absl::StrCat("is ", ToString(network.input_shape()), ", but the examples of ", dataset->name(), " are ",
                          ToString(wanted), wanted == data.stored ? "" : " after the augmentation and preprocessing"));
    return nullptr;
  }
  return Graph::Build(network, errors);
}

// Checks what can be known of a network before its input is: the dataset that should say it does not exist.
void CheckWithoutShape(v1::Network& network, const FieldErrors& errors) {
  FieldErrors::Root found;
  Graph::Build(network, found.scope());
  for (const auto& violation : found.violations().field_violations()) {
    if (violation.field() != "input_shape") errors.At(violation.field()).Add(violation.description());
  }
}

void ResolveOptimizerDefault(v1::Optimizer& optimizer) {
  if (optimizer.kind_case() == v1::Optimizer::KIND_NOT_SET) optimizer.mutable_sgd()->set_momentum(0.9);
}

// The loss fits the dataset, and the network's output both.
void ResolveLoss(v1::JobSpec& spec, const v1::Dataset* dataset, bool blends, const FieldErrors& errors) {
  v1::Loss& config = *spec.mutable_loss();
  if (config.kind_case() == v1::Loss::KIND_NOT_SET) {
    if (dataset == nullptr) return;
    HasLabels(*dataset) ? static_cast<void>(config.mutable_softmax_cross_entropy())
                        : static_cast<void>(config.mutable_mean_squared_error());
  }
  const auto loss = Registry<Loss>::Get().Create(config, errors);
  if (loss != nullptr && blends && !loss->takes_values()) {
    errors.Add("does not take the soft labels that the augmentation makes");
    return;
  }
  if (loss == nullptr || dataset == nullptr) return;
  if (!TakesTargets(*loss, *dataset)) {
    errors.Add(absl::StrCat("does not take the ", std::string(NameOfTargets(*dataset)), " of ", dataset->name()));
  } else if (loss->output_meaning() == OutputMeaning::kLogits && dataset->target_width() == 1) {
    errors.Add(absl::StrCat("is a softmax over one output, which is always 1: the targets of ", dataset->name(),
                            " are one number; use mean_squared_error for numbers, binary_cross_entropy for yes and "
                            "no, or import classes as labels"));
  }
}

// Violations of the network go to `errors`, the scope of its output; those of the loss to `of_loss`.
void CheckOutput(const Graph& graph, v1::Loss config, const v1::Dataset& dataset, const FieldErrors& errors,
                 const FieldErrors& of_loss) {
  FieldErrors::Root reported;
  const auto loss = Registry<Loss>::Get().Create(config, reported.scope());
  if (loss == nullptr) return;
  const Shape& output = graph.output().output;
  if (output.size() != 1) {
    errors.Add(absl::StrCat("is the network's output and has shape ", ToString(output), "; it must be [outputs]"));
  } else if (!OutputsFit(*loss, output[0], dataset)) {
    errors.Add(HasLabels(dataset) ? absl::StrCat("has ", output[0], " outputs, fewer than the ", dataset.num_classes(),
                                                 " classes of ", dataset.name())
                                  : absl::StrCat("has ", output[0], " outputs, and the targets of ", dataset.name(),
                                                 " have ", dataset.target_width()));
  } else if (ComparesOneHot(*loss, dataset) && ClassesOf(loss->output_meaning(), output[0]) != dataset.num_classes()) {
    errors.Add(absl::StrCat("has ", output[0], " outputs, and ", KindName(config),
                            " compares them with one-hot rows of ", "the ", dataset.num_classes(), " classes of ",
                            dataset.name(),
                            ": give it one output for each class, or say data.targets: INPUT for an autoencoder"));
  } else {
    loss->CheckSizes(output[0], HasLabels(dataset) ? dataset.num_classes() : 0, AtKind(config, of_loss));
  }
}

// How long to train. `steps_per_epoch` is 0 when it is not known.
void ResolveDuration(v1::JobSpec& spec, uint64_t steps_per_epoch, const FieldErrors& errors) {
  if (spec.duration_case() == v1::JobSpec::DURATION_NOT_SET) spec.set_epochs(10);
  if (spec.has_steps()) {
    if (spec.steps() >= kMaxSteps) errors.At("steps").Add("must be less than 2^40");
  } else if (spec.epochs() == 0) {
    errors.At("epochs").Add("must be at least 1; to train nothing, say steps: 0");
  } else if (steps_per_epoch * spec.epochs() >= kMaxSteps) {
    errors.At("epochs").Add(absl::StrCat("makes ", steps_per_epoch * spec.epochs(), " steps; must be less than 2^40"));
  }
}

// 0 s, or with `above_zero` more than that, to 10,000 years, the range of google.protobuf.Duration.
void CheckDuration(const google::protobuf::Duration& duration, bool above_zero, const FieldErrors& errors) {
  constexpr int64_t kMaxSeconds = 315'576'000'000;
  const int64_t seconds = duration.seconds(), nanos = duration.nanos();
  const bool in_range = seconds >= 0 && seconds <= kMaxSeconds && nanos >= 0 && nanos <= 999'999'999;
  if (in_range && !(above_zero && seconds == 0 && nanos == 0)) return;
  errors.Add(
      absl::StrCat("must be ", above_zero ? "above " : "", "0 s to ", kMaxSeconds, " s, with nanos of 0 to 999999999"));
}

void ResolveCheckpoint(v1::CheckpointSpec& checkpoint, const FieldErrors& errors) {
  if (!checkpoint.has_every_steps()) checkpoint.set_every_steps(0);
  if (!checkpoint.has_every()) checkpoint.mutable_every()->set_seconds(30);
  CheckDuration(checkpoint.every(), /*above_zero=*/false, errors.At("every"));
  if (!checkpoint.has_keep_last()) checkpoint.set_keep_last(3);
  CheckCount(checkpoint.keep_last(), 1, 1000, errors.At("keep_last"));
  if (!checkpoint.has_time_share()) checkpoint.set_time_share(0.05);
  CheckShare(checkpoint.time_share(), errors.At("time_share"));
  ShortenBestMetric(checkpoint);
}

void ResolveStatistics(v1::StatisticsSpec& statistics, const FieldErrors& errors) {
  if (!statistics.has_histogram_bins()) statistics.set_histogram_bins(64);
  if (!statistics.has_dead_window()) statistics.set_dead_window(5);
  CheckCount(statistics.histogram_bins(), 64, 256, errors.At("histogram_bins"));
  CheckCount(statistics.dead_window(), 1, 1'000'000, errors.At("dead_window"));
}

// Everything that depends neither on the dataset nor on the network.
void ResolveSettings(v1::JobSpec& spec, uint32_t max_threads, const FieldErrors& errors) {
  CheckDisplayName(spec.display_name(), errors.At("display_name"));
  CheckLabels(spec.labels(), errors.At("labels"));
  if (spec.sampling() == v1::SAMPLING_UNSPECIFIED) spec.set_sampling(v1::SAMPLING_SHUFFLED);
  if (spec.precision() == v1::PRECISION_UNSPECIFIED) spec.set_precision(v1::PRECISION_F32);
  if (spec.convolution_algorithm() == v1::CONVOLUTION_ALGORITHM_UNSPECIFIED)
    spec.set_convolution_algorithm(v1::CONVOLUTION_ALGORITHM_AUTO);
  CheckPrecision(spec.precision(), errors.At("precision"));
  if (!spec.has_threads()) spec.set_threads(max_threads);
  CheckCount(spec.threads(), 1, max_threads, errors.At("threads"));
  v1::DataSpec& data = *spec.mutable_data();
  constexpr uint32_t kMaxPrefetch = BatchLoader::kMaxThreads;
  if (!data.has_prefetch_threads()) {
    data.set_prefetch_threads(std::clamp(spec.threads() / kThreadsPerPrefetchThread, 1u, kMaxPrefetch));
  }
  CheckCount(data.prefetch_threads(), 1, kMaxPrefetch, errors.At("data").At("prefetch_threads"));
  ResolveStatistics(*spec.mutable_statistics(), errors.At("statistics"));
  ResolveInsight(*spec.mutable_insight(), errors.At("insight"));
  ResolveCheckpoint(*spec.mutable_checkpoint(), errors.At("checkpoint"));
  if (spec.has_max_duration()) CheckDuration(spec.max_duration(), /*above_zero=*/true, errors.At("max_duration"));
}

// The largest power of two of 8 to 128 with which an epoch over `examples` has 8 minibatches; 8 when none has. 128
// while their number is not known.
uint32_t DefaultBatch(v1::JobSpec spec, int64_t examples) {
  for (uint32_t batch = kDefaultBatch; batch > 8; batch /= 2) {
    spec.set_batch_size(batch);
    if (examples == 0 || StepsPerEpoch(spec, examples) >= 8) return batch;
  }
  return 8;
}

// How many examples a step takes, how many steps there are, and what happens to the weights before and between them.
void ResolveSteps(const v1::JobSpec& spec, int64_t examples, v1::JobSpec& resolved, const FieldErrors& errors) {
  if (resolved.last_batch() == v1::LAST_BATCH_UNSPECIFIED) resolved.set_last_batch(v1::LAST_BATCH_KEEP);
  resolved.set_batch_size(ResolveBatch(spec.has_batch_size(), spec.batch_size(), DefaultBatch(resolved, examples),
                                       examples, errors.At("batch_size")));
  const uint64_t steps_per_epoch = StepsPerEpoch(resolved, examples);
  ResolveDuration(resolved, steps_per_epoch, errors);
  ResolveLotteryTicket(resolved, steps_per_epoch, errors);
  if (resolved.has_initial_weights()) CheckWeightRules(resolved.initial_weights(), errors.At("initial_weights"));
  if (resolved.has_data_initialization()) {
    const FieldErrors at = errors.At("data_initialization");
    const uint64_t whole = resolved.batch_size() > 0 ? examples / resolved.batch_size() : 0;
    ResolveDataInitialization(*resolved.mutable_data_initialization(), whole, at);
    if (resolved.has_initial_weights())
      at.Add("would change the weights of initial_weights or network.from; leave it out");
  }
  if (steps_per_epoch > 0 && !resolved.evaluation().has_every_steps()) {
    resolved.mutable_evaluation()->set_every_steps(
        static_cast<uint32_t>(std::min<uint64_t>(steps_per_epoch, UINT32_MAX)));
  }
}

// The field that a user would change for another output.
FieldErrors OutputField(const v1::Network& network, const FieldErrors& errors) {
  return network.has_preset() ? errors.At("preset") : errors.At("layers", network.layers_size() - 1);
}

// The network, and what depends on its shapes, the looks of evaluation among it. Null when they are not known, after a
// violation or without the dataset.
std::unique_ptr<Graph> ResolveNetwork(const v1::JobSpec& spec, const v1::Dataset* dataset, const ResolvedData& data,
                                      v1::JobSpec& resolved, int64_t* looks, const FieldErrors& errors) {
  v1::Network& network = *resolved.mutable_network();
  if (dataset == nullptr && network.input_shape().empty()) {
    CheckWithoutShape(network, errors.At("network"));
    return nullptr;
  }
  auto graph = BuildNetwork(network, dataset, data, errors.At("network"));
  if (graph == nullptr || dataset == nullptr) return nullptr;
  *looks = ResolveTestTime(resolved.mutable_evaluation()->mutable_test_time(), data.stored, data.augmented,
                           errors.At("evaluation").At("test_time"));
  CheckOutput(*graph, resolved.loss(), *dataset, OutputField(spec.network(), errors.At("network")), errors.At("loss"));
  CheckTokens(resolved.data(), *graph, errors.At("data"));
  ResolveBestMetric(resolved, *dataset, Elements(graph->output().output), errors);
  if (resolved.has_data_initialization()) {
    CheckDataInitialization(resolved.data_initialization(), *graph, errors.At("data_initialization"));
  }
  return graph;
}

}  // namespace

absl::StatusOr<ResolvedJob> ResolveJob(const v1::JobSpec& spec, const v1::Dataset* dataset, uint32_t max_threads,
                                       const FieldErrors& errors, const StopCheck& stop) {
  const int before = errors.count();
  ResolvedJob job;
  v1::JobSpec& resolved = job.spec;
  resolved = spec;
  CheckValues(resolved, errors);
  ResolveSettings(resolved, max_threads, errors);
  const ResolvedData data = ResolveData(*resolved.mutable_data(), dataset, errors.At("data"));
  ResolveSteps(spec, data.examples, resolved, errors);
  // From here on it is the one that the network is compared with.
  const std::optional<v1::Dataset> compared =
      dataset == nullptr ? std::nullopt
                         : std::optional(AsCompared(*dataset, resolved.data(), Elements(data.input_shape)));
  if (compared.has_value()) dataset = &*compared;
  ResolveEarlyStopping(resolved, dataset, errors);
  ResolveLoss(resolved, dataset, data.blends, errors.At("loss"));
  ResolveOptimizerDefault(*resolved.mutable_optimizer());
  ResolveOptimizerLengths(resolved, StepsPerEpoch(resolved, data.examples), errors);
  const ResolvedOptimizer optimizer = ResolveOptimizer(*resolved.mutable_optimizer(), errors.At("optimizer"));
  ScaleLearningRate(resolved, errors);
  ResolveParameterRules(resolved, StepsPerEpoch(resolved, data.examples), errors);
  int64_t looks = 1;  // Of evaluation at each example.
  const auto graph = ResolveNetwork(spec, dataset, data, resolved, &looks, errors);
  if (graph == nullptr || errors.count() > before) return job;
  CheckOptimizer(resolved, *graph, errors);
  CheckFullBatch(resolved, *optimizer.optimizer, data.examples, errors);
  CheckParameterRules(resolved, *graph, errors);
  if (errors.count() > before) return job;
  const uint64_t whole = data.examples / resolved.batch_size();  // Minibatches of an epoch.
  ResolveCadence(*graph, TotalSteps(resolved, std::max<uint64_t>(1, whole / MinibatchesPerStep(resolved))), resolved);

  const v1::Network& network = resolved.network();
  job.algorithms =
      ChooseAlgorithms(*graph, resolved.batch_size(), resolved.precision(), resolved.convolution_algorithm());
  MemoryOptions memory = MemoryOptionsFor(resolved, job.algorithms, optimizer.num_tensors(), data.examples, looks);
  memory.plan.stop = stop;
  memory.treatments = TreatmentsOf(*graph, resolved);
  memory.unfreeze_steps = UnfreezeSteps(resolved);
  auto description = Describe(*graph, network, memory);
  if (absl::Status status = Ask(stop); !status.ok()) return status;
  if (!description.ok()) {
    errors.At("network").Add(std::string(description.status().message()));
    return job;
  }
  job.description = *std::move(description);
  job.warnings = JobWarnings(resolved, spec, *graph, *dataset);
  job.description.mutable_warnings()->Assign(job.warnings.begin(), job.warnings.end());
  // What evaluates or predicts with its weights later is admitted with the same.
  const int64_t plans = std::max(job.description.training_memory_bytes(), job.description.inference_memory_bytes());
  job.memory_bound_bytes =
      std::min(plans, kMaxMemory) + std::min(DataMemory(resolved, *dataset, data, *graph), kMaxMemory);
  return job;
}

absl::StatusOr<v1::NetworkDescription> DescribeNetwork(const v1::DescribeNetworkRequest& request,
                                                       const FieldErrors& errors, const StopCheck& stop) {
  const int before = errors.count();
  v1::DescribeNetworkRequest resolved = request;
  CheckValues(resolved, errors);
  const uint32_t batch =
      ResolveBatch(request.has_batch_size(), request.batch_size(), kDefaultBatch, 0, errors.At("batch_size"));
  CheckPrecision(resolved.precision(), errors.At("precision"));
  ResolveOptimizerDefault(*resolved.mutable_optimizer());
  const ResolvedOptimizer optimizer = ResolveOptimizer(*resolved.mutable_optimizer(), errors.At("optimizer"));
  const auto graph = BuildNetwork(*resolved.mutable_network(), nullptr, {}, errors.At("network"));
  if (graph == nullptr || errors.count() > before) return v1::NetworkDescription();

  const auto algorithms = ChooseAlgorithms(*graph, batch, resolved.precision(), resolved.convolution_algorithm());
  MemoryOptions memory;
  memory.optimizer_slots = optimizer.num_tensors();
  memory.threads = std::max(1u, std::thread::hardware_concurrency());
  memory.plan.batch = batch;
  memory.plan.precision = resolved.precision();
  memory.plan.observe = true;
  memory.plan.SetAlgorithms(algorithms);
  memory.plan.stop = stop;
  auto description = Describe(*graph, resolved.network(), memory);
  if (absl::Status status = Ask(stop); !status.ok()) return status;
  if (!description.ok()) {
    errors.At("network").Add(std::string(description.status().message()));
    return v1::NetworkDescription();
  }
  const std::vector<std::string> warnings = NetworkWarnings(*graph, batch);
  description->mutable_warnings()->Assign(warnings.begin(), warnings.end());
  return *std::move(description);
}

v1::ProbeNetworkRequest ResolveProbe(const v1::ProbeNetworkRequest& request, const v1::Dataset* dataset,
                                     const FieldErrors& errors) {
  v1::ProbeNetworkRequest resolved = request;
  CheckValues(resolved, errors);
  ResolvedData data;
  if (resolved.input_case() == v1::ProbeNetworkRequest::INPUT_NOT_SET) resolved.mutable_normal();
  if (resolved.has_data()) data = ResolveData(*resolved.mutable_data(), dataset, errors.At("data"));
  resolved.set_batch_size(ResolveBatch(request.has_batch_size(), request.batch_size(), kDefaultProbeBatch,
                                       data.examples, errors.At("batch_size")));
  if (resolved.histogram_bins() == 0) resolved.set_histogram_bins(64);
  CheckCount(resolved.histogram_bins(), 64, 256, errors.At("histogram_bins"));
  if (resolved.precision() == v1::PRECISION_UNSPECIFIED) resolved.set_precision(v1::PRECISION_F32);
  CheckPrecision(resolved.precision(), errors.At("precision"));
  if (resolved.has_data_initialization()) {
    // Of N(0, 1) there is the one minibatch that is shown.
    const uint64_t minibatches = resolved.has_data() ? data.examples / std::max(1u, resolved.batch_size()) : 1;
    ResolveDataInitialization(*resolved.mutable_data_initialization(), minibatches, errors.At("data_initialization"));
  }
  v1::Network& network = *resolved.mutable_network();
  if (resolved.has_data() && dataset == nullptr && network.input_shape().empty()) {
    CheckWithoutShape(network, errors.At("network"));
  } else {
    const auto graph = BuildNetwork(network, resolved.has_data() ? dataset : nullptr, data, errors.At("network"));
    if (graph && resolved.has_data_initialization()) {
      CheckDataInitialization(resolved.data_initialization(), *graph, errors.At("data_initialization"));
    }
  }
  return resolved;
}

}  // namespace traind::core

// The short tasks: probing a fresh network, evaluating and using a trained one.
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/checkpoint/safetensors.h"
#include "core/data/augmentation/augmenter.h"
#include "core/data/augmentation/views.h"
#include "core/data/batch_loader.h"
#include "core/data/dataset_dir.h"
#include "core/data/preprocessing/preprocessor.h"
#include "core/data_initialization/network_under_data.h"
#include "core/job/job_memory.h"
#include "core/job/job_warnings.h"
#include "core/job/test_time.h"
#include "core/train/evaluator.h"
#include "core/train/first_minibatches.h"
#include "core/train/look_average.h"
#include "core/train/model.h"
#include "core/train/train.h"

namespace traind::core {
namespace {

std::vector<float> NormalExamples(int64_t n, uint64_t seed) {
  std::vector<float> values(n);
  const RandomStream random(seed, Purpose::kProbeInput, 0);
  for (int64_t i = 0; i < n; i += 4) {
    const auto bits = random.Block(0, 0, static_cast<uint32_t>(i / 4));
    const auto first = ToNormal(bits[0], bits[1]);
    const auto second = ToNormal(bits[2], bits[3]);
    const float four[] = {first[0], first[1], second[0], second[1]};
    std::copy_n(four, std::min<int64_t>(4, n - i), values.begin() + i);
  }
  return values;
}

// The first minibatches that a job with this seed would train on: the one to show, and those to initialize with.
absl::StatusOr<std::vector<std::vector<float>>> FirstBatches(const v1::ProbeNetworkRequest& request,
                                                             const std::string& dataset_dir) {
  auto split = OpenSplit(dataset_dir, request.data().train_split());
  if (!split.ok()) return split.status();
  split->Limit(request.data().max_train_examples());
  FieldErrors::Root errors;
  auto augmentation = request.data().augmentation();
  Augmenter augmenter = Augmenter::Create(&augmentation, &split->example_shape(), errors.scope("data"));
  const Shape& shape = augmenter.output_shape();
  const Views views = Views::Create({}, split->example_shape(), shape, errors.scope("data"));
  auto config = request.data().preprocessing();
  Preprocessor preprocessor = Preprocessor::Create(&config, &shape, errors.scope("data"));
  if (!errors.ok()) return errors.ToStatus();
  if (absl::Status status = augmenter.Fit(*split); !status.ok()) return status;
  if (absl::Status status = preprocessor.Fit(*split, &views); !status.ok()) return status;
  const uint64_t count = std::max(1u, request.data_initialization().minibatches());
  // Only the examples are wanted: one column for the labels of each class is enough.
  return FirstMinibatches(*split, preprocessor,
                          {.batch = request.batch_size(),
                           .seed = request.seed(),
                           .end_step = count,
                           .augmenter = &augmenter,
                           .outputs = split->num_classes()});
}

// Those that a job would train on, or N(0, 1).
absl::StatusOr<std::vector<std::vector<float>>> ProbeInput(const v1::ProbeNetworkRequest& request,
                                                           const std::string& dataset_dir, const Graph& graph) {
  if (request.has_data()) return FirstBatches(request, dataset_dir);
  return std::vector<std::vector<float>>{
      NormalExamples(request.batch_size() * Elements(graph.input_shape()), request.seed())};
}

// Norm, mean and std of each trained tensor; there are no gradients yet.
void ReportParameters(const ParameterStore& store, v1::StatisticsReport* report) {
  std::vector<float> values;
  for (const StoredParameter& parameter : store.parameters()) {
    if (!parameter.spec->trained) continue;
    values.resize(Elements(parameter.spec->shape));
    store.Get(parameter, parameter.master, absl::MakeSpan(values));
    ParameterNumbers numbers;
    for (float w : values) {
      numbers.weight_sum += w;
      numbers.weight_squares += double{w} * w;
    }
    auto* statistics = report->add_parameters();
    ToStatistics(numbers, static_cast<int64_t>(values.size()), statistics);
    statistics->set_name(parameter.name);
  }
}

// The examples that Predict is asked about, before any preprocessing: of a split, or floats of the request.
struct Examples {
  int64_t count = 0;
  Shape shape;  // Of one.
  v1::ElementType type = v1::FLOAT32;
  const char* data = nullptr;
  std::optional<Split> split;  // That data is in.

  // A look at example i, preprocessed.
  void View(int64_t i, const Views& views, int64_t view, Resampler& resampler, std::vector<float>& pixels,
            const Preprocessor& preprocessor, float* out) const {
    const int64_t size = Elements(shape) * (type == v1::UINT8 ? 1 : int64_t{sizeof(float)});
    void* example = const_cast<char*>(data + i * size);
    if (views.plain()) return preprocessor.Apply({type, 1, 1, Elements(shape), example}, out);
    const Shape& input = views.input();
    const ImageView looked{type, input[0], input[1], input[2], pixels.data()};
    views.Apply(view, {type, shape[0], shape[1], shape[2], example}, resampler, looked);
    preprocessor.Apply(looked, out);
  }
};

// `response` gets the labels where the examples come from a labelled split.
absl::StatusOr<Examples> Given(const InferenceRequest& request, const v1::PredictRequest& input,
                               v1::PredictResponse* response) {
  Examples examples;
  if (!input.has_range()) {
    const auto& given = input.examples();
    const Shape shape(given.shape().begin(), given.shape().end());
    if (shape.size() < 2 || CheckedElements(shape) < 1 || CheckedElements(shape) != given.values_size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("examples.shape: must be [N, ...] with as many values as it says; it is ", ToString(shape),
                       " with ", given.values_size(), " values"));
    }
    examples.count = shape[0];
    examples.shape.assign(shape.begin() + 1, shape.end());
    examples.data = reinterpret_cast<const char*>(given.values().data());
    return examples;
  }
  auto split = OpenSplit(request.dataset_dir, input.range().split());
  if (!split.ok()) return split.status();
  const auto size = static_cast<uint64_t>(split->size());
  const uint64_t first = input.range().first();
  if (first >= size) return absl::OutOfRangeError(absl::StrCat("range.first: the split has ", size, " examples"));
  examples.count = static_cast<int64_t>(std::min(input.range().count(), size - first));
  examples.shape = split->example_shape();
  examples.type = split->element_type();
  const auto place = static_cast<int64_t>(first) * split->example_elements();
  examples.data = examples.type == v1::UINT8 ? reinterpret_cast<const char*>(split->uint8_examples() + place)
                                             : reinterpret_cast<const char*>(split->float_examples() + place);
  for (int64_t i = 0; split->has_labels() && i < examples.count; ++i) {
    response->add_labels(split->labels()[first + static_cast<uint64_t>(i)]);
  }
  examples.split = *std::move(split);
  return examples;
}

struct LoadedModel {
  Model model;
  Shape stored;  // Of an example of the job's dataset.
  Preprocessor preprocessor;
};

// Network and preprocessing of a trained job, without its weights, which are loaded once the plans are made.
absl::StatusOr<LoadedModel> Load(const InferenceRequest& request) {
  if (absl::Status status = PrepareEngine(request.threads, request.spec.precision()); !status.ok()) return status;
  auto model = MakeModel(request.spec.network(), &request.spec.loss(), /*trainable=*/false, 0);
  if (!model.ok()) return model.status();
  FieldErrors::Root errors;
  // Jobs of versions that did not write the shape down had nothing that changes it.
  const auto& known = request.spec.data().example_shape();
  const Shape stored = known.empty() ? model->graph->input_shape() : Shape(known.begin(), known.end());
  auto augmentation = request.spec.data().augmentation();
  const Augmenter augmenter = Augmenter::Create(&augmentation, &stored, errors.scope("data"));
  const Shape& shape = augmenter.output_shape();
  auto config = request.spec.data().preprocessing();
  Preprocessor preprocessor = Preprocessor::Create(&config, &shape, errors.scope("data"));
  if (!errors.ok()) return errors.ToStatus();
  if (!request.preprocessing_path.empty()) {
    auto tensors = Safetensors::Open(request.preprocessing_path);
    if (!tensors.ok()) return tensors.status();
    if (absl::Status status = preprocessor.Load(tensors->LoadAll()); !status.ok()) return status;
  }
  return LoadedModel{*std::move(model), stored, std::move(preprocessor)};
}

}  // namespace

absl::StatusOr<v1::ProbeNetworkResponse> Probe(const v1::ProbeNetworkRequest& request, const std::string& dataset_dir,
                                               uint32_t threads) {
  if (absl::Status status = PrepareEngine(threads, request.precision()); !status.ok()) return status;
  const bool gradients = request.data_initialization().data_dependent().balance_rates();
  auto model = MakeModel(request.network(), /*loss=*/nullptr, /*trainable=*/gradients, 0);
  if (!model.ok()) return model.status();
  // As the first training step would see it: batch norm with the statistics of the batch, dropout active.
  const PlanOptions options = {.batch = request.batch_size(),
                               .training = true,
                               .precision = request.precision(),
                               .seed = request.seed(),
                               .observe = true,
                               .histogram_bins = static_cast<int>(request.histogram_bins())};
  auto plan = Plan::Make(*model->graph, *model->store, options);
  if (!plan.ok()) return plan.status();
  model->store->Initialize(request.seed());
  const auto minibatches = ProbeInput(request, dataset_dir, *model->graph);
  if (!minibatches.ok()) return minibatches.status();
  v1::ProbeNetworkResponse response;
  if (request.has_data_initialization()) {
    const auto warnings =
        InitializeFromData(request.data_initialization(), *model->graph, *model->store, options, *minibatches, [] {});
    if (!warnings.ok()) return warnings.status();
    response.mutable_warnings()->Assign(warnings->begin(), warnings->end());
  }
  const absl::Status ran =
      (*plan)->Run({.examples = minibatches->front().data(), .count = request.batch_size(), .observe = true});
  if (!ran.ok()) return ran;
  (*plan)->Report(response.mutable_statistics());
  ReportParameters(*model->store, response.mutable_statistics());
  for (std::string& warning : NetworkWarnings(*model->graph, request.batch_size())) {
    response.add_warnings(std::move(warning));
  }
  return response;
}

absl::StatusOr<v1::EvaluationMetrics> Evaluate(const InferenceRequest& request) {
  auto loaded = Load(request);
  if (!loaded.ok()) return loaded.status();
  const std::string& name = request.spec.data().evaluation_split();
  auto split = OpenSplit(request.dataset_dir, name);
  if (!split.ok()) return split.status();
  split->Limit(request.spec.data().max_evaluation_examples());
  auto evaluator = Evaluator::Make(loaded->model, PlanOptionsFor(request.spec, {}), *std::move(split), request.spec,
                                   loaded->preprocessor);
  if (!evaluator.ok()) return evaluator.status();
  if (absl::Status status = LoadWeights(request.weights_path, false, *loaded->model.store); !status.ok()) return status;
  return (*evaluator)->Run([] {});
}

absl::StatusOr<v1::PredictResponse> Predict(const InferenceRequest& request, const v1::PredictRequest& input) {
  auto loaded = Load(request);
  if (!loaded.ok()) return loaded.status();
  v1::PredictResponse response;
  auto images = Given(request, input, &response);
  if (!images.ok()) return images.status();
  // As many numbers as the dataset's examples have, and no image of another size, are such examples.
  const Shape& stored = loaded->stored;
  const bool image = stored.size() == 3 && images->shape.size() == 3 && images->shape[0] == stored[0];
  if (!image && Elements(images->shape) == Elements(stored)) images->shape = stored;
  const Preprocessor& preprocessor = loaded->preprocessor;
  const Shape& looked = preprocessor.example_shape();
  v1::TestTime test_time = input.has_test_time() ? input.test_time() : request.spec.evaluation().test_time();
  FieldErrors::Root errors;
  const Views views = ResolveTestTime(&test_time, images->shape, looked, errors.scope("test_time"));
  if (!errors.ok()) return errors.ToStatus();
  const int64_t samples = SamplesOf(test_time);

  const int64_t count = images->count;
  const int64_t inputs = preprocessor.output_elements();
  PlanOptions options = PlanOptionsFor(request.spec, {});
  options.batch = std::min<int64_t>(count, 128);
  options.sampling = test_time.dropout_samples() > 0;
  auto plan = Plan::Make(*loaded->model.graph, *loaded->model.store, options);
  if (!plan.ok()) return plan.status();
  if (absl::Status status = LoadWeights(request.weights_path, false, *loaded->model.store); !status.ok()) return status;
  if (absl::Status status = (*plan)->RefreshParameters(); !status.ok()) return status;
  const int64_t outputs = (*plan)->outputs();
  response.add_shape(count);
  response.add_shape(outputs);
  LookAverage average(request.spec.loss(), views.count() * samples, options.batch, outputs);
  Resampler resampler;
  views.Reserve(resampler);
  std::vector<float> pixels(views.plain() ? 0 : Elements(looked));
  for (int64_t begin = 0; begin < count; begin += options.batch) {
    // The last batch is filled up with zeros.
    const int64_t n = std::min(options.batch, count - begin);
    std::vector<float> batch(options.batch * inputs);
    for (int64_t look = 0; look < views.count() * samples; ++look) {
      for (int64_t i = 0; look % samples == 0 && i < n; ++i) {
        images->View(begin + i, views, look / samples, resampler, pixels, preprocessor, batch.data() + i * inputs);
      }
      const absl::Status ran =
          (*plan)->Run({.examples = batch.data(), .count = n, .step = static_cast<uint64_t>(look)});
      if (!ran.ok()) return ran;
      average.Add((*plan)->output(), n);
    }
    response.mutable_outputs()->Add(average.output(), average.output() + n * outputs);
    for (size_t i = 0; !average.spread().empty() && i < static_cast<size_t>(n * outputs); ++i) {
      response.add_spread(average.spread()[i]);
    }
  }
  if (request.spec.loss().has_mean_squared_error()) return response;
  for (int64_t i = 0; i < count; ++i) {
    const float* logits = response.outputs().data() + i * outputs;
    const float* largest = std::max_element(logits, logits + outputs);
    response.add_classes(largest - logits);
    if (!request.spec.loss().has_softmax_cross_entropy()) continue;
    double sum = 0;
    for (int64_t c = 0; c < outputs; ++c) sum += std::exp(double{logits[c]} - *largest);
    for (int64_t c = 0; c < outputs; ++c) {
      response.add_probabilities(static_cast<float>(std::exp(double{logits[c]} - *largest) / sum));
    }
  }
  return response;
}

}  // namespace traind::core

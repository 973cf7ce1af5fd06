// The short tasks: probing a fresh network, evaluating and using a trained one.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/checkpoint/safetensors.h"
#include "core/data/batch_loader.h"
#include "core/data/dataset_dir.h"
#include "core/data/preprocessing/preprocessor.h"
#include "core/train/evaluator.h"
#include "core/train/job_warnings.h"
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

// The first batch that a job with this seed would train on.
absl::StatusOr<std::vector<float>> FirstBatch(const v1::ProbeNetworkRequest& request, const std::string& dataset_dir) {
  auto split = OpenSplit(dataset_dir, request.data().train_split());
  if (!split.ok()) return split.status();
  split->Limit(request.data().max_train_examples());
  FieldErrors::Root errors;
  auto config = request.data().preprocessing();
  Preprocessor preprocessor = Preprocessor::Create(&config, &split->example_shape(), errors.scope("data"));
  if (!errors.ok()) return errors.ToStatus();
  if (absl::Status status = preprocessor.Fit(*split); !status.ok()) return status;
  auto loader =
      BatchLoader::Start(*split, preprocessor, {.batch = request.batch_size(), .seed = request.seed(), .end_step = 1});
  if (!loader.ok()) return loader.status();
  const float* examples = (*loader)->Next()->examples;
  return std::vector<float>(examples, examples + request.batch_size() * preprocessor.output_elements());
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

struct LoadedModel {
  Model model;
  Preprocessor preprocessor;
};

// Network and preprocessing of a trained job, without its weights, which are loaded once the plans are made.
absl::StatusOr<LoadedModel> Load(const InferenceRequest& request) {
  if (absl::Status status = PrepareEngine(request.threads, request.spec.precision()); !status.ok()) return status;
  auto model = MakeModel(request.spec.network(), &request.spec.loss(), /*trainable=*/false, 0);
  if (!model.ok()) return model.status();
  FieldErrors::Root errors;
  auto config = request.spec.data().preprocessing();
  // Jobs of versions that did not write the shape down had no preprocessing that changes it.
  const auto& known = request.spec.data().example_shape();
  const Shape shape = known.empty() ? model->graph->input_shape() : Shape(known.begin(), known.end());
  Preprocessor preprocessor = Preprocessor::Create(&config, &shape, errors.scope("data"));
  if (!errors.ok()) return errors.ToStatus();
  if (!request.preprocessing_path.empty()) {
    auto tensors = Safetensors::Open(request.preprocessing_path);
    if (!tensors.ok()) return tensors.status();
    if (absl::Status status = preprocessor.Load(tensors->LoadAll()); !status.ok()) return status;
  }
  return LoadedModel{*std::move(model), std::move(preprocessor)};
}

}  // namespace

absl::StatusOr<v1::ProbeNetworkResponse> Probe(const v1::ProbeNetworkRequest& request, const std::string& dataset_dir,
                                               uint32_t threads) {
  if (absl::Status status = PrepareEngine(threads, request.precision()); !status.ok()) return status;
  auto model = MakeModel(request.network(), /*loss=*/nullptr, /*trainable=*/false, 0);
  if (!model.ok()) return model.status();
  // As the first training step would see it: batch norm with the statistics of the batch, dropout active.
  auto plan = Plan::Make(*model->graph, *model->store,
                         {.batch = request.batch_size(),
                          .training = true,
                          .precision = request.precision(),
                          .seed = request.seed(),
                          .observe = true,
                          .histogram_bins = static_cast<int>(request.histogram_bins())});
  if (!plan.ok()) return plan.status();
  model->store->Initialize(request.seed());
  absl::StatusOr<std::vector<float>> examples =
      request.has_data() ? FirstBatch(request, dataset_dir)
                         : NormalExamples(request.batch_size() * Elements(model->graph->input_shape()), request.seed());
  if (!examples.ok()) return examples.status();
  const absl::Status ran = (*plan)->Run({.examples = examples->data(), .count = request.batch_size(), .observe = true});
  if (!ran.ok()) return ran;
  v1::ProbeNetworkResponse response;
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
  auto evaluator =
      Evaluator::Make(loaded->model, PlanOptionsFor(request.spec, {}), *std::move(split), name, loaded->preprocessor);
  if (!evaluator.ok()) return evaluator.status();
  if (absl::Status status = LoadWeights(request.weights_path, false, *loaded->model.store); !status.ok()) return status;
  return (*evaluator)->Run([] {});
}

absl::StatusOr<v1::PredictResponse> Predict(const InferenceRequest& request, const v1::PredictRequest& input) {
  auto loaded = Load(request);
  if (!loaded.ok()) return loaded.status();
  const Preprocessor& preprocessor = loaded->preprocessor;
  const int64_t elements = preprocessor.example_elements();
  const int64_t inputs = preprocessor.output_elements();

  // The examples, preprocessed, row-major; and their labels where they come from a split.
  std::vector<float> examples;
  v1::PredictResponse response;
  int64_t count = 0;
  if (input.has_range()) {
    auto split = OpenSplit(request.dataset_dir, input.range().split());
    if (!split.ok()) return split.status();
    if (split->example_elements() != elements) {
      return absl::InvalidArgumentError(
          "range: the split has examples of another shape than those that the model was trained on");
    }
    const auto size = static_cast<uint64_t>(split->size());
    const uint64_t first = input.range().first();
    if (first >= size) return absl::OutOfRangeError(absl::StrCat("range.first: the split has ", size, " examples"));
    count = static_cast<int64_t>(std::min(input.range().count(), size - first));
    examples.resize(count * inputs);
    for (int64_t i = 0; i < count; ++i) {
      preprocessor.Apply(*split, static_cast<int64_t>(first) + i, examples.data() + i * inputs);
      if (split->has_labels()) response.add_labels(split->labels()[first + i]);
    }
  } else {
    const auto& given = input.examples();
    const Shape shape(given.shape().begin(), given.shape().end());
    const int64_t values = CheckedElements(shape);
    if (shape.empty() || shape[0] < 1 || values != given.values_size() || values != shape[0] * elements) {
      return absl::InvalidArgumentError(absl::StrCat(
          "examples.shape: must be [N, ...] with ", elements, " values for each example, ",
          "and as many values as it says; it is ", ToString(shape), " with ", given.values_size(), " values"));
    }
    count = shape[0];
    examples.resize(count * inputs);
    for (int64_t i = 0; i < count; ++i) {
      preprocessor.Apply(given.values().data() + i * elements, examples.data() + i * inputs);
    }
  }

  PlanOptions options = PlanOptionsFor(request.spec, {});
  options.batch = std::min<int64_t>(count, 128);
  auto plan = Plan::Make(*loaded->model.graph, *loaded->model.store, options);
  if (!plan.ok()) return plan.status();
  if (absl::Status status = LoadWeights(request.weights_path, false, *loaded->model.store); !status.ok()) return status;
  if (absl::Status status = (*plan)->RefreshParameters(); !status.ok()) return status;
  const int64_t outputs = (*plan)->outputs();
  response.add_shape(count);
  response.add_shape(outputs);
  for (int64_t begin = 0; begin < count; begin += options.batch) {
    // The last batch is filled up with zeros.
    const int64_t n = std::min(options.batch, count - begin);
    std::vector<float> batch(options.batch * inputs);
    std::copy_n(examples.begin() + begin * inputs, n * inputs, batch.begin());
    if (absl::Status status = (*plan)->Run({.examples = batch.data(), .count = n}); !status.ok()) return status;
    const float* output = (*plan)->output();
    response.mutable_outputs()->Add(output, output + n * outputs);
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

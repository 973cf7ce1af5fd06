// What a trained network makes of examples: its outputs, averaged over the looks of test time, and what they mean.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/viewed_examples.h"
#include "core/job/job_memory.h"
#include "core/job/resolve_data.h"
#include "core/job/resolve_inference.h"
#include "core/job/test_time.h"
#include "core/train/look_average.h"
#include "core/train/softmax.h"
#include "core/train/train.h"
#include "core/train/trained_model.h"

namespace traind::core {
namespace {

constexpr int64_t kMaxBatch = 128;  // A larger one gains little, and takes memory.

// The examples that are asked about, before any preprocessing: of a split, or floats of the request.
struct Given {
  RawExamples examples;
  std::optional<Split> split;  // That they are in.
};

absl::StatusOr<Given> OfRequest(const v1::Examples& numbers) {
  const Shape shape(numbers.shape().begin(), numbers.shape().end());
  if (shape.size() < 2 || CheckedElements(shape) < 1 || CheckedElements(shape) != numbers.values_size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("examples.shape: must be [N, ...] with as many values as it says; it is ", ToString(shape),
                     " with ", numbers.values_size(), " values"));
  }
  const Shape one(shape.begin() + 1, shape.end());
  const float* first = numbers.values().data();
  const auto at = [first, elements = Elements(one)](int64_t index) { return first + index * elements; };
  return Given{{.count = shape[0], .type = v1::ELEMENT_TYPE_FLOAT32, .shape = one, .at = at}, std::nullopt};
}

absl::StatusOr<Given> OfSplit(const std::string& dataset_dir, const v1::SplitRange& range) {
  auto split = OpenSplit(dataset_dir, range.split());
  if (!split.ok()) return split.status();
  const auto size = static_cast<uint64_t>(split->size());
  if (range.first() >= size || range.count() > size - range.first()) {
    return absl::OutOfRangeError(absl::StrCat("range: the split has only ", size, " examples"));
  }
  RawExamples examples = AsStored(*split);
  examples.count = static_cast<int64_t>(range.count());
  examples.at = [at = std::move(examples.at), first = static_cast<int64_t>(range.first())](int64_t index) {
    return at(first + index);
  };
  return Given{std::move(examples), *std::move(split)};
}

// The outputs for all examples, and their spread over the looks where there are several.
absl::Status Run(const TrainedModel& trained, Plan& plan, int64_t batch_size, const RawExamples& examples,
                 const Views& views, int64_t samples, v1::PredictResponse* response) {
  const Preprocessor& preprocessor = trained.input.preprocessor();
  const int64_t inputs = preprocessor.output_elements();
  const int64_t outputs = plan.outputs();
  LookAverage average(trained.model.loss->output_meaning(), views.count() * samples, batch_size, outputs);
  ViewedExamples viewed(examples, views);
  for (int64_t begin = 0; begin < examples.count; begin += batch_size) {
    const int64_t n = std::min(batch_size, examples.count - begin);
    std::vector<float> batch(batch_size * inputs);  // The last one is filled up with zeros.
    for (int64_t look = 0; look < views.count() * samples; ++look) {
      for (int64_t i = 0; look % samples == 0 && i < n; ++i) {
        preprocessor.Apply(examples.type, viewed.At(begin + i, look / samples), batch.data() + i * inputs);
      }
      const absl::Status ran = plan.Run({.examples = batch.data(), .count = n, .step = static_cast<uint64_t>(look)});
      if (!ran.ok()) return ran;
      average.Add(plan.output(), n);
    }
    response->mutable_outputs()->Add(average.output(), average.output() + n * outputs);
    if (average.spread().empty()) continue;
    response->mutable_spread()->Add(average.spread().begin(), average.spread().begin() + n * outputs);
  }
  return absl::OkStatus();
}

void AddLabels(const Split& split, const v1::SplitRange& range, int64_t count, v1::PredictResponse* response) {
  if (!split.has_labels()) return;
  const auto labels = split.labels().subspan(range.first(), static_cast<size_t>(count));
  response->mutable_labels()->Add(labels.begin(), labels.end());
}

// The class of each example, with the probabilities where the outputs are logits.
void AddClasses(OutputMeaning meaning, int64_t outputs, v1::PredictResponse* response) {
  if (meaning == OutputMeaning::kValues) return;
  const float* const end = response->outputs().data() + response->outputs_size();
  for (const float* row = response->outputs().data(); row != end; row += outputs) {
    const float* largest = std::max_element(row, row + outputs);
    response->add_classes(largest - row);
    if (meaning != OutputMeaning::kLogits) continue;
    const Softmax softmax(row, outputs);
    for (int64_t c = 0; c < outputs; ++c) response->add_probabilities(static_cast<float>(softmax(row[c])));
  }
}

}  // namespace

absl::StatusOr<v1::PredictResponse> Predict(const InferenceRequest& request, const v1::PredictRequest& input) {
  auto trained = TrainedModel::Make(request);
  if (!trained.ok()) return trained.status();
  auto given = input.has_range() ? OfSplit(request.dataset_dir, input.range()) : OfRequest(input.examples());
  if (!given.ok()) return given.status();
  Shape& shape = given->examples.shape;
  shape = SeenAs(shape, StoredShape(request.spec));
  const auto views = trained->input.LooksAt(shape, input.test_time());
  if (!views.ok()) return views.status();

  const Model& model = trained->model;
  PlanOptions options = PlanOptionsFor(request.spec, {});
  // No more at once than the job was admitted with.
  options.batch = std::min({given->examples.count, kMaxBatch, options.batch});
  options.sampling = input.test_time().dropout_samples() > 0;
  auto plan = Plan::Make(*model.graph, *model.store, options);
  if (!plan.ok()) return plan.status();
  absl::Status status = LoadWeights(request.weights_path, /*allow_missing=*/false, *model.store);
  if (status.ok()) status = (*plan)->RefreshParameters();
  if (!status.ok()) return status;

  v1::PredictResponse response;
  response.add_shape(given->examples.count);
  response.add_shape((*plan)->outputs());
  status = Run(*trained, **plan, options.batch, given->examples, *views, SamplesOf(input.test_time()), &response);
  if (!status.ok()) return status;
  if (given->split) AddLabels(*given->split, input.range(), given->examples.count, &response);
  AddClasses(model.loss->output_meaning(), (*plan)->outputs(), &response);
  return response;
}

}  // namespace traind::core

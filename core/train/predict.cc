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
constexpr int64_t kMaxPartBytes =
    1 << 20;  // Of the predictions of a split; an example larger than that is a part alone.

// The examples that are asked about, before any preprocessing: of a split, or floats of the request.
struct Given {
  RawExamples examples;
  std::optional<Split> split;  // That they are in,
  int64_t first = 0;           // from this one on.
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

absl::StatusOr<Given> OfSplit(const InferenceRequest& request, const v1::SplitRange& range) {
  auto split = OpenSplit(request.dataset_dir, range.split());
  if (!split.ok()) return split.status();
  if (absl::Status status = MatchWithModel(request, *split); !status.ok()) return status;
  const auto size = static_cast<uint64_t>(split->size());
  if (range.first() >= size || range.count() > size - range.first()) {
    return absl::OutOfRangeError(absl::StrCat("range: the split has only ", size, " examples"));
  }
  const auto first = static_cast<int64_t>(range.first());
  RawExamples examples = AsStored(*split);
  examples.count = static_cast<int64_t>(range.count());
  examples.at = [at = std::move(examples.at), first](int64_t index) { return at(first + index); };
  return Given{std::move(examples), *std::move(split), first};
}

// What the outputs of a model mean.
struct Meaning {
  OutputMeaning outputs;
  bool many_labels = false;  // Each output is an answer of its own: an example has no class.
};

Meaning MeaningOf(const InferenceRequest& request, const Loss& loss) {
  const OutputMeaning meaning = loss.output_meaning();
  const bool labelled = request.trained_on.has_value() && request.trained_on->num_classes() > 0 &&
                        request.spec.data().targets() != v1::TARGET_SOURCE_INPUT;
  return {meaning, meaning == OutputMeaning::kLogOdds && !labelled};
}

// The class of each example, and the probabilities where the outputs say them.
void AddClasses(const Meaning& meaning, int64_t outputs, v1::PredictResponse* response) {
  const bool logits = meaning.outputs == OutputMeaning::kLogits, log_odds = meaning.outputs == OutputMeaning::kLogOdds;
  const bool classes = logits || meaning.outputs == OutputMeaning::kScores || (log_odds && !meaning.many_labels);
  const float* const end = response->outputs().data() + response->outputs_size();
  for (const float* row = response->outputs().data(); row != end; row += outputs) {
    if (classes && IsBinary(meaning.outputs, outputs)) {
      response->add_classes(row[0] > 0 ? 1 : 0);
    } else if (classes) {
      response->add_classes(std::max_element(row, row + outputs) - row);
    }
    if (logits) {
      const Softmax softmax(row, outputs);
      for (int64_t c = 0; c < outputs; ++c) response->add_probabilities(static_cast<float>(softmax(row[c])));
    } else if (log_odds) {
      for (int64_t c = 0; c < outputs; ++c) response->add_probabilities(static_cast<float>(Sigmoid(row[c])));
    }
  }
}

// Gathers predictions into parts of `part_examples` and hands each part on.
class Parts {
 public:
  Parts(const Given& given, Meaning meaning, int64_t outputs, int64_t part_examples, const PredictionSink& sink)
      : given_(given), meaning_(meaning), outputs_(outputs), part_examples_(part_examples), sink_(sink) {}

  // The next `n` examples.
  absl::Status Add(const LookAverage& average, int64_t n) {
    for (int64_t begin = 0; begin < n;) {
      const int64_t taken = std::min(n - begin, part_examples_ - count_);
      const int64_t first = begin * outputs_;
      const int64_t end = first + taken * outputs_;
      part_.mutable_outputs()->Add(average.output() + first, average.output() + end);
      if (!average.spread().empty()) {
        part_.mutable_spread()->Add(average.spread().begin() + first, average.spread().begin() + end);
      }
      begin += taken;
      count_ += taken;
      if (count_ < part_examples_) continue;
      if (absl::Status status = Flush(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // Hands on what is left.
  absl::Status Flush() {
    if (count_ == 0) return absl::OkStatus();
    part_.add_shape(count_);
    part_.add_shape(outputs_);
    AddClasses(meaning_, outputs_, &part_);
    if (given_.split.has_value()) {
      const int64_t first = given_.first + done_;
      part_.set_first(first);
      if (given_.split->has_labels()) {
        const auto labels = given_.split->labels().subspan(static_cast<size_t>(first), static_cast<size_t>(count_));
        part_.mutable_labels()->Add(labels.begin(), labels.end());
      }
    }
    done_ += std::exchange(count_, 0);
    const absl::Status status = sink_(part_);
    part_.Clear();
    return status;
  }

 private:
  const Given& given_;
  const Meaning meaning_;
  const int64_t outputs_;
  const int64_t part_examples_;
  const PredictionSink& sink_;
  v1::PredictResponse part_;
  int64_t count_ = 0;  // Examples in it,
  int64_t done_ = 0;   // and in those before.
};

// The outputs for all examples, and their spread over the looks where there are several.
absl::Status Run(const TrainedModel& trained, Plan& plan, int64_t batch_size, const RawExamples& examples,
                 const Views& views, int64_t samples, Parts& parts, const Progress& progress) {
  const Preprocessor& preprocessor = trained.input.preprocessor();
  const int64_t inputs = preprocessor.output_elements();
  LookAverage average(trained.model.loss->output_meaning(), views.count() * samples, batch_size, plan.outputs());
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
      progress(begin, examples.count);
    }
    if (absl::Status status = parts.Add(average, n); !status.ok()) return status;
    progress(begin + n, examples.count);
  }
  return parts.Flush();
}

// Returns how many outputs an example has. `one_part`: all predictions are handed on at once.
absl::StatusOr<int64_t> Predict(const InferenceRequest& request, Given given, const v1::TestTime& test_time,
                                bool one_part, const PredictionSink& sink, const Progress& progress) {
  auto trained = TrainedModel::Make(request);
  if (!trained.ok()) return trained.status();
  Shape& shape = given.examples.shape;
  shape = SeenAs(shape, StoredShape(request.spec));
  const auto views = trained->input.LooksAt(shape, test_time);
  if (!views.ok()) return views.status();

  const Model& model = trained->model;
  PlanOptions options = PlanOptionsFor(request.spec, {});
  // No more at once than the job was admitted with.
  options.batch = std::min({given.examples.count, kMaxBatch, options.batch});
  options.sampling = test_time.dropout_samples() > 0;
  auto plan = Plan::Make(*model.graph, *model.store, options);
  if (!plan.ok()) return plan.status();
  absl::Status status = LoadWeights(request.weights_path, *model.store).status();
  if (status.ok()) status = (*plan)->RefreshParameters();
  if (!status.ok()) return status;

  const Meaning meaning = MeaningOf(request, *model.loss);
  const int64_t samples = SamplesOf(test_time);
  const int64_t bytes = PredictionBytes((*plan)->outputs(), meaning.outputs, views->count() * samples > 1);
  Parts parts(given, meaning, (*plan)->outputs(),
              one_part ? given.examples.count : std::max<int64_t>(1, kMaxPartBytes / bytes), sink);
  status = Run(*trained, **plan, options.batch, given.examples, *views, samples, parts, progress);
  if (!status.ok()) return status;
  return (*plan)->outputs();
}

}  // namespace

absl::StatusOr<v1::PredictResponse> Predict(const InferenceRequest& request, const v1::PredictRequest& input) {
  auto given = OfRequest(input.examples());
  if (!given.ok()) return given.status();
  v1::PredictResponse response;
  const auto keep = [&response](const v1::PredictResponse& part) {
    response = part;
    return absl::OkStatus();
  };
  auto outputs =
      Predict(request, *std::move(given), input.test_time(), /*one_part=*/true, keep, [](int64_t, int64_t) {});
  if (!outputs.ok()) return outputs.status();
  return response;
}

absl::StatusOr<v1::PredictSplitResponse> PredictSplit(const InferenceRequest& request,
                                                      const v1::PredictSplitRequest& input, const PredictionSink& sink,
                                                      const Progress& progress) {
  auto given = OfSplit(request, input.range());
  if (!given.ok()) return given.status();
  const auto begins = [&] { progress(0, given->examples.count); };
  if (absl::Status status = given->split->Verify(begins); !status.ok()) return status;
  auto outputs = Predict(request, *std::move(given), input.test_time(), /*one_part=*/false, sink, progress);
  if (!outputs.ok()) return outputs.status();
  v1::PredictSplitResponse response;
  response.set_examples(static_cast<int64_t>(input.range().count()));
  response.set_outputs(*outputs);
  return response;
}

}  // namespace traind::core

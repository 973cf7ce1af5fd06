// What a trained network makes of examples: its outputs, averaged over the looks of test time, and what they mean.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/given_examples.h"
#include "core/data/viewed_examples.h"
#include "core/job/job_memory.h"
#include "core/job/resolve_data.h"
#include "core/job/resolve_inference.h"
#include "core/job/test_time.h"
#include "core/train/look_average.h"
#include "core/train/members.h"
#include "core/train/softmax.h"
#include "core/train/train.h"
#include "core/train/trained_model.h"

namespace traind::core {
namespace {

constexpr int64_t kMaxBatch = 128;                    // A larger one gains little, and takes memory.
constexpr size_t kMaxAnswerNames = size_t{64} << 10;  // Bytes of the names of classes and targets.
constexpr int64_t kMaxPartBytes =
    1 << 20;  // Of the predictions of a split; an example larger than that is a part alone.

// The examples that are asked about, before any preprocessing: of a split, or what came with the request.
struct Given {
  RawExamples examples;
  std::optional<Split> split = std::nullopt;     // That they are in,
  int64_t first = 0;                             // from this one on.
  std::unique_ptr<GivenExamples> own = nullptr;  // Images or a table.
  bool compared = true;                          // Float targets are in the answer.

  // [count] labels from the example `begin` on; empty: there are none.
  absl::Span<const int32_t> Labels(int64_t begin, int64_t count) const {
    const bool of_split = split.has_value() && split->has_labels();
    const absl::Span<const int32_t> all = of_split         ? split->labels()
                                          : own != nullptr ? absl::MakeConstSpan(own->labels)
                                                           : absl::Span<const int32_t>();
    if (all.empty()) return all;
    return all.subspan(static_cast<size_t>(first + begin), static_cast<size_t>(count));
  }
  // [width] targets of an example, or null.
  const float* Target(int64_t index, int64_t width) const {
    if (!compared) return nullptr;
    if (split.has_value()) return split->target_width() == width ? split->target(first + index) : nullptr;
    const bool fits = own != nullptr && static_cast<int64_t>(own->targets.size()) == examples.count * width;
    return fits ? own->targets.data() + index * width : nullptr;
  }
};

absl::StatusOr<Given> OfNumbers(const v1::Examples& numbers) {
  const Shape shape(numbers.shape().begin(), numbers.shape().end());
  if (shape.size() < 2 || CheckedElements(shape) < 1 || CheckedElements(shape) != numbers.values_size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("examples.shape: must be [N, ...] with as many values as it says; it is ", ToString(shape),
                     " with ", numbers.values_size(), " values"));
  }
  const Shape one(shape.begin() + 1, shape.end());
  const float* first = numbers.values().data();
  const auto at = [first, elements = Elements(one)](int64_t index) { return first + index * elements; };
  return Given{.examples = {.count = shape[0], .type = v1::ELEMENT_TYPE_FLOAT32, .shape = one, .at = at}};
}

absl::StatusOr<Given> OfRequest(const InferenceRequest& request, const v1::PredictRequest& input) {
  if (input.images().empty() && !input.has_table()) return OfNumbers(input.examples());
  const bool answers = request.spec.data().targets() != v1::TARGET_SOURCE_INPUT;
  auto own = input.has_table() ? ReadTable(input.table(), request.trained_on.value_or(v1::DataIdentity()), answers)
                               : ReadImages(input.images(), StoredShape(request.spec));
  if (!own.ok()) return own.status();
  Given given{.examples = {}, .own = std::make_unique<GivenExamples>(*std::move(own)), .compared = answers};
  given.examples = given.own->View();
  return given;
}

absl::StatusOr<Given> OfSplit(const InferenceRequest& request, const v1::SplitRange& range) {
  const v1::DataSpec& job = request.spec.data();
  auto split = range.dataset() == job.dataset() ? OpenNamedSplit(request.dataset_dir, job, range.split())
                                                : OpenSplit(request.dataset_dir, range.split());
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
  return Given{.examples = std::move(examples),
               .split = *std::move(split),
               .first = first,
               .compared = request.spec.data().targets() != v1::TARGET_SOURCE_INPUT};
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
    if (given_.split.has_value()) part_.set_first(given_.first + done_);
    const absl::Span<const int32_t> labels = given_.Labels(done_, count_);
    part_.mutable_labels()->Add(labels.begin(), labels.end());
    for (int64_t i = 0; i < count_; ++i) {
      const float* const target = given_.Target(done_ + i, outputs_);
      if (target == nullptr) break;
      part_.mutable_targets()->Add(target, target + outputs_);
    }
    part_.set_log_counts(meaning_.outputs == OutputMeaning::kLogRates);
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

// A member's outputs for the examples [begin, begin + n), by each of its looks.
absl::Status Look(const Member& member, const RawExamples& examples, int64_t samples, int64_t begin, int64_t n,
                  std::vector<float>& batch, LookAverage& average) {
  const Preprocessor& preprocessor = member.trained.input.preprocessor();
  const int64_t inputs = preprocessor.output_elements();
  ViewedExamples viewed(examples, *member.views);
  for (int64_t look = 0; look < member.views->count() * samples; ++look) {
    if (look % samples == 0) {
      batch.assign(static_cast<size_t>(member.batch * inputs), 0.0f);  // The last one is filled up with zeros.
      for (int64_t i = 0; i < n; ++i) {
        preprocessor.Apply(examples.type, viewed.At(begin + i, look / samples), batch.data() + i * inputs);
      }
    }
    const absl::Status ran =
        member.plan->Run({.examples = batch.data(), .count = n, .step = static_cast<uint64_t>(look)});
    if (!ran.ok()) return ran;
    average.Add(member.plan->output(), n);
  }
  return absl::OkStatus();
}

// The outputs for all examples, and their spread over looks and members where there are several.
absl::Status Run(const Members& members, const RawExamples& examples, int64_t samples, Parts& parts,
                 const Progress& progress) {
  const Member& first = *members.front();
  const auto looks = first.views->count() * samples * static_cast<int64_t>(members.size());
  LookAverage average(first.trained.model.loss->output_meaning(), looks, first.batch, first.plan->outputs());
  std::vector<float> batch;
  for (int64_t begin = 0; begin < examples.count; begin += first.batch) {
    const int64_t n = std::min(first.batch, examples.count - begin);
    for (const auto& member : members) {
      const absl::Status status = Look(*member, examples, samples, begin, n, batch, average);
      if (!status.ok()) return status;
      progress(begin, examples.count);
    }
    if (absl::Status status = parts.Add(average, n); !status.ok()) return status;
    progress(begin + n, examples.count);
  }
  return parts.Flush();
}

// Names and notes: what goes with all predictions of a request.
template <class Response>
void AddNames(const InferenceRequest& request, Response* response) {
  if (!request.trained_on.has_value() || request.spec.data().targets() == v1::TARGET_SOURCE_INPUT) return;
  const v1::DataIdentity& trained_on = *request.trained_on;
  size_t bytes = 0;
  for (const auto* names : {&trained_on.class_names(), &trained_on.target_columns()}) {
    for (const std::string& name : *names) bytes += name.size() + 3;
  }
  if (bytes > kMaxAnswerNames) return;  // The job has them.
  *response->mutable_class_names() = trained_on.class_names();
  *response->mutable_target_names() = trained_on.target_columns();
}

// Returns how many outputs an example has. `one_part`: all predictions are handed on at once.
absl::StatusOr<int64_t> Predict(const InferenceRequest& request, Given given, const v1::TestTime& test_time,
                                bool one_part, const PredictionSink& sink, const Progress& progress) {
  Shape& shape = given.examples.shape;
  shape = SeenAs(shape, StoredShape(request.spec));
  auto members = MakeMembers(request, shape, test_time, std::min(given.examples.count, kMaxBatch));
  if (!members.ok()) return members.status();
  const Member& first = *members->front();
  const int64_t outputs = first.plan->outputs();
  const Meaning meaning = MeaningOf(request, *first.trained.model.loss);
  const int64_t samples = SamplesOf(test_time);
  const bool several = members->size() > 1 || first.views->count() * samples > 1;
  const int64_t bytes = PredictionBytes(outputs, meaning.outputs, several);
  if (one_part && given.examples.count > kMaxAnswerBytes / bytes) {
    return absl::InvalidArgumentError(absl::StrCat(given.examples.count,
                                                   " examples, of which an answer of 4 MiB holds ",
                                                   kMaxAnswerBytes / bytes, "; send several calls"));
  }
  Parts parts(given, meaning, outputs, one_part ? given.examples.count : std::max<int64_t>(1, kMaxPartBytes / bytes),
              sink);
  if (absl::Status status = Run(*members, given.examples, samples, parts, progress); !status.ok()) return status;
  return outputs;
}

}  // namespace

absl::StatusOr<v1::PredictResponse> Predict(const InferenceRequest& request, const v1::PredictRequest& input) {
  auto given = OfRequest(request, input);
  if (!given.ok()) return given.status();
  v1::PredictResponse response;
  const std::vector<std::string> notes = given->own != nullptr ? given->own->notes : std::vector<std::string>();
  const auto keep = [&response](const v1::PredictResponse& part) {
    response = part;
    return absl::OkStatus();
  };
  auto outputs =
      Predict(request, *std::move(given), input.test_time(), /*one_part=*/true, keep, [](int64_t, int64_t) {});
  if (!outputs.ok()) return outputs.status();
  AddNames(request, &response);
  for (const std::string& note : notes) response.add_notes(note);
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
  AddNames(request, &response);
  return response;
}

}  // namespace traind::core

#include "core/job/resolve_inference.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/registry.h"
#include "core/data/dataset_dir.h"
#include "core/data/held_out.h"
#include "core/data/input_pipeline.h"
#include "core/graph/graph.h"
#include "core/job/data_identity.h"
#include "core/job/fits.h"
#include "core/job/members_match.h"
#include "core/job/resolve_data.h"
#include "core/job/resolve_splits.h"
#include "core/job/test_time.h"
#include "core/kinds/checks.h"
#include "core/kinds/loss.h"

namespace traind::core {
namespace {

constexpr int64_t kMaxPredictBytes = 4 << 20;  // gRPC's limit for a message.
constexpr int64_t kMaxImages = 1000;           // Of a call,
constexpr int64_t kMaxImageFiles = 7 << 20;    // and the bytes of their files.

template <class Numbers>
Shape ShapeOf(const Numbers& numbers) {
  return {numbers.begin(), numbers.end()};
}

// The looks of test time at examples of the shape `image`; how many there are.
int64_t ResolveLooks(const v1::JobSpec& job, const Shape& image, v1::TestTime* test_time, const FieldErrors& errors) {
  const auto input = InputPipeline::Make(job.data(), StoredShape(job));
  if (input.ok()) return ResolveTestTime(test_time, image, input->augmented_shape(), errors);
  errors.Add(std::string(input.status().message()));  // A fault: the job was checked.
  return 1;
}

int64_t InputsOf(const v1::JobSpec& job) { return Elements(ShapeOf(job.network().input_shape())); }

// What a network gives, and to whom.
struct Head {
  int64_t outputs = 0;
  std::unique_ptr<Loss> loss;
};

// Nothing where the job is at fault, which was reported when it was checked.
std::optional<Head> HeadOf(const v1::JobSpec& job) {
  FieldErrors::Root reported;
  v1::Network network = job.network();
  v1::Loss config = job.loss();
  const auto graph = Graph::Build(network, reported.scope());
  auto loss = Registry<Loss>::Get().Create(config, reported.scope());
  if (graph == nullptr || loss == nullptr) return std::nullopt;
  return Head{.outputs = Elements(graph->output().output), .loss = std::move(loss)};
}

// The job's loss can compare the network's outputs with what the dataset has.
void CheckTargets(const v1::JobSpec& job, const v1::Dataset& dataset, const FieldErrors& errors) {
  const auto head = HeadOf(job);
  if (!head.has_value()) return;
  const auto& [outputs, loss] = *head;
  if (!TakesTargets(*loss, dataset)) {
    errors.Add(absl::StrCat("has ", std::string(NameOfTargets(dataset)), ", which the job's loss does not take"));
  } else if (!OutputsFit(*loss, outputs, dataset)) {
    errors.Add(HasLabels(dataset)
                   ? absl::StrCat("has ", dataset.num_classes(), " classes, and the network only ", outputs, " outputs")
                   : absl::StrCat("has targets of ", dataset.target_width(), " numbers, and the network ", outputs,
                                  " outputs"));
  }
}

// Whether `split` is what the job held out of its own dataset.
bool IsHeldOutOf(const v1::Dataset& dataset, const v1::DataSpec& job, const std::string& split) {
  return dataset.name() == job.dataset() && IsHeldOutPart(job, split);
}

// The split that the request names; a violation where there is none.
const v1::DatasetSplit* RequireNamed(const v1::Dataset& dataset, const v1::DataSpec& job, const std::string& split,
                                     const FieldErrors& errors) {
  if (!ForgotHeldOut(job) || split != kHeldOutName || FindSplit(dataset, split) != nullptr) {
    return RequireSplit(dataset, split, errors);
  }
  errors.Add(absl::StrCat("is \"", split, "\", and the ensemble's members did not hold out the same examples (folds, ",
                          "validation_fraction): none are new to all of them; name a split of ", dataset.name()));
  return nullptr;
}

// The split to read where the request names none: the job's, or that of another dataset which has none of its name.
std::string SplitToRead(const v1::DataSpec& job, const v1::Dataset& dataset, const FieldErrors& errors) {
  const std::string& evaluated = job.evaluation_split();
  if (IsHeldOutOf(dataset, job, evaluated) || FindSplit(dataset, evaluated) != nullptr) return evaluated;
  const bool another = dataset.name() != job.dataset();
  std::string split = SplitToTestOn(dataset, another ? "" : job.train_split());
  if (FindSplit(dataset, split) != nullptr) return split;
  std::vector<std::string> names;
  for (const v1::DatasetSplit& one : dataset.splits()) names.push_back(one.name());
  errors.Add(absl::StrCat("must be given: the job evaluates no split of ", dataset.name(),
                          ", which has: ", absl::StrJoin(names, ", ")));
  return "";
}

// Whether the model can read the dataset's examples; a violation where it cannot.
bool CheckShape(const v1::Dataset& dataset, const Shape& stored, const FieldErrors& errors) {
  const Shape shape = ShapeOf(dataset.example_shape());
  if (IsReadAs(shape, stored)) return true;
  errors.Add(absl::StrCat("has examples of ", ToString(shape), ", the model was trained on ", ToString(stored)));
  return false;
}

void ResolveEvaluationData(const v1::EvaluateRequest& request, const v1::Dataset* dataset, v1::DataSpec* data,
                           const FieldErrors& errors) {
  if (request.has_data()) data->set_max_evaluation_examples(request.data().max_evaluation_examples());
  if (HoldsOut(request.data())) {
    errors.At(request.data().has_folds() ? "folds" : "validation_fraction")
        .Add(absl::StrCat("is the job's own: say evaluation_split: \"", kHeldOutName, "\" for what it held out"));
  }
  const std::string& split = request.data().evaluation_split();
  const v1::DataSpec job = *data;
  if (!split.empty()) data->set_evaluation_split(split);
  if (dataset == nullptr) return;
  const FieldErrors field = errors.At("evaluation_split");
  if (split.empty()) {
    data->set_evaluation_split(SplitToRead(job, *dataset, field));
  } else if (!IsHeldOutOf(*dataset, job, split)) {
    RequireNamed(*dataset, job, split, field);
  }
  data->set_dataset(dataset->name());
  if (dataset->name() == job.dataset()) return;
  data->clear_validation_fraction();
  data->clear_folds();
}

// The job's memory bound holds for its own batch.
void CheckBatch(uint32_t batch, uint32_t most, const FieldErrors& errors) {
  if (batch < 1 || batch > most) errors.Add(absl::StrCat("must be 1 to ", most, ", the job's, not ", batch));
}

// Returns the shape that the examples are taken to have.
Shape ResolveExamples(const v1::Examples& examples, const Shape& stored, const FieldErrors& errors) {
  const Shape shape = ShapeOf(examples.shape());
  const int64_t elements = CheckedElements(shape);
  if (examples.values_size() > kMaxPredictBytes / static_cast<int64_t>(sizeof(float))) {
    errors.At("values").Add("must have at most 4 MiB; send several calls");
  }
  if (shape.size() != 2 && shape.size() != 4) {
    errors.At("shape").Add("must be [N, features] or [N, channels, height, width]");
  } else if (elements <= 0) {
    errors.At("shape").Add("must have positive dimensions");
  } else {
    const Shape one(shape.begin() + 1, shape.end());
    if (!IsReadAs(one, stored)) {
      errors.At("shape").Add(absl::StrCat("has examples of ", ToString(one), ", the model takes ", ToString(stored)));
    } else if (elements != examples.values_size()) {
      errors.At("values").Add(absl::StrCat("has ", examples.values_size(), " numbers, the shape wants ", elements));
    } else {
      return SeenAs(one, stored);
    }
  }
  return stored;
}

void CheckImages(const v1::PredictRequest& request, const Shape& stored, const FieldErrors& errors) {
  if (stored.size() != 3 || (stored[0] != 1 && stored[0] != 3)) {
    errors.Add(
        absl::StrCat("the model was trained on examples of ", ToString(stored), ", not on images; give `examples`"));
  }
  if (request.images_size() > kMaxImages) {
    errors.Add(absl::StrCat("has ", request.images_size(), " images; at most ", kMaxImages, ", send several calls"));
  }
  int64_t bytes = 0;
  for (const v1::ImageFile& image : request.images()) bytes += static_cast<int64_t>(image.content().size());
  if (bytes > kMaxImageFiles) errors.Add(absl::StrCat("files of ", bytes, " bytes; at most 7 MiB, send several calls"));
}

void CheckTable(const v1::ExampleTable& table, const FieldErrors& errors) {
  if (static_cast<int64_t>(table.content().size()) > kMaxPredictBytes) {
    errors.At("content").Add("must have at most 4 MiB; send several calls");
  }
  if (table.content().empty()) errors.At("content").Add("is required: a header line and at least one more");
  if (table.delimiter().size() > 1) errors.At("delimiter").Add("must be one character");
  if (table.first_line() < 0) errors.At("first_line").Add("must be positive");
}

// The answer to `examples` fits a message.
void CheckAnswer(const v1::JobSpec& job, int64_t examples, int64_t looks, const FieldErrors& errors) {
  const auto head = HeadOf(job);
  if (!head.has_value()) return;
  const int64_t bytes = PredictionBytes(head->outputs, head->loss->output_meaning(), looks > 1);
  if (bytes > kMaxAnswerBytes) {
    errors.Add(absl::StrCat("has a network of ", head->outputs, " outputs: an answer holds less than one example"));
  } else if (examples > kMaxAnswerBytes / bytes) {
    errors.Add(absl::StrCat("has ", examples, " examples, of which an answer of 4 MiB holds ", kMaxAnswerBytes / bytes,
                            "; send several calls"));
  }
}

// Of the split that `range` names; 0 where there is none, which is a violation then.
int64_t ExamplesToRead(const v1::SplitRange& range, const v1::DataSpec& job, const v1::Dataset& dataset,
                       const FieldErrors& errors) {
  if (!IsHeldOutOf(dataset, job, range.split())) {
    const v1::DatasetSplit* split = RequireNamed(dataset, job, range.split(), errors);
    return split == nullptr ? 0 : split->num_examples();
  }
  const v1::DatasetSplit* train = RequireSplit(dataset, job.train_split(), errors);
  return train == nullptr ? 0 : HeldOutCount(job, train->num_examples());
}

// `range` has no dataset where `dataset` is null.
void ResolveRange(v1::SplitRange* range, const v1::JobSpec& job, const v1::Dataset* dataset,
                  const FieldErrors& errors) {
  if (dataset == nullptr) return;
  range->set_dataset(dataset->name());
  const bool named = !range->split().empty();
  if (!named) range->set_split(SplitToRead(job.data(), *dataset, errors.At("split")));
  if (range->split().empty()) return;
  const auto examples = static_cast<uint64_t>(ExamplesToRead(*range, job.data(), *dataset, errors.At("split")));
  if (examples == 0) return;
  if (range->first() >= examples) {
    return errors.At("first").Add(absl::StrCat("must be below the split's ", examples, " examples"));
  }
  const uint64_t rest = examples - range->first();
  range->set_count(range->count() == 0 ? rest : std::min(range->count(), rest));
}

}  // namespace

const std::string& DatasetOf(const v1::EvaluateRequest& request, const v1::JobSpec& job) {
  return request.data().dataset().empty() ? job.data().dataset() : request.data().dataset();
}

const std::string& DatasetOf(const v1::PredictSplitRequest& request, const v1::JobSpec& job) {
  return request.range().dataset().empty() ? job.data().dataset() : request.range().dataset();
}

Shape SeenAs(const Shape& given, const Shape& stored) {
  const bool flat = given.size() == 1 || stored.size() == 1;
  return flat && Elements(given) == Elements(stored) ? stored : given;
}

v1::JobSpec ResolveEvaluation(const v1::EvaluateRequest& request, const v1::JobSpec& job, const v1::Dataset* dataset,
                              const FieldErrors& errors) {
  v1::JobSpec spec = job;
  ResolveEvaluationData(request, dataset, spec.mutable_data(), errors.At("data"));
  if (dataset != nullptr)
    CheckTargets(job, AsCompared(*dataset, job.data(), InputsOf(job)), errors.At("data").At("dataset"));
  if (request.has_batch_size()) {
    CheckBatch(request.batch_size(), job.batch_size(), errors.At("batch_size"));
    spec.set_batch_size(request.batch_size());
  }
  v1::TestTime& test_time = *spec.mutable_evaluation()->mutable_test_time();
  if (request.has_test_time()) test_time = request.test_time();
  const Shape stored = StoredShape(job);
  if (dataset != nullptr && !CheckShape(*dataset, stored, errors.At("data").At("dataset"))) return spec;
  const Shape image = dataset == nullptr ? stored : SeenAs(ShapeOf(dataset->example_shape()), stored);
  ResolveLooks(job, image, &test_time, errors.At("test_time"));
  return spec;
}

v1::PredictRequest ResolvePrediction(const v1::PredictRequest& request, const v1::JobSpec& job,
                                     const FieldErrors& errors) {
  v1::PredictRequest resolved = request;
  Shape image = StoredShape(job);
  const int kinds =
      (request.has_examples() ? 1 : 0) + (request.images().empty() ? 0 : 1) + (request.has_table() ? 1 : 0);
  if (kinds != 1) {
    errors.At("examples").Add(kinds == 0 ? "is required, or images, or table" : "not together with images or table");
  } else if (request.has_examples()) {
    image = ResolveExamples(request.examples(), image, errors.At("examples"));
  } else if (request.has_table()) {
    CheckTable(request.table(), errors.At("table"));
  } else {
    CheckImages(request, image, errors.At("images"));
  }
  if (!request.has_test_time()) *resolved.mutable_test_time() = job.evaluation().test_time();
  const int64_t looks = ResolveLooks(job, image, resolved.mutable_test_time(), errors.At("test_time"));
  if (request.examples().shape_size() > 0) {
    CheckAnswer(job, request.examples().shape(0), looks, errors.At("examples").At("shape"));
  }
  if (!request.images().empty()) CheckAnswer(job, request.images_size(), looks, errors.At("images"));
  return resolved;
}

v1::PredictSplitRequest ResolvePredictSplit(const v1::PredictSplitRequest& request, const v1::JobSpec& job,
                                            const v1::Dataset* dataset, const FieldErrors& errors) {
  v1::PredictSplitRequest resolved = request;
  const Shape stored = StoredShape(job);
  ResolveRange(resolved.mutable_range(), job, dataset, errors.At("range"));
  if (!request.has_test_time()) *resolved.mutable_test_time() = job.evaluation().test_time();
  if (dataset != nullptr && !CheckShape(*dataset, stored, errors.At("range").At("dataset"))) return resolved;
  const Shape image = dataset == nullptr ? stored : SeenAs(ShapeOf(dataset->example_shape()), stored);
  const int64_t looks = ResolveLooks(job, image, resolved.mutable_test_time(), errors.At("test_time"));
  CheckAnswer(job, 1, looks, errors.At("model"));
  return resolved;
}

int64_t PredictionBytes(int64_t outputs, OutputMeaning meaning, bool several_looks) {
  constexpr int64_t kClassAndLabel = 2 * 10;  // The longest int64 of protobuf.
  const bool probabilities = meaning == OutputMeaning::kLogits || meaning == OutputMeaning::kLogOdds;
  const bool targets = meaning != OutputMeaning::kLogits && meaning != OutputMeaning::kScores;
  const int64_t floats = 1 + (probabilities ? 1 : 0) + (several_looks ? 1 : 0) + (targets ? 1 : 0);
  return floats * outputs * static_cast<int64_t>(sizeof(float)) + kClassAndLabel;
}

}  // namespace traind::core

// A learned vector for each token: [length] of ids -> [features, length]. The output lies in memory as rows, one for
// each position. The gradient of a vector is the sum over the positions that have its token, in their order, so that it
// is the same for any number of threads.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/bfloat16.h"
#include "core/base/parallel.h"
#include "core/base/vectorize.h"
#include "core/kinds/checks.h"
#include "core/kinds/values.h"
#include "core/onednn/onednn.h"

namespace traind::core {
namespace {

template <class T>
TRAIND_VECTORIZED void CopyVector(const float* __restrict from, int64_t n, T* __restrict to) {
  for (int64_t i = 0; i < n; ++i) to[i] = FromFloat<T>(from[i]);
}

template <class T>
TRAIND_VECTORIZED void AddVector(const T* __restrict from, int64_t n, float* __restrict to) {
  for (int64_t i = 0; i < n; ++i) to[i] += ToFloat(from[i]);
}

// The sizes, and the values of one step.
struct Lookup {
  std::string layer;
  int64_t batch = 0, length = 0, features = 0, vocabulary = 0;
  int64_t padding = -1;  // The padding token, or -1.
  Value ids, table, y;
  Value dy = {}, dtable = {};

  int64_t positions() const { return batch * length; }
  // The place in the table; -1 for padding.
  int64_t Row(const Frame& frame, int64_t position) const {
    const auto id = static_cast<int64_t>(frame.at<float>(ids)[position]);
    return id == padding ? -1 : id;
  }
};

// The first position whose id is none; -1: there is none.
int64_t FirstWrong(const float* ids, int64_t n, float vocabulary) {
  for (int64_t i = 0; i < n; ++i) {
    // The negated form catches NaN too.
    if (!(ids[i] >= 0 && ids[i] < vocabulary && ids[i] == std::floor(ids[i]))) return i;
  }
  return -1;
}

template <class T>
void LookUp(const Frame& frame, const Lookup& v) {
  const float* ids = frame.at<float>(v.ids);
  if (const int64_t wrong = FirstWrong(ids, v.positions(), static_cast<float>(v.vocabulary)); wrong >= 0) {
    frame.Fail(absl::InvalidArgumentError(absl::StrCat(
        "layer \"", v.layer, "\": example ", frame.first_example() + wrong / v.length, " of the minibatch has ",
        ids[wrong], " at position ", wrong % v.length, ", and token ids are whole numbers from 0 to ", v.vocabulary - 1,
        "; correct the dataset or say a larger vocabulary")));
    return;
  }
  ParallelFor(v.positions(), GrainFor(v.features), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = v.Row(frame, i);
      T* to = frame.at<T>(v.y) + i * v.features;
      if (row < 0) {
        std::fill_n(to, v.features, T{});
      } else {
        CopyVector(frame.at<float>(v.table) + row * v.features, v.features, to);
      }
    }
  });
}

// Threads share the features, so that none adds where another does.
template <class T>
void AddToVectors(const Frame& frame, const Lookup& v) {
  float* table = frame.at<float>(v.dtable);
  ParallelFor(v.vocabulary * v.features, kValueGrain,
              [&](int64_t begin, int64_t end, int) { std::fill(table + begin, table + end, 0.0f); });
  constexpr int64_t kFeatures = 16;
  ParallelFor(v.features, kFeatures, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = 0; i < v.positions(); ++i) {
      const int64_t row = v.Row(frame, i);
      if (row < 0) continue;
      AddVector(frame.at<T>(v.dy) + i * v.features + begin, end - begin, table + row * v.features + begin);
    }
  });
}

class EmbeddingLayer : public Layer {
 public:
  explicit EmbeddingLayer(const v1::Embedding& config) : config_(config) {}

  LayerShape Infer(absl::Span<const Shape> inputs, const FieldErrors& errors) const override {
    LayerShape shape;
    const Shape* input = SingleInput(inputs, errors);
    if (input == nullptr) return shape;
    if (input->size() != 1) errors.Add(absl::StrCat("needs token ids, [length], not ", ToString(*input)));
    const int64_t vocabulary = config_.vocabulary(), features = config_.features();
    shape.output = {features, (*input)[0]};
    shape.parameters.push_back({.name = "weight",
                                .shape = {vocabulary, features},
                                .initializer = config_.weight_init(),
                                .fan_in = 1,
                                .fan_out = features,
                                .penalized = true,
                                .by_unit = false});
    CheckParameter(shape.parameters[0], errors.At("vocabulary"));
    return shape;
  }

  // No weight_initializer: a layer behind it is not the second of two linear ones.
  LayerTraits traits() const override { return {.reads_examples = true}; }

  absl::StatusOr<BackwardPlan> Plan(Planner& planner) const override {
    const Shape output = planner.OutputShape();
    Lookup v{.layer = std::string(planner.layer_name()),
             .batch = planner.batch(),
             .length = output[1],
             .features = output[0],
             .vocabulary = config_.vocabulary(),
             .padding = config_.has_padding_token() ? int64_t{config_.padding_token()} : -1,
             .ids = planner.ExactInput(),
             .table = {},
             .y = {}};
    const dnnl::memory::desc table = onednn::Plain({v.vocabulary, v.features}, onednn::Type::f32);
    v.table = planner.Parameter("weight", table);
    v.y = planner.New(onednn::Plain({v.positions(), v.features}, planner.compute_type()));
    const bool bf16 = planner.compute_type() == onednn::Type::bf16;
    planner.Run("embedding", {v.ids, v.table}, {v.y},
                [=](const Frame& frame) { bf16 ? LookUp<Bfloat16>(frame, v) : LookUp<float>(frame, v); });
    planner.SetOutput(FromRows(planner, v.y, output));
    return BackwardPlan([=](Planner& back) {
      Lookup b = v;
      b.dy = GradientRows(back, output);
      b.dtable = back.ParameterGradient("weight", table);
      back.Run("embedding gradient", {b.ids, b.dy}, {b.dtable},
               [=](const Frame& frame) { bf16 ? AddToVectors<Bfloat16>(frame, b) : AddToVectors<float>(frame, b); });
      return absl::OkStatus();
    });
  }

 private:
  const v1::Embedding config_;
};

const Registered<Layer, v1::Embedding> kEmbedding(
    "A learned vector for each token id of the input.",
    [](v1::Embedding& config, const FieldErrors& errors) -> std::unique_ptr<Layer> {
      const int before = errors.count();
      CheckChannels(config.vocabulary(), errors.At("vocabulary"));
      CheckChannels(config.features(), errors.At("features"));
      if (config.has_padding_token() && config.padding_token() >= config.vocabulary()) {
        errors.At("padding_token")
            .Add(absl::StrCat("must be below the vocabulary, ", config.vocabulary(), ", not ", config.padding_token()));
      }
      v1::Initializer normal;
      normal.mutable_normal()->set_std(1);
      ResolveInitializer(config.mutable_weight_init(), normal, errors.At("weight_init"));
      return errors.count() > before ? nullptr : std::make_unique<EmbeddingLayer>(config);
    });

}  // namespace
}  // namespace traind::core

// The memory that admission reserves, against what real plans take, for every registered layer, activation, block and
// preset: never less, and at most 1.3 times as much. What plans take is asked of malloc, which knows nothing of how
// plans count; it counts the room for generated code, too, most of which is never touched.
#include "core/plan/memory_bound.h"

#include <malloc.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/plan/choose_algorithms.h"
#include "core/train/checkpoint_writer.h"
#include "core/train/model.h"
#include "gtest/gtest.h"
#include "tests/conformance/every_kind.h"
#include "tests/support/layer_run.h"
#include "tests/support/text_proto.h"

#ifdef TRAIND_SANITIZED                                       // Of every sanitizer's runtime; GCC has no header for it.
extern "C" size_t __sanitizer_get_current_allocated_bytes();  // NOLINT
#endif

namespace traind::core {
namespace {

constexpr int kSlots = 2;  // Of Adam.
constexpr double kAtMost = 1.3;

// Bytes that the program has from malloc now.
int64_t Allocated() {
#ifdef TRAIND_SANITIZED  // A sanitizer's malloc answers mallinfo2 with zeros.
  return static_cast<int64_t>(__sanitizer_get_current_allocated_bytes());
#else
  const struct mallinfo2 info = mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
#endif
}

struct Network {
  v1::Network network;
  std::unique_ptr<Graph> graph;
  MemoryOptions options;
};

Network Make(const std::string& text, v1::Precision precision, int64_t batch) {
  Network made;
  made.network = FromText<v1::Network>(text);
  FieldErrors::Root errors;
  made.graph = Graph::Build(made.network, errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  made.options.plan.batch = batch;
  made.options.plan.precision = precision;
  made.options.plan.observe = true;
  made.options.optimizer_slots = kSlots;
  made.options.threads = 2;
  made.options.plan.SetAlgorithms(ChooseAlgorithms(*made.graph, batch, precision, v1::CONVOLUTION_ALGORITHM_AUTO));
  return made;
}

int64_t LargestParameter(const Graph& graph) {
  int64_t largest = 0;
  for (const Node& node : graph.nodes()) {
    for (const ParameterSpec& parameter : node.parameters) largest = std::max(largest, Elements(parameter.shape));
  }
  return 4 * largest;
}

// All that a checkpoint copies.
std::vector<CheckpointWriter::Source> Everything(const ParameterStore& store) {
  std::vector<CheckpointWriter::Source> all;
  for (const StoredParameter& parameter : store.parameters()) {
    const auto stored = static_cast<size_t>(parameter.stored_elements());
    all.push_back({parameter.name, parameter.spec->shape, {parameter.master, stored}, &parameter});
    for (const float* slot : parameter.slots) {
      if (slot != nullptr) all.push_back({parameter.name, parameter.spec->shape, {slot, stored}, &parameter});
    }
  }
  return all;
}

// What a worker allocates for this network: the store, its plans, the copy for a checkpoint, and a parameter on its way
// into that.
struct Taken {
  int64_t training = 0;
  int64_t inference = 0;
  int64_t tensors = 0;  // In training, by what the plans and the store hold.
};
Taken Allocate(const Network& made) {
  EXPECT_TRUE(PrepareEngine(made.options.threads, made.options.plan.precision).ok());
  v1::Loss loss;
  loss.mutable_mean_squared_error();
  Taken taken;
  for (const bool trainable : {true, false}) {
    const int64_t before = Allocated();
    auto model = MakeModel(made.network, &loss, trainable, trainable ? kSlots : 0);
    EXPECT_TRUE(model.ok()) << model.status();
    PlanOptions options = made.options.plan;
    std::unique_ptr<Plan> training;
    if (trainable) {
      options.training = true;
      options.loss = model->loss.get();
      auto plan = Plan::Make(*model->graph, *model->store, options);
      EXPECT_TRUE(plan.ok()) << plan.status();
      training = *std::move(plan);
    }
    options.training = options.observe = false;
    options.loss = nullptr;
    const auto evaluation = Plan::Make(*model->graph, *model->store, options);
    EXPECT_TRUE(evaluation.ok()) << evaluation.status();
    std::unique_ptr<CheckpointWriter> writer;
    if (trainable) {
      writer = std::make_unique<CheckpointWriter>(*model->store, "");
      EXPECT_TRUE(writer->Hold({.weights = Everything(*model->store)}).ok());
    }
    (trainable ? taken.training : taken.inference) = Allocated() - before + LargestParameter(*made.graph);
    if (trainable) {
      taken.tensors = model->store->bytes() + training->bytes().total() + (*evaluation)->bytes().total();
    }
  }
  return taken;
}

class MemoryBoundOfEveryKind : public testing::TestWithParam<KindCase> {};

TEST_P(MemoryBoundOfEveryKind, IsNeverUnderAndAtMostThirtyPercentOver) {
  for (const v1::Precision precision : Precisions()) {
    for (const int64_t batch : {1, 64}) {
      const Network made = Make(absl::StrCat(GetParam().input_shape(), GetParam().network), precision, batch);
      const auto bound = BoundMemory(*made.graph, made.options);
      ASSERT_TRUE(bound.ok()) << bound.status();
      const Taken taken = Allocate(made);
      SCOPED_TRACE(absl::StrCat(v1::Precision_Name(precision), ", batch ", batch));
      EXPECT_LE(bound->training - bound->training_overhead, kAtMost * taken.training);
      EXPECT_LE(bound->inference - bound->inference_overhead, kAtMost * taken.inference);
      EXPECT_GE(bound->training, taken.training);
      EXPECT_GE(bound->inference, taken.inference);
      EXPECT_GE(bound->training - bound->training_overhead, taken.tensors);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, MemoryBoundOfEveryKind, testing::ValuesIn(KindCases()),
                         [](const auto& tested) { return tested.param.name; });

// Larger ones, in which activations, weights, or scratch of many kernels take the memory.
TEST(MemoryBound, HoldsForNetworksOfSize) {
  const char* const networks[] = {
      "input_shape: [3, 32, 32] preset { resnet { classes: 10 depth: 20 } }",
      "input_shape: [3, 64, 64] preset { resnet { classes: 10 depth: 50 width: 16 } }",
      "input_shape: [3, 32, 32] preset { densenet { classes: 10 depth: 40 growth: 12 } }",
      "input_shape: [3, 32, 32] preset { vit_tiny { classes: 10 depth: 3 } }",
      "input_shape: 50 preset { text_cnn { classes: 5 vocabulary: 5000 } }",
      "input_shape: 784 layers { name: 'a' dense { units: 2048 } activation { tanh {} } } "
      "layers { name: 'b' drop_connect { units: 2048 } activation { gelu {} } } layers { name: 'd' dropout {} } "
      "layers { name: 'o' dense { units: 10 } }",
  };
  for (const char* text : networks) {
    for (const v1::Precision precision : Precisions()) {
      const Network made = Make(text, precision, 32);
      const auto bound = BoundMemory(*made.graph, made.options);
      ASSERT_TRUE(bound.ok()) << bound.status();
      const Taken taken = Allocate(made);
      SCOPED_TRACE(absl::StrCat(text, " ", v1::Precision_Name(precision)));
      EXPECT_GE(bound->training, taken.training);
      EXPECT_GE(bound->training - bound->training_overhead, taken.tensors);
      EXPECT_LE(bound->training - bound->training_overhead, kAtMost * taken.training);
      EXPECT_GE(bound->inference, taken.inference);
      EXPECT_LE(bound->inference - bound->inference_overhead, kAtMost * taken.inference);
    }
  }
}

// What could never run is not planned: the answer comes at once, and is more than any machine has.
TEST(MemoryBound, OfNetworksBeyondEveryMachine) {
  const Network made = Make(
      "input_shape: [16, 8192, 8192] layers { name: 'c' conv2d { out_channels: 16 kernel: 3 } } "
      "layers { name: 'g' global_avg_pool {} }",
      v1::PRECISION_F32, 1 << 20);
  const auto bound = BoundMemory(*made.graph, made.options);
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_GT(bound->training, int64_t{1} << 44);
  EXPECT_LE(bound->training, int64_t{1} << 62);
}

}  // namespace
}  // namespace traind::core

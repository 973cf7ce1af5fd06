// traind-kernel-bench: the loops of our own on a realistic size against the memory bandwidth of the machine, measured
// in the same run, as JSON lines: the least time, the bytes that the kernel cannot avoid moving, what it reaches, and
// its share of what a copy reaches. The masks of drop_connect are bound by arithmetic, not by memory.
//
//   OMP_NUM_THREADS=2 traind-kernel-bench
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/parallel.h"
#include "core/data/augmentation/augmenter.h"
#include "core/optimizers/update.h"
#include "core/plan/plan.h"
#include "google/protobuf/text_format.h"

namespace traind::core {
namespace {

constexpr int kRounds = 3;
constexpr int kRepetitions = 5;

double copy_bandwidth = 0;  // GB/s.

void Print(const std::string& kernel, double milliseconds, double bytes) {
  const double bandwidth = bytes / milliseconds / 1e6;
  std::printf("{\"kernel\": \"%s\", \"ms\": %.3f, \"megabytes\": %.1f, \"gb_per_s\": %.2f, \"share_of_copy\": %.2f}\n",
              kernel.c_str(), milliseconds, bytes / 1e6, bandwidth, bandwidth / copy_bandwidth);
  std::fflush(stdout);
}

// The least of some runs, in milliseconds.
double Time(const std::function<void()>& run) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRounds * kRepetitions; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    run();
    best = std::min(best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

void MeasureMachine() {
  constexpr int64_t kElements = int64_t{1} << 24;  // 64 MB each, far beyond the caches.
  std::vector<float> a(kElements, 1), b(kElements, 2), c(kElements, 3);
  const double copy = Time([&] {
    ParallelFor(kElements, 4096, [&](int64_t begin, int64_t end, int) {
      std::copy(a.data() + begin, a.data() + end, b.data() + begin);
    });
  });
  const double triad = Time([&] {
    ParallelFor(kElements, 4096, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) c[i] = a[i] + 3 * b[i];
    });
  });
  copy_bandwidth = 8.0 * kElements / copy / 1e6;
  std::printf("{\"machine\": \"copy\", \"gb_per_s\": %.2f}\n{\"machine\": \"triad\", \"gb_per_s\": %.2f}\n",
              copy_bandwidth, 12.0 * kElements / triad / 1e6);
}

// A kernel of a plan, by its operation's label; the n-th of that label.
struct Wanted {
  std::string name;
  std::string label;
  int n = 0;
  double bytes = 0;
};

void MeasurePlan(const std::string& text, int64_t batch, bool observe, const std::vector<Wanted>& wanted) {
  v1::Network network;
  FieldErrors::Root errors;
  if (!google::protobuf::TextFormat::ParseFromString(text, &network)) std::abort();
  const auto graph = Graph::Build(network, errors.scope());
  v1::Loss config;
  config.mutable_mean_squared_error();
  const auto loss = Registry<Loss>::Get().Create(config, errors.scope());
  if (!errors.ok()) {
    std::fprintf(stderr, "%s\n", errors.ToStatus().ToString().c_str());
    std::exit(1);
  }
  ParameterStore store(*graph, /*trainable=*/true, 0);
  PlanOptions options{.batch = batch, .training = true};
  options.loss = loss.get();
  options.observe = observe;
  auto plan = Plan::Make(*graph, store, options);
  if (!plan.ok()) std::exit(1);
  store.Initialize(1);
  std::vector<float> examples(batch * Elements(graph->input_shape()));
  for (size_t i = 0; i < examples.size(); ++i) examples[i] = static_cast<float>(i * 7919 % 1000) / 500.0f - 1.0f;
  const std::vector<float> targets(batch * (*plan)->outputs());
  std::vector<double> best;
  std::vector<std::string> labels;
  for (int round = 0; round < kRounds; ++round) {
    const auto times = (*plan)->MeasureOperations(
        {.examples = examples.data(), .targets = {.values = targets.data()}, .count = batch, .observe = observe},
        kRepetitions);
    if (!times.ok()) std::exit(1);
    best.resize(times->size(), std::numeric_limits<double>::infinity());
    labels.clear();
    for (size_t i = 0; i < times->size(); ++i) {
      best[i] = std::min(best[i], (*times)[i].milliseconds);
      labels.push_back((*times)[i].label);
    }
  }
  for (const Wanted& one : wanted) {
    int found = 0;
    for (size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] == one.label && found++ == one.n) Print(one.name, best[i], one.bytes);
    }
    if (found <= one.n) std::fprintf(stderr, "no operation %s\n", one.label.c_str());
  }
}

// `pruned`: with the mask of a lottery ticket.
void MeasureUpdate(const std::string& text, int slots, bool pruned = false) {
  constexpr int64_t kElements = int64_t{1} << 23;
  v1::Optimizer config;
  if (!google::protobuf::TextFormat::ParseFromString(text, &config)) std::abort();
  FieldErrors::Root errors;
  const auto optimizer = Registry<Optimizer>::Get().Create(config, errors.scope());
  std::vector<float> weights(kElements, 0.5f), gradients(kElements, 0.01f);
  std::vector<std::vector<float>> state(slots, std::vector<float>(kElements));
  std::vector<float> mask(pruned ? kElements : 0);
  for (size_t i = 0; i < mask.size(); ++i) mask[i] = i % 5 == 0 ? 1.0f : 0.0f;
  ParameterTensor tensor{.weights = weights.data(),
                         .gradients = gradients.data(),
                         .stored = kElements,
                         .elements = kElements,
                         .penalty = {}};
  if (pruned) tensor.mask = mask.data();
  for (int i = 0; i < slots; ++i) tensor.slots[i] = state[i].data();
  UpdatePass pass(*optimizer, {tensor});
  const Optimizer::Step step{.learning_rate = 1e-3, .weight_decay = 0, .number = 1};
  const double bytes = 4.0 * kElements * (3 + 2 * slots + (pruned ? 1 : 0));
  Print(absl::StrCat("update ", text, pruned ? ", pruned" : ""), Time([&] { pass.Run(step, {}, nullptr); }), bytes);
}

Augmenter MakeAugmenter(const std::string& text, const Shape& shape) {
  v1::DataSpec data;
  if (!google::protobuf::TextFormat::ParseFromString(text, &data)) std::abort();
  FieldErrors::Root errors;
  Augmenter augmenter = Augmenter::Create(data.mutable_augmentation(), &shape, errors.scope());
  if (!errors.ok()) std::exit(1);
  return augmenter;
}

// A minibatch of 32x32 images of colour, on one thread, as a prefetch thread does it.
void MeasureAugmentation(const std::string& name, const std::string& text, const std::vector<Tensor>& learned = {}) {
  constexpr int64_t kImages = 64;
  const Shape shape = {3, 32, 32};
  Augmenter augmenter = MakeAugmenter(text, shape);
  if (!augmenter.Load(learned).ok()) std::exit(1);
  auto workspace = Augmenter::Workspace::For(augmenter, v1::ELEMENT_TYPE_UINT8);
  if (!workspace.ok()) std::exit(1);
  std::vector<uint8_t> images(kImages * Elements(shape));
  for (size_t i = 0; i < images.size(); ++i) images[i] = static_cast<uint8_t>(i * 7919 >> 3);
  const double milliseconds = Time([&] {
    for (int64_t i = 0; i < kImages; ++i) {
      augmenter.Apply({v1::ELEMENT_TYPE_UINT8, 3, 32, 32, images.data() + i * Elements(shape)},
                      {.seed = 1, .step = 1, .example = static_cast<uint32_t>(i)}, *workspace);
    }
  });
  Print(name, milliseconds, 2.0 * static_cast<double>(images.size()));
}

// As many minibatches as there are threads, each blended by one of them, as prefetch threads do it.
void MeasureBlend(const std::string& name, const std::string& text) {
  constexpr int64_t kExamples = 512, kElements = 3 * 64 * 64, kOutputs = 10;
  const Augmenter augmenter = MakeAugmenter(text, {3, 64, 64});
  struct Room {
    std::vector<float> examples = std::vector<float>(kExamples * kElements, 1.0f);
    std::vector<float> targets = std::vector<float>(kExamples * kOutputs);
    Minibatch minibatch() { return {kExamples, kElements, kOutputs, examples.data(), targets.data()}; }
  };
  const int64_t threads = omp_get_max_threads();
  std::vector<Room> from(threads), to(threads);
  std::vector<BatchAugmentation::Pairing> pairings(threads);
  const double milliseconds = Time([&] {
    ParallelFor(threads, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        augmenter.Blend(from[i].minibatch(), to[i].minibatch(), {.seed = 1, .step = static_cast<uint64_t>(i)},
                        pairings[i]);
      }
    });
  });
  Print(name, milliseconds, 12.0 * static_cast<double>(threads * kExamples * kElements));  // Two rows in, one out.
}

void Run() {
  MeasureMachine();
  // 64 channels of 56 x 56 pixels, 32 examples, in the layout that convolutions leave.
  constexpr double kValues = 32.0 * 64 * 56 * 56;
  const auto image = [](const std::string& layer) {
    return "input_shape: [8, 56, 56] layers { name: 'c' conv2d { out_channels: 64 kernel: 1 } } layers { name: 'k' " +
           layer + " } layers { name: 'g' global_avg_pool {} }";
  };
  for (const std::string activation : {"relu", "tanh", "gelu", "mish", "hardswish"}) {
    MeasurePlan(
        image("activation { " + activation + " {} }"), 32, false,
        {{activation, "k: activation", 0, 8 * kValues}, {activation + " gradient", "k: activation", 1, 12 * kValues}});
  }
  MeasurePlan(image("activation { prelu {} }"), 32, false,
              {{"prelu", "k: prelu", 0, 8 * kValues}, {"prelu gradient", "k: prelu", 1, 12 * kValues}});
  MeasurePlan(image("activation { swish { learned: true } }"), 32, false,
              {{"learned swish", "k: swish", 0, 8 * kValues}, {"learned swish gradient", "k: swish", 1, 12 * kValues}});
  MeasurePlan(
      image("dropout {}"), 32, false,
      {{"dropout", "k: dropout", 0, 10 * kValues}, {"dropout gradient", "k: dropout gradient", 0, 9 * kValues}});
  MeasurePlan(image("layer_norm {}"), 32, false,
              {{"layer_norm", "k: layer norm", 0, 8 * kValues},
               {"layer_norm gradient", "k: layer norm gradient", 0, 12 * kValues}});
  MeasurePlan(image("group_norm { groups: 8 }"), 32, false,
              {{"group_norm", "k: group norm", 0, 8 * kValues},
               {"group_norm gradient", "k: group norm gradient", 0, 12 * kValues}});
  // 39 x 39 outputs of 4 bytes and a place.
  constexpr double kPooled = 32.0 * 64 * 39 * 39;
  MeasurePlan(image("fractional_max_pool {}"), 32, false,
              {{"fractional_max_pool", "k: fractional max pool", 0, 4 * kValues + 5 * kPooled},
               {"fractional_max_pool gradient", "k: fractional max pool gradient", 0, 4 * kValues + 5 * kPooled}});
  MeasurePlan(image("activation { relu {} }"), 32, true, {{"statistics of a layer", "k: observe", 0, 8 * kValues}});
  constexpr double kWeights = 2048.0 * 2048;
  MeasurePlan(
      "input_shape: 2048 layers { name: 'd' dense { units: 2048 } } "
      "layers { name: 'k' drop_connect { units: 2048 } } layers { name: 'e' dense { units: 8 } }",
      32, false, {{"drop_connect per step: mask", "k: mask", 0, 8 * kWeights}});
  constexpr double kConnections = 64.0 * 512 * 512;  // A 32-bit word each, if the masks were kept.
  MeasurePlan(
      "input_shape: 512 layers { name: 'd' dense { units: 512 } } layers { name: 'k' drop_connect { units: 512 "
      "per_example: true } } layers { name: 'e' dense { units: 8 } }",
      64, false,
      {{"drop_connect per example", "k: drop connect", 0, 4 * kConnections},
       {"drop_connect per example: gradient of data", "k: drop connect gradient", 0, 4 * kConnections},
       {"drop_connect per example: gradient of weights", "k: drop connect weight gradient", 0, 4 * kConnections}});
  MeasurePlan(
      "input_shape: 64 layers { name: 'd' dense { units: 512 } } layers { name: 'k' dense { units: 2048 } "
      "activation { maxout {} } } layers { name: 'e' dense { units: 8 } }",
      4096, false,
      {{"maxout", "k: maxout", 0, 4.0 * 4096 * 2048 * 3}, {"maxout gradient", "k: maxout", 1, 4.0 * 4096 * 2048 * 3}});
  MeasurePlan(image("scalar_affine {}"), 32, false,
              {{"scalar_affine", "k: scalar affine", 0, 8 * kValues},
               {"scalar_affine gradient", "k: scalar affine gradient", 0, 12 * kValues}});
  MeasurePlan(
      "input_shape: [8, 56, 56] layers { name: 'c' conv2d { out_channels: 64 kernel: 1 } } "
      "layers { name: 'd' inputs: 'c' dropout {} } "
      "layers { name: 'k' inputs: ['c', 'd'] add {} activation { relu {} } } layers { name: 'g' global_avg_pool {} }",
      32, false, {{"sum and relu", "k: sum and relu", 0, 12 * kValues}});
  // 28 and 36 channels, padded to 32 and 48 of 64 in the end; that of the 36 begins within a block.
  MeasurePlan(
      "input_shape: [8, 56, 56] layers { name: 'a' inputs: 'input' conv2d { out_channels: 28 kernel: 1 } } "
      "layers { name: 'b' inputs: 'input' conv2d { out_channels: 36 kernel: 1 } } "
      "layers { name: 'k' inputs: ['a', 'b'] concat {} } layers { name: 'g' global_avg_pool {} }",
      32, false,
      {{"concat", "k: concat", 0, 8 * kValues}, {"concat gradient of 36", "k: concat gradient", 1, 4.5 * kValues}});
  MeasurePlan(image("stochastic_depth { survival: 0.5 per_example: true }"), 32, false,
              {{"stochastic_depth", "k: stochastic depth", 0, 8 * kValues},
               {"stochastic_depth gradient", "k: stochastic depth gradient", 0, 8 * kValues}});
  MeasureAugmentation("flip", "augmentation { horizontal_flip {} }");
  MeasureAugmentation("pad_and_crop", "augmentation { pad_and_crop { padding: 4 } }");
  MeasureAugmentation("color_jitter",
                      "augmentation { color_jitter { contrast: 0.4 brightness: 0.4 saturation: 0.4 hue: 0.1 } }");
  MeasureAugmentation("pca_lighting", "augmentation { pca_lighting {} }",
                      {{"augmentation.0.factor", {3, 3}, {20, 0, 0, 20, 5, 0, 20, -5, 2}}});
  MeasureAugmentation("lens_distortion", "augmentation { lens_distortion { max_strength: 0.2 } }");
  MeasureAugmentation("rotate", "augmentation { rotate { max_degrees: 20 } }");
  MeasureAugmentation("random_resized_crop", "augmentation { random_resized_crop { height: 32 width: 32 } }");
  MeasureAugmentation("cutout", "augmentation { cutout { size: 8 } }");
  MeasureBlend("mixup", "augmentation { mixup {} }");
  MeasureBlend("cutmix", "augmentation { cutmix {} }");
  MeasureUpdate("sgd {}", 0);
  MeasureUpdate("sgd { momentum: 0.9 }", 1);
  MeasureUpdate("adam {}", 2);
  MeasureUpdate("sgd { momentum: 0.9 }", 1, /*pruned=*/true);
}

}  // namespace
}  // namespace traind::core

int main() { traind::core::Run(); }

// traind-bench: the time of a whole training step (forward, loss, backward, SGD with momentum 0.9 and L2) on the
// reference networks, with random input resident in memory and the settings of a worker, as JSON lines. In the same run
// it times each primitive of the step alone and adds them up: the limit that the kernels set.
// tests/bench/compare_pytorch.py sets it beside PyTorch.
#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "core/base/engine_process.h"
#include "core/base/random.h"
#include "core/kinds/loss.h"
#include "core/optimizers/update.h"
#include "core/plan/choose_algorithms.h"
#include "core/plan/plan.h"
#include "google/protobuf/text_format.h"
#include "tests/bench/networks.h"

namespace traind::bench {
namespace {

using core::FieldErrors;

struct Options {
  int threads = 2;
  v1::Precision precision = v1::PRECISION_F32;
  v1::ConvolutionAlgorithm algorithm = v1::CONVOLUTION_ALGORITHM_AUTO;
  int runs = 0;             // 0: as many as fit in a few seconds.
  int observe_every = 0;    // 0: no statistics.
  bool operations = false;  // Print each operation of the plan.
  std::vector<std::string> networks;
};

double Seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Everything of one network that a step needs.
struct Job {
  v1::Network network;
  std::unique_ptr<core::Graph> graph;
  std::unique_ptr<core::Loss> loss;
  std::unique_ptr<core::Optimizer> optimizer;
  std::unique_ptr<core::ParameterStore> store;
  std::unique_ptr<core::Plan> plan;
  std::unique_ptr<core::UpdatePass> update;
};

absl::Status Make(const ReferenceNetwork& reference, const Options& options, Job& job) {
  FieldErrors::Root errors;
  if (!google::protobuf::TextFormat::ParseFromString(reference.network, &job.network)) {
    return absl::InternalError("a reference network does not parse");
  }
  job.graph = core::Graph::Build(job.network, errors.scope("network"));
  v1::Loss loss;
  loss.mutable_softmax_cross_entropy();
  job.loss = core::Registry<core::Loss>::Get().Create(loss, errors.scope("loss"));
  v1::Optimizer optimizer;
  optimizer.mutable_sgd()->set_momentum(0.9);
  job.optimizer = core::Registry<core::Optimizer>::Get().Create(optimizer, errors.scope("optimizer"));
  if (!errors.ok()) return errors.ToStatus();
  job.store = std::make_unique<core::ParameterStore>(*job.graph, /*trainable=*/true, 1);
  core::PlanOptions plan{.batch = reference.batch, .training = true, .precision = options.precision};
  plan.loss = job.loss.get();
  plan.observe = options.observe_every > 0;
  plan.SetAlgorithms(core::ChooseAlgorithms(*job.graph, reference.batch, options.precision, options.algorithm));
  auto made = core::Plan::Make(*job.graph, *job.store, plan);
  if (!made.ok()) return made.status();
  job.plan = *std::move(made);
  job.store->Initialize(/*seed=*/1);
  job.update = std::make_unique<core::UpdatePass>(*job.optimizer, core::UpdateTensors(*job.store));
  return absl::OkStatus();
}

absl::Status Measure(const ReferenceNetwork& reference, const Options& options) {
  Job job;
  if (absl::Status status = Make(reference, options, job); !status.ok()) return status;

  std::vector<float> examples(reference.batch * core::Elements(job.graph->input_shape()));
  std::vector<int32_t> labels(reference.batch);
  const core::RandomStream random(1, core::Purpose::kProbeInput, 0);
  for (size_t i = 0; i + 1 < examples.size(); i += 2) {
    const auto bits = random.Block(0, 0, static_cast<uint32_t>(i));
    const auto pair = core::ToNormal(bits[0], bits[1]);
    examples[i] = pair[0];
    examples[i + 1] = pair[1];
  }
  for (float& example : examples) {
    if (reference.tokens == 0) break;
    example = std::fmod(std::floor(std::abs(example) * 1e4f), static_cast<float>(reference.tokens));
  }
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int32_t>(i % 10);

  core::Plan::Input input{.examples = examples.data(), .targets = {.labels = labels.data()}, .count = reference.batch};
  std::vector<core::ParameterNumbers> numbers(job.update->tensors().size());
  absl::Status failed;
  auto step = [&] {
    input.observe = options.observe_every > 0 && input.step % options.observe_every == 0;
    if (absl::Status status = job.plan->Run(input); !status.ok()) failed = status;
    job.update->Run({.learning_rate = 0.01, .weight_decay = 0, .number = input.step + 1}, /*clip=*/{},
                    input.observe ? &numbers : nullptr);
    ++input.step;
  };

  double begin = Seconds();
  for (int i = 0; i < 3; ++i) step();
  const int fitting = static_cast<int>(8 * 3 / (Seconds() - begin));
  const int runs = options.runs > 0 ? options.runs : std::clamp(fitting, 5, 200);
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) {
    begin = Seconds();
    step();
    times.push_back((Seconds() - begin) * 1e3);
  }
  if (!failed.ok()) return failed;

  const auto operations = job.plan->MeasureOperations(input, std::clamp(fitting, 3, 20));
  if (!operations.ok()) return operations.status();
  double limit = 0;
  for (const auto& operation : *operations) {
    if (operation.compute) limit += operation.milliseconds;
    if (options.operations) absl::FPrintF(stderr, "%10.3f ms  %s\n", operation.milliseconds, operation.label);
  }
  const double median = Median(times);
  absl::PrintF(
      "{\"network\": \"%s\", \"precision\": \"%s\", \"median_ms\": %.3f, \"min_ms\": %.3f, \"mean_ms\": %.3f, "
      "\"examples_per_s\": %.1f, \"runs\": %d, \"primitives_ms\": %.3f, \"step_to_primitives\": %.3f, \"plan_bytes\": "
      "%d}\n",
      reference.name, options.precision == v1::PRECISION_BF16 ? "bf16" : "f32", median,
      *std::min_element(times.begin(), times.end()), std::accumulate(times.begin(), times.end(), 0.0) / runs,
      reference.batch / median * 1e3, runs, limit, median / limit, job.plan->bytes().total() + job.store->bytes());
  std::fflush(stdout);
  return absl::OkStatus();
}

constexpr char kUsage[] =
    "traind-bench [--threads N] [--precision f32|bf16] [--convolution auto|direct|winograd] [--runs N]\n"
    "             [--observe-every N] [--operations] [NETWORK ...]\n"
    "Prints one JSON line for each network: mlp_small, mlp_6x4096, cnn28, resnet20_narrow,\n"
    "resnet18_cifar, vgg16_cifar, densenet40_cifar (all by default).\n"
    "median_ms is a whole training step; primitives_ms is the sum of its convolutions and inner products, each "
    "measured\n"
    "alone. --operations prints every operation of the step to stderr, each measured alone.\n";

bool Parse(int argc, char** argv, Options& options) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--operations") {
      options.operations = true;
    } else if (flag.rfind("--", 0) != 0) {
      options.networks.push_back(flag);
    } else if (i + 1 == argc) {
      return false;
    } else {
      const std::string value = argv[++i];
      if (flag == "--threads") {
        if (!absl::SimpleAtoi(value, &options.threads) || options.threads < 1) return false;
      } else if (flag == "--runs") {
        if (!absl::SimpleAtoi(value, &options.runs)) return false;
      } else if (flag == "--observe-every") {
        if (!absl::SimpleAtoi(value, &options.observe_every)) return false;
      } else if (flag == "--precision" && (value == "f32" || value == "bf16")) {
        options.precision = value == "bf16" ? v1::PRECISION_BF16 : v1::PRECISION_F32;
      } else if (flag == "--convolution" && (value == "auto" || value == "direct" || value == "winograd")) {
        options.algorithm = value == "auto"     ? v1::CONVOLUTION_ALGORITHM_AUTO
                            : value == "direct" ? v1::CONVOLUTION_ALGORITHM_DIRECT
                                                : v1::CONVOLUTION_ALGORITHM_WINOGRAD;
      } else {
        return false;
      }
    }
  }
  return true;
}

// Starts this program again with the settings of a worker, unless it has them.
void RunAsAWorkerDoes(char** argv, int threads) {
  std::vector<std::string> settings = core::EngineEnvironment(environ, static_cast<uint32_t>(threads));
  std::vector<char*> pointers;
  bool same = true;
  for (size_t i = 0; i < settings.size(); ++i) {
    same = same && environ[i] != nullptr && settings[i] == environ[i];
    pointers.push_back(settings[i].data());
  }
  if (same) return;
  pointers.push_back(nullptr);
  execve("/proc/self/exe", argv, pointers.data());
  std::perror("cannot start again with the settings of a worker");
  std::exit(1);
}

int Main(int argc, char** argv) {
  Options options;
  if (!Parse(argc, argv, options)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  RunAsAWorkerDoes(argv, options.threads);
  omp_set_num_threads(options.threads);
  for (const ReferenceNetwork& reference : ReferenceNetworks()) {
    const auto& wanted = options.networks;
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), reference.name) == wanted.end()) continue;
    if (absl::Status status = Measure(reference, options); !status.ok()) {
      absl::FPrintF(stderr, "%s: %s\n", reference.name, std::string(status.message()));
      return 1;
    }
  }
  return 0;
}

}  // namespace
}  // namespace traind::bench

int main(int argc, char** argv) { return traind::bench::Main(argc, argv); }

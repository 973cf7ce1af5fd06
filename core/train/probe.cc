// What the activations of a fresh network look like.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/data/batch_loader.h"
#include "core/data/input_pipeline.h"
#include "core/data_initialization/network_under_data.h"
#include "core/job/job_warnings.h"
#include "core/job/resolve_initialization.h"
#include "core/train/first_minibatches.h"
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
  auto input = InputPipeline::Open(dataset_dir, request.data());
  if (!input.ok()) return input.status();
  if (absl::Status status = input->Fit(); !status.ok()) return status;
  // Only the examples are wanted: one column for the labels of each class is enough.
  return FirstMinibatches(*input, {.batch = request.batch_size(),
                                   .seed = request.seed(),
                                   .end_step = std::max(1u, request.data_initialization().minibatches()),
                                   .augmenter = &input->augmenter(),
                                   .outputs = input->split().num_classes()});
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

}  // namespace

absl::StatusOr<v1::ProbeNetworkResponse> Probe(const v1::ProbeNetworkRequest& request, const std::string& dataset_dir,
                                               uint32_t threads) {
  if (absl::Status status = PrepareEngine(threads, request.precision()); !status.ok()) return status;
  auto model =
      MakeModel(request.network(), /*loss=*/nullptr, /*trainable=*/NeedsGradients(request.data_initialization()), 0);
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
  for (std::string& warning : ProbeWarnings(*model->graph, request.batch_size(), response.statistics())) {
    response.add_warnings(std::move(warning));
  }
  return response;
}

}  // namespace traind::core

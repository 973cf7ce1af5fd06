#include "core/data_initialization/network_under_data.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/parallel.h"
#include "core/base/random.h"
#include "core/data_initialization/data_initializer.h"

namespace traind::core {
namespace {

using Moments = NetworkUnderData::Moments;

// The "loss" whose gradient is a random direction for each example. Directions of different examples are independent,
// so the expected square of the sum of their gradients is the sum of the expected squares.
class RandomProjection final : public Loss {
 public:
  explicit RandomProjection(uint64_t seed) : random_(seed, Purpose::kDataInitialization, 0) {}

  void set_minibatch(uint64_t minibatch) { minibatch_ = minibatch; }

  double Compute(const float* output, const Targets& /*targets*/, int64_t n, int64_t outputs,
                 float* gradient) const override {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t k = 0; k < outputs; ++k) {
        const auto bits = random_.Block(minibatch_, static_cast<uint32_t>(i), static_cast<uint32_t>(k));
        const float direction = ToNormal(bits[0], bits[1])[0];
        sum += static_cast<double>(direction) * output[i * outputs + k];
        if (gradient != nullptr) gradient[i * outputs + k] = direction;
      }
    }
    return sum;
  }

 private:
  const RandomStream random_;
  uint64_t minibatch_ = 0;
};

// Of `rows` rows of n values that are `stride` apart.
Moments MomentsOf(const float* x, int64_t rows, int64_t stride, int64_t n) {
  const auto count = static_cast<double>(rows * n);
  double sum = 0, squares = 0;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[r * stride + i]);
  }
  const double mean = sum / count;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < n; ++i) {
      const double d = static_cast<double>(x[r * stride + i]) - mean;
      squares += d * d;
    }
  }
  return {.mean = mean, .variance = squares / count};
}

// Of both together, where a stands for `times` samples as large as b's (Chan et al. 1979).
Moments Merge(const Moments& a, double times, const Moments& b) {
  const double share = 1 / (times + 1);
  const double d = b.mean - a.mean;
  return {.mean = a.mean + share * d,
          .variance = (1 - share) * a.variance + share * b.variance + share * (1 - share) * d * d};
}

}  // namespace

NetworkUnderData::NetworkUnderData(const Graph& graph, ParameterStore& store, const PlanOptions& options,
                                   absl::Span<const std::vector<float>> minibatches, std::function<void()> progress)
    : graph_(graph), store_(store), options_(options), minibatches_(minibatches), progress_(std::move(progress)) {
  for (int i = 0; i < static_cast<int>(graph.nodes().size()); ++i) {
    const Node& node = graph.nodes()[i];
    const auto& all = node.parameters;
    const auto weight = std::find_if(all.begin(), all.end(), [&](const ParameterSpec& p) {
      return p.group == v1::PARAMETER_GROUP_WEIGHTS && p.trained && p.shape.size() > 1 && p.by_unit &&
             p.shape[0] == node.pre_activation[0];
    });
    if (weight == all.end()) {
      const bool weights = std::any_of(all.begin(), all.end(), [](const auto& p) { return p.penalized; });
      if (weights) Warn(absl::StrCat("layer \"", node.name, "\": ", node.kind, " keeps its initial weights"));
      continue;
    }
    const auto bias = std::find_if(all.begin(), all.end(), [&](const ParameterSpec& p) {
      return p.group == v1::PARAMETER_GROUP_BIASES && p.shape == Shape{node.pre_activation[0]};
    });
    layers_.push_back({.node = i,
                       .name = node.name,
                       .units = node.pre_activation[0],
                       .outputs = Elements(node.pre_activation),
                       .weight = &store.Find(node.name, weight->name),
                       .bias = bias == all.end() ? nullptr : &store.Find(node.name, bias->name)});
  }
}

absl::StatusOr<std::unique_ptr<NetworkUnderData>> NetworkUnderData::Make(
    const Graph& graph, ParameterStore& store, const PlanOptions& options,
    absl::Span<const std::vector<float>> minibatches, std::function<void()> progress) {
  std::unique_ptr<NetworkUnderData> network(
      new NetworkUnderData(graph, store, options, minibatches, std::move(progress)));
  PlanOptions inspecting = options;
  inspecting.training = true;
  inspecting.loss = nullptr;
  inspecting.observe = false;
  inspecting.inspect = true;
  auto plan = Plan::Make(graph, store, inspecting);
  if (!plan.ok()) return plan.status();
  network->plan_ = *std::move(plan);
  return network;
}

absl::StatusOr<std::vector<Moments>> NetworkUnderData::Measure(const WeightLayer& layer) {
  std::vector<Moments> moments(layer.units);
  for (size_t m = 0; m < minibatches_.size(); ++m) {
    auto outputs =
        plan_->RunThrough({.examples = minibatches_[m].data(), .count = options_.batch, .step = m}, layer.node);
    if (!outputs.ok()) return outputs.status();
    const int64_t positions = layer.outputs / layer.units;
    ParallelFor(layer.units, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t u = begin; u < end; ++u) {
        const Moments one = MomentsOf(outputs->data() + u * positions, options_.batch, layer.outputs, positions);
        moments[u] = Merge(moments[u], static_cast<double>(m), one);
      }
    });
    progress_();
  }
  if (!std::all_of(moments.begin(), moments.end(), [](const Moments& m) { return std::isfinite(m.variance); })) {
    return absl::AbortedError(absl::StrCat("data_initialization: the output of layer \"", layer.name,
                                           "\" holds values that are not finite; look for NaN or huge values in the "
                                           "data, or start from smaller weights"));
  }
  return moments;
}

absl::StatusOr<std::vector<double>> NetworkUnderData::GradientNorms() {
  RandomProjection projection(options_.seed);
  PlanOptions options = options_;
  options.training = true;
  options.observe = false;
  options.inspect = false;
  options.loss = &projection;
  auto plan = Plan::Make(graph_, store_, options);
  if (!plan.ok()) return plan.status();
  std::vector<double> squares(layers_.size());
  for (size_t m = 0; m < minibatches_.size(); ++m) {
    projection.set_minibatch(m);
    const absl::Status ran = (*plan)->Run({.examples = minibatches_[m].data(), .count = options_.batch, .step = m});
    if (!ran.ok()) return ran;
    for (size_t k = 0; k < layers_.size(); ++k) {
      const StoredParameter& weight = *layers_[k].weight;
      for (int64_t i = 0; i < weight.stored_elements(); ++i) {
        squares[k] += static_cast<double>(weight.gradient[i]) * static_cast<double>(weight.gradient[i]);
      }
    }
    progress_();
  }
  const double examples = static_cast<double>(minibatches_.size()) * static_cast<double>(options_.batch);
  for (double& square : squares) square = std::sqrt(square / examples);
  return squares;
}

std::vector<float> NetworkUnderData::Get(const StoredParameter& parameter) const {
  std::vector<float> values(Elements(parameter.spec->shape));
  store_.Get(parameter, parameter.master, absl::MakeSpan(values));
  return values;
}

void NetworkUnderData::Set(StoredParameter& parameter, absl::Span<const float> values) {
  store_.Set(parameter, parameter.master, values);
  store_.UpdateCopies();
}

absl::StatusOr<std::vector<std::string>> InitializeFromData(const v1::DataInitialization& config, const Graph& graph,
                                                            ParameterStore& store, const PlanOptions& options,
                                                            absl::Span<const std::vector<float>> minibatches,
                                                            const std::function<void()>& progress) {
  v1::DataInitialization resolved = config;
  FieldErrors::Root errors;
  const auto initializer = Registry<DataInitializer>::Get().Create(resolved, errors.scope("data_initialization"));
  if (!errors.ok()) return errors.ToStatus();
  auto network = NetworkUnderData::Make(graph, store, options, minibatches, progress);
  if (!network.ok()) return network.status();
  // Running in training mode moves the running statistics of normalizations, which are not trained; they go back.
  std::vector<std::pair<StoredParameter*, std::vector<float>>> kept;
  for (StoredParameter& parameter : store.parameters()) {
    if (!parameter.spec->trained) kept.emplace_back(&parameter, (*network)->Get(parameter));
  }
  if (absl::Status status = initializer->Run(**network); !status.ok()) return status;
  for (const auto& [parameter, values] : kept) (*network)->Set(*parameter, values);
  return (*network)->warnings();
}

}  // namespace traind::core

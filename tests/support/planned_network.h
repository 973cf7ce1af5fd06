// A network from text with its parameters and a plan, for tests of what a step computes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "core/base/registry.h"
#include "core/graph/graph.h"
#include "core/kinds/loss.h"
#include "core/plan/parameter_store.h"
#include "core/plan/plan.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {

// The parts are there for the test to use. Fails the test where one cannot be made; `plan` is null then.
struct PlannedNetwork {
  struct Parameters {
    bool trainable = true;
    int slots = 0;      // Of the optimizer.
    uint64_t seed = 5;  // Of the weights.
  };

  // `loss_text` in text format; empty: options.loss, if any.
  PlannedNetwork(v1::Network config, PlanOptions options, const std::string& loss_text = "")
      : PlannedNetwork(std::move(config), std::move(options), loss_text, Parameters()) {}
  PlannedNetwork(v1::Network config, PlanOptions options, const std::string& loss_text, const Parameters& parameters)
      : network(std::move(config)) {
    FieldErrors::Root errors;
    graph = Graph::Build(network, errors.scope());
    if (!loss_text.empty()) {
      auto loss_config = FromText<v1::Loss>(loss_text);
      loss = Registry<Loss>::Get().Create(loss_config, errors.scope());
      options.loss = loss.get();
    }
    EXPECT_TRUE(errors.ok()) << errors.ToStatus();
    if (!errors.ok()) return;
    store = std::make_unique<ParameterStore>(*graph, parameters.trainable, parameters.slots);
    auto made = Plan::Make(*graph, *store, options);
    EXPECT_TRUE(made.ok()) << made.status();
    if (!made.ok()) return;
    plan = *std::move(made);
    store->Initialize(parameters.seed);
  }

  // By full name: "conv1.weight".
  StoredParameter& Find(const std::string& name) const {
    for (StoredParameter& parameter : store->parameters()) {
      if (parameter.name == name) return parameter;
    }
    ADD_FAILURE() << "no parameter " << name;
    return store->parameters().front();
  }
  // `from` is the master, the gradient or a slot; in the public layout.
  std::vector<float> Values(const StoredParameter& parameter, const float* from) const {
    std::vector<float> values(Elements(parameter.spec->shape));
    store->Get(parameter, from, absl::MakeSpan(values));
    return values;
  }
  std::vector<float> Get(const std::string& name) const { return Values(Find(name), Find(name).master); }
  std::vector<float> Gradient(const std::string& name) const { return Values(Find(name), Find(name).gradient); }
  void Set(const std::string& name, const std::vector<float>& values) const {
    store->Set(Find(name), Find(name).master, values);
  }

  v1::Network network;  // With its defaults filled in.
  std::unique_ptr<Graph> graph;
  std::unique_ptr<Loss> loss;
  std::unique_ptr<ParameterStore> store;
  std::unique_ptr<Plan> plan;
};

}  // namespace traind::core

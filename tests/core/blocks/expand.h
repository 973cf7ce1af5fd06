// Builds a network from text for the tests of blocks and presets.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/graph/graph.h"
#include "gtest/gtest.h"
#include "tests/support/text_proto.h"

namespace traind::core {

struct Built {
  v1::Network network;           // Expanded.
  std::unique_ptr<Graph> graph;  // Null after a violation.
  std::string errors;

  const Node* Find(const std::string& name) const {
    for (const Node& node : graph->nodes()) {
      if (node.name == name) return &node;
    }
    return nullptr;
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const v1::Layer& layer : network.layers()) names.push_back(layer.name());
    return names;
  }
  // The names of what a layer reads.
  std::vector<std::string> Reads(const std::string& name) const {
    std::vector<std::string> names;
    for (int i : Find(name)->inputs) names.push_back(i < 0 ? "input" : graph->nodes()[i].name);
    return names;
  }
};

inline Built Build(const std::string& text) {
  Built built;
  built.network = FromText<v1::Network>(text);
  FieldErrors::Root errors;
  built.graph = Graph::Build(built.network, errors.scope("network"));
  built.errors = std::string(errors.ToStatus().message());
  EXPECT_EQ(built.graph != nullptr, errors.ok());
  return built;
}

}  // namespace traind::core

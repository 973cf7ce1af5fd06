// The datasets that tests of configurations are checked against; only their descriptions exist.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

#include "traind/v1/dataset.pb.h"

namespace traind::core {

inline v1::Dataset MakeDataset(const std::string& id, std::initializer_list<int64_t> shape, v1::ElementType type,
                               std::initializer_list<std::pair<const char*, int64_t>> splits) {
  v1::Dataset dataset;
  dataset.set_name("datasets/" + id);
  dataset.mutable_example_shape()->Assign(shape.begin(), shape.end());
  dataset.set_element_type(type);
  for (const auto& [name, num_examples] : splits) {
    auto* split = dataset.add_splits();
    split->set_name(name);
    split->set_num_examples(num_examples);
  }
  return dataset;
}

// The table of tests/corpus/configs/README.md; `name` with or without "datasets/".
inline std::optional<v1::Dataset> FindTestDataset(std::string name) {
  if (name.starts_with("datasets/")) name = name.substr(9);
  std::optional<v1::Dataset> dataset;
  if (name == "images") {
    dataset = MakeDataset(name, {1, 28, 28}, v1::ELEMENT_TYPE_UINT8, {{"train", 60000}, {"test", 10000}});
    dataset->set_num_classes(10);
  } else if (name == "colour") {
    dataset = MakeDataset(name, {3, 32, 32}, v1::ELEMENT_TYPE_FLOAT32, {{"train", 100}, {"validation", 20}});
    dataset->set_num_classes(10);
  } else if (name == "flowers") {
    dataset = MakeDataset(name, {4}, v1::ELEMENT_TYPE_FLOAT32, {{"train", 120}, {"test", 30}, {"empty", 0}});
    dataset->set_num_classes(3);
  } else if (name == "prices") {
    dataset = MakeDataset(name, {13}, v1::ELEMENT_TYPE_FLOAT32, {{"train", 400}, {"test", 106}});
    dataset->set_target_width(1);
  } else if (name == "texts") {  // As examples/make_texts.py makes it.
    dataset = MakeDataset(name, {24}, v1::ELEMENT_TYPE_FLOAT32, {{"train", 4000}, {"test", 1000}});
    dataset->set_num_classes(2);
  }
  return dataset;
}

}  // namespace traind::core

// Whether a network and its loss suit a dataset's targets: class labels where it has classes, else float targets. Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/kinds/loss.h"
#include "traind/v1/dataset.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::core {

inline bool HasLabels(const v1::Dataset& dataset) { return dataset.num_classes() > 0; }

// The dataset as a job's network sees it: with targets INPUT there are no labels, and each of its `inputs` numbers is a
// target.
inline v1::Dataset AsCompared(v1::Dataset dataset, const v1::DataSpec& data, int64_t inputs) {
  if (data.targets() != v1::TARGET_SOURCE_INPUT) return dataset;
  dataset.set_num_classes(0);
  dataset.clear_class_names();
  dataset.set_target_width(inputs);
  return dataset;
}

// What the targets are called in messages.
inline std::string_view NameOfTargets(const v1::Dataset& dataset) {
  return HasLabels(dataset) ? "class labels" : "float targets";
}

inline bool TakesTargets(const Loss& loss, const v1::Dataset& dataset) {
  return HasLabels(dataset) ? loss.takes_labels() : loss.takes_values();
}

// An output for each class (one for two, where the loss asks yes or no), or one for each number of a target.
inline bool OutputsFit(const Loss& loss, int64_t outputs, const v1::Dataset& dataset) {
  return HasLabels(dataset) ? ClassesOf(loss.output_meaning(), outputs) >= dataset.num_classes()
                            : outputs == dataset.target_width();
}

// Class labels are compared as one-hot rows: more outputs than classes would be a place for no class.
inline bool ComparesOneHot(const Loss& loss, const v1::Dataset& dataset) {
  const OutputMeaning meaning = loss.output_meaning();
  return HasLabels(dataset) && (meaning == OutputMeaning::kValues || meaning == OutputMeaning::kLogOdds);
}

}  // namespace traind::core

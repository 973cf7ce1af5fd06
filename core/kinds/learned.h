// What the components of a list learn from the training split, and how it is stored with the model: as tensors named
// "<list>.<place>.<name>", for example "preprocessing.1.mean". A component has parameters(), parameter_shapes() and
// SetParameters() (transform.h, augmentation.h). Pure.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/tensor/tensor.h"

namespace traind::core {

// A component's own tensors under the names they are stored by.
std::vector<Tensor> WithStoredNames(absl::string_view list, size_t place, std::vector<Tensor> own);

// INVALID_ARGUMENT names a tensor that is not finite.
absl::Status CheckLearned(absl::Span<const Tensor> learned);

// The tensors from among `stored` that a component at `place` wants, by its own names and shapes. DATA_LOSS names one
// that is missing, has another shape or is not finite.
absl::StatusOr<std::vector<Tensor>> FindLearned(absl::string_view list, size_t place, std::vector<Tensor> wanted,
                                                absl::Span<const Tensor> stored);

// All that the components have learned.
template <class Component>
std::vector<Tensor> AllLearned(absl::string_view list, const std::vector<std::unique_ptr<Component>>& components) {
  std::vector<Tensor> all;
  for (size_t i = 0; i < components.size(); ++i) {
    for (Tensor& tensor : WithStoredNames(list, i, components[i]->parameters())) all.push_back(std::move(tensor));
  }
  return all;
}

// What they say of the examples that they saw, as "data.preprocessing[1]: ...".
template <class Component>
std::vector<std::string> AllWarnings(absl::string_view list,
                                     const std::vector<std::unique_ptr<Component>>& components) {
  std::vector<std::string> all;
  for (size_t i = 0; i < components.size(); ++i) {
    for (const std::string& warning : components[i]->warnings()) {
      all.push_back(absl::StrCat("data.", list, "[", i, "]: ", warning));
    }
  }
  return all;
}

// Gives it back to them, from among `stored`. Errors as FindLearned.
template <class Component>
absl::Status LoadLearned(absl::string_view list, absl::Span<const Tensor> stored,
                         const std::vector<std::unique_ptr<Component>>& components) {
  for (size_t i = 0; i < components.size(); ++i) {
    const auto own = FindLearned(list, i, components[i]->parameter_shapes(), stored);
    if (!own.ok()) return own.status();
    if (!own->empty()) components[i]->SetParameters(*own);
  }
  return absl::OkStatus();
}

}  // namespace traind::core

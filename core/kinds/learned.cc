#include "core/kinds/learned.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"

namespace traind::core {
namespace {

bool AllFinite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace

std::vector<Tensor> WithStoredNames(absl::string_view list, size_t place, std::vector<Tensor> own) {
  for (Tensor& tensor : own) tensor.name = absl::StrCat(list, ".", place, ".", tensor.name);
  return own;
}

absl::Status CheckLearned(absl::Span<const Tensor> learned) {
  for (const Tensor& tensor : learned) {
    if (AllFinite(tensor.values)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(tensor.name, " is not finite: the examples are too large for float32"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Tensor>> FindLearned(absl::string_view list, size_t place, std::vector<Tensor> wanted,
                                                absl::Span<const Tensor> stored) {
  wanted = WithStoredNames(list, place, std::move(wanted));
  for (Tensor& tensor : wanted) {
    const auto found =
        std::find_if(stored.begin(), stored.end(), [&](const Tensor& one) { return one.name == tensor.name; });
    if (found == stored.end()) return absl::DataLossError(absl::StrCat(tensor.name, " is missing"));
    if (found->shape != tensor.shape || static_cast<int64_t>(found->values.size()) != Elements(tensor.shape)) {
      return absl::DataLossError(
          absl::StrCat(tensor.name, " has the shape ", ToString(found->shape), ", not ", ToString(tensor.shape)));
    }
    if (!AllFinite(found->values)) return absl::DataLossError(absl::StrCat(tensor.name, " is not finite"));
    tensor = *found;
  }
  return wanted;
}

}  // namespace traind::core

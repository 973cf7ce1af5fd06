// The penalties of a network, a block or a layer, by the groups of parameters that they act on.
#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/enum_name.h"
#include "core/base/kind.h"
#include "core/graph/graph_builder.h"

namespace traind::core {
namespace {

// Far above use: there are three kinds and three groups. Each layer of a block has a copy of the block's list.
constexpr int kMaxRegularizers = 16;

// Fills in the default and checks the list.
void ResolveGroups(v1::Regularizer& regularizer, const FieldErrors& errors) {
  if (regularizer.groups().empty()) regularizer.add_groups(v1::PARAMETER_GROUP_WEIGHTS);
  std::array<bool, v1::ParameterGroup_ARRAYSIZE> listed = {};
  for (int i = 0; i < regularizer.groups_size(); ++i) {
    const int group = regularizer.groups(i);
    if (group == v1::PARAMETER_GROUP_UNSPECIFIED || !v1::ParameterGroup_IsValid(group)) {
      errors.At("groups", i).Add(absl::StrCat("must be WEIGHTS, BIASES or NORMALIZATION, not ", group));
    } else if (std::exchange(listed[group], true)) {
      errors.At("groups", i).Add(absl::StrCat(EnumName(regularizer.groups(i)), " is in the list already"));
    }
  }
}

// What works on rows works on weights alone.
void CheckRows(const Regularizer& regularizer, const v1::Regularizer& config, const FieldErrors& errors) {
  for (int i = 0; regularizer.of_rows() && i < config.groups_size(); ++i) {
    if (config.groups(i) == v1::PARAMETER_GROUP_WEIGHTS) continue;
    errors.At("groups", i)
        .Add(absl::StrCat(EnumName(config.groups(i)), " has no rows, and ", KindName(config),
                          " works on these: only WEIGHTS"));
  }
}

}  // namespace

GroupPenalties SumOf(google::protobuf::RepeatedPtrField<v1::Regularizer>& regularizers, const FieldErrors& errors) {
  GroupPenalties sum = {};
  if (regularizers.size() > kMaxRegularizers) {
    errors.At("regularizers").Add(absl::StrCat("must be at most ", kMaxRegularizers, ", not ", regularizers.size()));
    return sum;
  }
  for (int i = 0; i < regularizers.size(); ++i) {
    const FieldErrors at = errors.At("regularizers", i);
    const int before = errors.count();
    ResolveGroups(regularizers[i], at);
    auto regularizer = Registry<Regularizer>::Get().Create(regularizers[i], at);
    if (errors.count() > before) continue;
    CheckRows(*regularizer, regularizers[i], at);
    const PenaltyStrength one = regularizer->strength();
    for (const int group : regularizers[i].groups()) {
      sum[group].l1 += one.l1;
      sum[group].l2 += one.l2;
      sum[group].max_norm = std::min(sum[group].max_norm, one.max_norm);
    }
  }
  return sum;
}

}  // namespace traind::core

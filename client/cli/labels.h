// Labels as people write them. Pure functions.
#pragma once

#include <google/protobuf/map.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace traind::client {

using Labels = google::protobuf::Map<std::string, std::string>;

// "team=vision" sets a label, "team-" removes it.
struct LabelChange {
  std::string key;
  std::optional<std::string> value;
};

// What `label NAME... KEY=VALUE KEY- ...` says: no name has a "=" or ends in "-".
struct LabelWords {
  std::vector<std::string> names;
  std::vector<LabelChange> changes;
};

// INVALID_ARGUMENT: nothing is named, or nothing is to be changed.
absl::StatusOr<LabelWords> ParseLabelWords(const std::vector<std::string>& words);

void ApplyLabels(const std::vector<LabelChange>& changes, Labels& labels);
// "KEY=VALUE" each.
void SetLabels(const std::vector<std::string>& assignments, Labels& labels);

// "stage=draft, team=vision", by key.
std::string FormatLabels(const Labels& labels);

// Changes the labels of a resource (a message with name, etag and labels) and no others that somebody sets meanwhile.
template <typename Resource>
absl::StatusOr<Resource> ChangeLabels(const std::string& name, const std::vector<LabelChange>& changes,
                                      absl::FunctionRef<absl::StatusOr<Resource>(const std::string&)> get,
                                      absl::FunctionRef<absl::StatusOr<Resource>(const Resource&)> update) {
  constexpr int kAttempts = 5;  // Each lost to another change of the resource.
  absl::StatusOr<Resource> updated;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const absl::StatusOr<Resource> current = get(name);
    if (!current.ok()) return current;
    Resource changed;
    changed.set_name(name);
    changed.set_etag(current->etag());
    *changed.mutable_labels() = current->labels();
    ApplyLabels(changes, *changed.mutable_labels());
    updated = update(changed);
    if (!absl::IsAborted(updated.status())) break;
  }
  return updated;
}

}  // namespace traind::client

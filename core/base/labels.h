// What a user hangs on a resource to find it again: its display name and its labels. Pure functions.
#pragma once

#include <string>

#include "core/base/errors.h"
#include "google/protobuf/map.h"

namespace traind::core {

using Labels = google::protobuf::Map<std::string, std::string>;

// Violations of the bounds that JobSpec.labels states: how many, and the form of keys and values.
void CheckLabels(const Labels& labels, const FieldErrors& field);

// A violation when the name is longer than JobSpec.display_name may be.
void CheckDisplayName(const std::string& name, const FieldErrors& field);

}  // namespace traind::core

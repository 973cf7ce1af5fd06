// What people call things: checks of display names and labels. Pure functions.
#pragma once

#include <string>

#include "core/base/errors.h"
#include "google/protobuf/map.h"

namespace traind::core {

// At most 128 characters. `errors` is the scope of the field.
void CheckDisplayName(const std::string& name, const FieldErrors& errors);
// At most 64; keys [a-z]([a-z0-9_.-]{0,61}[a-z0-9])?, values of at most 256 characters. `errors` is the scope of the
// map; each key that is wrong is one violation of it.
void CheckLabels(const google::protobuf::Map<std::string, std::string>& labels, const FieldErrors& errors);

}  // namespace traind::core

// Identifiers of things, as UUIDs in their text form: 36 characters, lower case. Thread-safe.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace traind::core {

// A new one, random (version 4).
std::string NewUid();

// Always the same one for the same text: of a thing that was stored before things had uids, from what is stored of it.
std::string DerivedUid(absl::string_view text);

}  // namespace traind::core

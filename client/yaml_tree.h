// The tree of a YAML or JSON file with the place of everything in it. Nothing of it is interpreted: a scalar is its
// text. Pure function.
#pragma once

#include <google/protobuf/text_format.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace traind::client {

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };  // Null: nothing stands there.

  Kind kind = Kind::kMap;
  bool plain = true;                                     // A scalar without quotes.
  google::protobuf::TextFormat::ParseLocation at{0, 0};  // As in TextError.
  std::string text;                                      // Of a scalar.
  std::vector<YamlNode> items;                           // Of a list; of a map key, value, key, value, ...
};

struct YamlError {
  std::string message;  // One clause, no full stop.
  google::protobuf::TextFormat::ParseLocation at{0, 0};
};

// Reads `text` into `root`; an empty text is an empty map. Refused, each with its place: anchors and aliases, tags, a
// second document, bytes that are no UTF-8, more than 200 levels or 500,000 values.
std::optional<YamlError> ReadYamlTree(absl::string_view text, YamlNode& root);

}  // namespace traind::client

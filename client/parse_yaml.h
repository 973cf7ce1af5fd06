// Messages in YAML, and in JSON, which is a part of it: names of fields as in the .proto or as in protobuf's JSON
// (learning_rate, learningRate), enum values short or whole (F32, PRECISION_F32), durations as "90s", an Any with its
// type as
// "@type". Null is no value: what is not set is left out. Pure functions.
#pragma once

#include <google/protobuf/message.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/yaml_tree.h"

namespace traind::client {

// Where fields and elements stand, by their path: "network.layers[3].conv2d.kernel[0]".
using FieldPlaces = std::map<std::string, google::protobuf::TextFormat::ParseLocation>;

// Reads the map into `message`, which is cleared first; all mistakes, in the order of the file. `places`, if not null,
// gets those of the fields. Messages nest at most 100 deep.
std::vector<YamlError> ReadMessage(const YamlNode& map, google::protobuf::Message& message, FieldPlaces* places);

enum class YamlStyle { kYaml, kJson };

// The message with the fields that are set, as ReadMessage takes it. FAILED_PRECONDITION: it has fields that this
// program does not know, so that they would be lost.
absl::StatusOr<std::string> PrintYaml(const google::protobuf::Message& message, YamlStyle style);

}  // namespace traind::client

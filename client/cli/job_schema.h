// The JSON Schema (draft 7) of a job file in YAML or JSON, made from the .proto files: names, types, enums, oneofs;
// what their comments say, and of ranges what they say in one of the forms ">= 1" and "in (0, 1]". Pure function.
#pragma once

#include <string>

namespace traind::client {

std::string JobSchema();

}  // namespace traind::client

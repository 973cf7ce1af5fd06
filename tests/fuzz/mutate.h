// Inputs made from those of a corpus: bytes that are turned, cut and repeated, and messages whose fields are. The same
// generator gives the same inputs.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "google/protobuf/message.h"

namespace traind::fuzz {

inline constexpr size_t kLargestInput = size_t{1} << 20;

std::string MutateBytes(const std::vector<std::string>& corpus, std::mt19937_64& random);
// Changes one to some fields, at any depth.
void MutateMessage(google::protobuf::Message& message, std::mt19937_64& random);

}  // namespace traind::fuzz

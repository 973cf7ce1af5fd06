// What takes bytes of strangers: each target does with an input what the server or a worker does with it. A fault is a
// crash, an exception, or that it takes too much time or memory (main.cc).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace traind::fuzz {

struct Target {
  const char* name;  // And that of the folder of its corpus.
  // `folder` is empty, and emptied afterwards.
  void (*run)(absl::string_view input, const std::string& folder);
  // Of a target whose inputs are messages; null: bytes of a file.
  std::unique_ptr<google::protobuf::Message> (*message)() = nullptr;
};

const std::vector<Target>& Targets();

}  // namespace traind::fuzz

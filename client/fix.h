// What a finding suggests, as a change of a job file. Pure functions.
#pragma once

#include <google/protobuf/message.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "traind/v1/finding.pb.h"
#include "traind/v1/job.pb.h"

namespace traind::client {

// The spec with the fields of the fix's mask replaced by those of its patch, lists as a whole; a field that the patch
// does not have is cleared. FAILED_PRECONDITION: the fix is words alone, which the error has. INVALID_ARGUMENT: the
// mask names a field that there is not.
absl::StatusOr<v1::JobSpec> ApplyFix(const v1::JobSpec& spec, const v1::Fix& fix);

// One field that differs. Values are in text format, in one line; empty: the field is absent. Of a list of named
// elements, such as layers, what comes and goes is told by name, and another order as one of names.
struct FieldChange {
  std::string path;  // "network.layers[hidden].activation"; an element of a list by its name, else by its index.
  std::string before;
  std::string after;
};

// In the order of the .proto file, as deep as both messages, which are of one type, have the same fields.
std::vector<FieldChange> ChangesBetween(const google::protobuf::Message& before,
                                        const google::protobuf::Message& after);

// The first path of the mask that only counts where a training begins (the network, how it starts, the data and its
// preprocessing); nullopt: a checkpoint can go on with the fix.
std::optional<std::string> ReadAtStart(const google::protobuf::FieldMask& mask);

}  // namespace traind::client

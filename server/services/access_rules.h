// What each method of the API takes of its caller: a role, and rights to the resources that its request names. One
// table for all methods, by the type of the request; of an upload by that of its header. Immutable, thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "traind/v1/access.pb.h"

namespace traind::server {

enum class Right : uint8_t {
  kRead,
  kChange,
  kContinue,  // Change it if it is there; else it is made.
};

// Where a request names a resource.
struct NamedIn {
  const char* path;  // "job.name", "splits.examples.upload"; repeated fields count in whole.
  Right right = Right::kRead;
  const char* collection = "";  // Of an id that stands alone: "datasets". Empty: names are always full.
  // Where the field is empty the dataset of the job that one of these fields names is meant.
  std::vector<const char*> dataset_of = {};
  bool required = false;  // An empty field is an error that the gate says itself.
  bool to_come = false;   // With `validate_only` the handler does not look at it: it may come later.
};

struct AccessRule {
  const char* request;  // "GetJobRequest".
  v1::Role role;        // At least.
  std::vector<NamedIn> names = {};
  bool stream = false;  // The call lasts, and counts as a stream.
};

// Null: no method takes such a message.
const AccessRule* FindAccessRule(absl::string_view request);

struct FieldValue {
  std::string path;  // With indices: "splits[1].examples.upload".
  std::string value;
};
// The strings at `path`, in all items of repeated fields; where a message on the way is not set, there are none.
std::vector<FieldValue> ValuesAt(const google::protobuf::Message& message, absl::string_view path);

// "jobs/a" of "jobs/a/checkpoints/7", and "datasets/d" of "d" with the collection "datasets"; empty: it names nothing
// that there could be.
std::string ResourceOf(absl::string_view value, absl::string_view collection);

}  // namespace traind::server

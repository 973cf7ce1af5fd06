// Collects every violation of a configuration, each with the path of its field, so that a user sees all of them
// at once. Thread-compatible; scopes refer to their root, which must outlive them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "traind/rpc/error_details.pb.h"

namespace traind::core {

// Under this key an absl::Status carries a serialized google.rpc.BadRequest; the server sends it on as it is.
inline constexpr std::string_view kBadRequestUrl = "type.googleapis.com/google.rpc.BadRequest";

// One field of a configuration and where its violations go.
//   FieldErrors::Root root;
//   FieldErrors layer = root.scope().At("network").At("layers", 3);
//   layer.At("kernel").Add("must be at least 1");       // "network.layers[3].kernel"
class FieldErrors {
 public:
  class Root;

  FieldErrors At(std::string_view field) const;
  FieldErrors At(std::string_view field, int64_t index) const;
  // Records a violation of this field: what is wrong and what would be right.
  void Add(std::string_view description) const;

  const std::string& path() const { return path_; }
  // Violations recorded under the same root so far: compare before and after to know whether a part had any.
  int count() const;

 private:
  FieldErrors(Root* root, std::string path) : root_(root), path_(std::move(path)) {}

  Root* root_;
  std::string path_;
};

class FieldErrors::Root {
 public:
  Root() = default;
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;

  // The scope of the whole message, whose fields have paths without a prefix (or with the one given).
  FieldErrors scope(std::string_view prefix = "") { return FieldErrors(this, std::string(prefix)); }
  bool ok() const { return violations_.field_violations().empty(); }
  const rpc::BadRequest& violations() const { return violations_; }
  // OK, or INVALID_ARGUMENT whose message lists the violations and whose payload is the BadRequest.
  absl::Status ToStatus() const;

 private:
  friend class FieldErrors;
  static constexpr int kMostKept = 1000;  // So that they take no more room than a person reads.
  rpc::BadRequest violations_;
  int count_ = 0;  // Also of those that were not kept.
};

}  // namespace traind::core

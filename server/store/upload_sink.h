// Where the bytes of an upload go. Used by one call at a time.
#pragma once

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace traind::server {

class UploadSink {
 public:
  virtual ~UploadSink() = default;
  virtual absl::Status Write(absl::string_view chunk) = 0;
  // All bytes are there: checks them. The last call.
  virtual absl::Status Finish() = 0;
};

}  // namespace traind::server

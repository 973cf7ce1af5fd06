// A job as people write it: a traind.v1.JobSpec (or a bare Network) in a file; see client/message_file.h.
// Thread-compatible.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/message_file.h"
#include "traind/v1/job.pb.h"

namespace traind::client {

class JobFile : public MessageFile {
 public:
  // Reads the file at `path`; "-" is the standard input.
  static absl::StatusOr<JobFile> Read(const std::string& path);
  // As MessageFile::Parse. A file whose top-level fields are those of a Network becomes a spec with that network alone.
  static absl::StatusOr<JobFile> Parse(absl::string_view text, std::string name);

  const v1::JobSpec& spec() const { return static_cast<const v1::JobSpec&>(message()); }
  bool is_network() const { return is_part(); }  // The file held a bare Network.

 private:
  explicit JobFile(MessageFile file) : MessageFile(std::move(file)) {}
};

}  // namespace traind::client

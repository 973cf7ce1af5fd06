#include "client/job_file.h"

#include <memory>
#include <utility>

namespace traind::client {

absl::StatusOr<JobFile> JobFile::Read(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadText(path);
  if (!text.ok()) return text.status();
  return Parse(*text, NameOf(path));
}

absl::StatusOr<JobFile> JobFile::Parse(absl::string_view text, std::string name) {
  absl::StatusOr<MessageFile> file =
      MessageFile::Parse(text, std::move(name), std::make_unique<v1::JobSpec>(), "network");
  if (!file.ok()) return file.status();
  return JobFile(*std::move(file));
}

}  // namespace traind::client

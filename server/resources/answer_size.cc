#include "server/resources/answer_size.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace traind::server {

std::string Mebibytes(size_t bytes) { return absl::StrFormat("%.1f", static_cast<double>(bytes) / (1 << 20)); }

absl::Status CheckAnswerSize(const google::protobuf::MessageLite& answer, absl::string_view what_to_do) {
  const size_t bytes = answer.ByteSizeLong();
  if (bytes <= kMaxAnswerBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the answer takes ", Mebibytes(bytes), " MiB, more than the 4 MiB of an answer; ", what_to_do));
}

}  // namespace traind::server

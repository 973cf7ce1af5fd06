#include "server/http/grpc_web.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace traind::server {
namespace {

constexpr char kCompressed = 1;
constexpr char kTrailers = '\x80';
constexpr size_t kMostTimeoutDigits = 8;  // As gRPC's protocol has it.

std::string FrameStart(char flags, size_t bytes) {
  std::string head(kFrameHeadBytes, flags);
  for (size_t i = 1; i < kFrameHeadBytes; ++i) {
    head[i] = static_cast<char>(bytes >> (8 * (kFrameHeadBytes - 1 - i)) & 0xff);
  }
  return head;
}

// As gRPC writes grpc-message: what is not plain ASCII, and '%', by its bytes.
std::string PercentEncoded(absl::string_view text) {
  std::string encoded;
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      encoded += c;
    } else {
      absl::StrAppendFormat(&encoded, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

}  // namespace

bool IsGrpcWebType(absl::string_view content_type) {
  content_type = absl::StripAsciiWhitespace(content_type.substr(0, content_type.find(';')));
  return absl::EqualsIgnoreCase(content_type, kGrpcWebType) ||
         absl::EqualsIgnoreCase(content_type, "application/grpc-web");
}

const google::protobuf::MethodDescriptor* MethodOfPath(absl::string_view path) {
  if (!absl::StartsWith(path, "/traind.v1.")) return nullptr;
  std::string name(path.substr(1));
  if (std::count(name.begin(), name.end(), '/') != 1) return nullptr;
  std::replace(name.begin(), name.end(), '/', '.');
  return google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(name);
}

absl::StatusOr<absl::string_view> MessageInFrame(absl::string_view body) {
  if (body.size() < kFrameHeadBytes) return absl::InvalidArgumentError("the body is no frame of gRPC-Web");
  if (body[0] == kCompressed) return absl::UnimplementedError("compressed messages are not read here");
  const absl::string_view message = body.substr(kFrameHeadBytes);
  if (body.substr(0, kFrameHeadBytes) != FrameHead(message.size())) {
    return absl::InvalidArgumentError("the body is not one whole frame of gRPC-Web");
  }
  return message;
}

std::string FrameHead(size_t message_bytes) { return FrameStart(0, message_bytes); }

std::string TrailerFrame(const grpc::Status& status) {
  std::string trailers = absl::StrCat("grpc-status: ", static_cast<int>(status.error_code()), "\r\n");
  if (!status.error_message().empty()) {
    absl::StrAppend(&trailers, "grpc-message: ", PercentEncoded(status.error_message()), "\r\n");
  }
  if (!status.error_details().empty()) {
    absl::StrAppend(&trailers, "grpc-status-details-bin: ", absl::Base64Escape(status.error_details()), "\r\n");
  }
  return FrameStart(kTrailers, trailers.size()) + trailers;
}

std::optional<absl::Duration> ParseTimeout(absl::string_view text) {
  if (text.size() < 2 || text.size() > kMostTimeoutDigits + 1) return std::nullopt;
  const absl::string_view digits = text.substr(0, text.size() - 1);
  uint32_t count = 0;
  const bool number = std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!number || !absl::SimpleAtoi(digits, &count)) return std::nullopt;
  switch (text.back()) {
    case 'H':
      return absl::Hours(count);
    case 'M':
      return absl::Minutes(count);
    case 'S':
      return absl::Seconds(count);
    case 'm':
      return absl::Milliseconds(count);
    case 'u':
      return absl::Microseconds(count);
    case 'n':
      return absl::Nanoseconds(count);
    default:
      return std::nullopt;
  }
}

}  // namespace traind::server

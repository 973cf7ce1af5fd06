#include "server/rpc/status.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/base/errors.h"
#include "core/base/machine.h"
#include "core/base/utf8.h"
#include "server/resources/quota.h"
#include "traind/rpc/error_details.pb.h"

namespace traind::server {
namespace {

// Both travel in trailers, which clients refuse beyond 8 KiB; the details, in which the message stands again, grow by a
// third on the way (base64).
constexpr size_t kMaxMessageBytes = 1200;
constexpr size_t kMaxDetailsBytes = 4600;

// Of what the server cannot do for the moment: a disk that failed, a folder that has just gone, a restart.
constexpr absl::Duration kUsualDelay = absl::Seconds(1);

// Whole lines of the text, as many as there is room for; of a longer line, whole characters.
std::string Shortened(std::string text) {
  if (text.size() <= kMaxMessageBytes) return text;
  const size_t line_end = text.rfind('\n', kMaxMessageBytes);
  size_t end = line_end == std::string::npos ? kMaxMessageBytes : line_end;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text + "\n...";
}

// The name of a file may be any bytes, a string of protobuf may not.
std::string AsUtf8(std::string text) {
  if (core::IsUtf8(text)) return text;
  for (char& c : text) c = static_cast<unsigned char>(c) < 0x80 ? c : '?';
  return text;
}

// The violations that `room` bytes hold, the first ones first.
std::string Shortened(const std::string& bad_request, size_t room) {
  rpc::BadRequest violations;
  if (!violations.ParseFromString(bad_request)) return bad_request;
  auto& fields = *violations.mutable_field_violations();
  size_t bytes = violations.ByteSizeLong();
  int kept = fields.size();
  constexpr size_t kTagAndLength = 2;  // At least: what is left may be a little less than there is room for.
  for (; kept > 0 && bytes > room; --kept) bytes -= fields[kept - 1].ByteSizeLong() + kTagAndLength;
  fields.DeleteSubrange(kept, fields.size() - kept);
  return violations.SerializeAsString();
}

}  // namespace

rpc::Status ToRichStatus(const absl::Status& status) {
  rpc::Status rich;
  rich.set_code(static_cast<int>(status.code()));
  rich.set_message(Shortened(AsUtf8(std::string(status.message()))));
  const size_t room = kMaxDetailsBytes - rich.message().size();
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    if (url == core::kOfMachine) return;  // Between server and worker only.
    auto* detail = rich.add_details();
    detail->set_type_url(std::string(url));
    const bool violations = url == absl::string_view(core::kBadRequestUrl.data(), core::kBadRequestUrl.size());
    detail->set_value(violations ? Shortened(std::string(payload), room) : std::string(payload));
  });
  return rich;
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  absl::Status told = status;
  if (absl::IsUnavailable(told) && !told.GetPayload(kRetryInfoUrl).has_value()) SetRetryDelay(told, kUsualDelay);
  const rpc::Status rich = ToRichStatus(told);
  const auto code = static_cast<grpc::StatusCode>(status.code());
  // Clients compare code and message with the call's own.
  if (rich.details().empty()) return {code, rich.message()};
  return {code, rich.message(), rich.SerializeAsString()};
}

}  // namespace traind::server

#include "server/rpc/status.h"

#include <string>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace traind::server {
namespace {

// Both travel in trailers, which clients refuse beyond 8 KiB; the details grow by a third on the way (base64).
constexpr size_t kMaxMessageBytes = 1200;
constexpr size_t kMaxDetailsBytes = 4600;

// Whole lines of the text, as many as there is room for.
std::string Shortened(std::string text) {
  if (text.size() <= kMaxMessageBytes) return text;
  const size_t line_end = text.rfind('\n', kMaxMessageBytes);
  text.resize(line_end == std::string::npos ? kMaxMessageBytes : line_end);
  return text + "\n...";
}

// The violations that there is room for, the first ones first.
std::string Shortened(google::rpc::BadRequest violations) {
  auto& fields = *violations.mutable_field_violations();
  while (!fields.empty() && violations.ByteSizeLong() > kMaxDetailsBytes) fields.RemoveLast();
  return violations.SerializeAsString();
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string message = Shortened(std::string(status.message()));
  google::rpc::Status rich;
  rich.set_code(static_cast<int>(status.code()));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    auto* detail = rich.add_details();
    detail->set_type_url(std::string(url));
    detail->set_value(std::string(payload));
    google::rpc::BadRequest violations;
    if (detail->UnpackTo(&violations)) detail->set_value(Shortened(std::move(violations)));
  });
  const auto code = static_cast<grpc::StatusCode>(status.code());
  if (rich.details().empty()) return {code, message};
  return {code, message, rich.SerializeAsString()};
}

}  // namespace traind::server

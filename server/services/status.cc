#include "server/services/status.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "google/rpc/status.pb.h"

namespace traind::server {
namespace {

// The details travel in a header, and headers beyond 8 KiB are refused on the way.
constexpr size_t kMaxDetailsBytes = 6 << 10;
constexpr size_t kMaxMessageBytes = 1 << 10;

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const auto code = static_cast<grpc::StatusCode>(status.code());
  std::string message(status.message());
  google::rpc::Status rich;
  rich.set_code(static_cast<int>(status.code()));
  rich.set_message(message.substr(0, kMaxMessageBytes));
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    auto* detail = rich.add_details();
    detail->set_type_url(std::string(url));
    detail->set_value(std::string(payload));
  });
  if (rich.details().empty()) return {code, message};
  std::string details = rich.SerializeAsString();
  if (details.size() > kMaxDetailsBytes) details.clear();
  return {code, message, details};
}

}  // namespace traind::server

#include "server/rpc/call_context.h"

#include <grpc/grpc_security_constants.h>

#include <chrono>

#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "server/rpc/inner_caller.h"

namespace traind::server {
namespace {

constexpr char kCallerTrailer[] = "traind-caller";

// gRPC says "none" with the clock's last moment.
absl::Time DeadlineOf(const grpc::CallbackServerContext& call) {
  const std::chrono::system_clock::time_point deadline = call.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  // By gRPC's own clock: Abseil's, which counts cycles, follows one that was set only after two seconds.
  return absl::Now() + absl::FromChrono(deadline - std::chrono::system_clock::now());
}

absl::Duration SteadyNow() { return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch()); }

CallerCredentials CredentialsOf(const grpc::CallbackServerContext& call) {
  CallerCredentials credentials;
  const auto headers = call.client_metadata().equal_range("authorization");
  for (auto header = headers.first; header != headers.second; ++header) {
    if (!credentials.authorization.empty()) credentials.authorization += ',';
    credentials.authorization.append(header->second.data(), header->second.size());
  }
  if (auto caller = InnerCallerOf(call); caller.has_value()) {
    credentials.certificate_name = std::move(caller->certificate_name);
    return credentials;
  }
  const auto peer = call.auth_context();
  if (peer == nullptr || !peer->IsPeerAuthenticated()) return credentials;
  for (const grpc::string_ref& name : peer->FindPropertyValues(GRPC_X509_CN_PROPERTY_NAME)) {
    credentials.certificate_name.assign(name.data(), name.size());
  }
  return credentials;
}

}  // namespace

CallContext::CallContext(const grpc::CallbackServerContext& call)
    : CallContext(PeerOf(call), DeadlineOf(call), CredentialsOf(call), TraceparentOf(call)) {}

CallContext::CallContext(std::string peer, absl::Time deadline, CallerCredentials credentials, std::string traceparent)
    : peer_(std::move(peer)),
      deadline_(deadline == absl::InfiniteFuture() ? absl::InfiniteDuration() : SteadyNow() + (deadline - absl::Now())),
      credentials_(std::move(credentials)),
      traceparent_(std::move(traceparent)) {}

absl::Time CallContext::deadline() const { return absl::Now() + (deadline_ - SteadyNow()); }

absl::Status CallContext::Check() const {
  return cancellation_.cancelled() || SteadyNow() >= deadline_ ? Gone() : absl::OkStatus();
}

absl::Status CallContext::Gone() const {
  return SteadyNow() >= deadline_ ? absl::DeadlineExceededError("the caller's deadline has passed")
                                  : absl::CancelledError("the caller has gone");
}

void TellObserver(const CallContext& context, grpc::ServerContextBase& call) {
  if (!context.caller().user.empty()) call.AddTrailingMetadata(kCallerTrailer, context.caller().user);
}

std::string TakeCaller(std::multimap<std::string, std::string>& trailers) {
  const auto found = trailers.find(kCallerTrailer);
  if (found == trailers.end()) return "";
  std::string user = std::move(found->second);
  trailers.erase(found);
  return user;
}

std::string TraceparentOf(const grpc::ServerContextBase& call) {
  const auto found = call.client_metadata().find("traceparent");
  if (found == call.client_metadata().end()) return "";
  const absl::string_view text(found->second.data(), found->second.size());
  return TraceOf(text).empty() ? "" : std::string(text);
}

}  // namespace traind::server

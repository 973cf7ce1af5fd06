#include "server/rpc/call_observer.h"

#include <grpcpp/grpcpp.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "server/resources/resource_of.h"
#include "server/rpc/call_context.h"
#include "server/rpc/inner_caller.h"
#include "server/telemetry/log_scope.h"
#include "spdlog/spdlog.h"

namespace traind::server {
namespace {

using grpc::experimental::InterceptionHookPoints;

// "traind.v1.TrainingService/GetJob" of "/traind.v1.TrainingService/GetJob".
absl::string_view PlainName(const char* method) { return absl::string_view(method).substr(*method == '/' ? 1 : 0); }

// The message of a method as gRPC's hooks hand it over: without a type, so its descriptor is compared with that of the
// API before anything is read. WatchJob takes and gives bytes.
const google::protobuf::Message* MessageOf(const void* message, absl::string_view method, bool request) {
  if (message == nullptr || !absl::StartsWith(method, "traind.v1.") || absl::EndsWith(method, "/WatchJob")) {
    return nullptr;
  }
  std::string name(method);
  name[name.find('/')] = '.';
  const auto* descriptor = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(name);
  if (descriptor == nullptr) return nullptr;
  const auto* typed = static_cast<const google::protobuf::Message*>(message);
  return typed->GetDescriptor() == (request ? descriptor->input_type() : descriptor->output_type()) ? typed : nullptr;
}

class ObservedCall final : public grpc::experimental::Interceptor {
 public:
  ObservedCall(grpc::experimental::ServerRpcInfo* info, Metrics* metrics, AuditLog* audit, const Proxies& proxies)
      : context_(info->server_context()),
        method_(PlainName(info->method())),
        metrics_(metrics->OfMethod(method_)),
        audit_(audit),
        proxies_(proxies) {
    metrics_->Begin();
  }
  ~ObservedCall() override {
    if (!ended_) metrics_->Answered(grpc::StatusCode::CANCELLED, absl::Now() - begin_);
    metrics_->End();
  }

  void Intercept(grpc::experimental::InterceptorBatchMethods* hooks) override {
    if (hooks->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_MESSAGE))
      Name(hooks->GetRecvMessage(), true);
    if (hooks->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_MESSAGE))
      Name(hooks->GetSendMessage(), false);
    if (hooks->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      auto* const trailers = hooks->GetSendTrailingMetadata();
      End(hooks->GetSendStatus(), trailers == nullptr ? "" : TakeCaller(*trailers));
    }
    hooks->Proceed();
  }

 private:
  // The first message that names a resource counts; of what makes one without a name, the answer does.
  void Name(const void* message, bool request) {
    if (!resource_.empty()) return;
    if (const auto* typed = MessageOf(message, method_, request); typed != nullptr) resource_ = ResourceOf(*typed);
  }

  void End(const grpc::Status& status, const std::string& user) {
    if (std::exchange(ended_, true)) return;
    const absl::Duration duration = absl::Now() - begin_;
    metrics_->Answered(status.error_code(), duration);
    const LogScope scope({.resource = resource_, .traceparent = TraceparentOf(*context_), .user = user});
    const std::string code = CodeName(status);
    LogEnd(status, code);
    if (audit_ == nullptr || !IsAudited(method_, code)) return;
    audit_->Write({.time = begin_,
                   .user = user,
                   .peer = PeerOf(*context_),
                   .forwarded_for = Client(),
                   .method = std::string(method_),
                   .resource = resource_,
                   .code = code,
                   .message = status.error_message(),
                   .traceparent = CurrentLogFields().traceparent,
                   .duration = duration});
  }

  std::string Client() const {
    const auto header = context_->client_metadata().find("x-forwarded-for");
    if (header == context_->client_metadata().end()) return "";
    return proxies_.ClientOf(context_->peer(), {header->second.data(), header->second.size()});
  }

  static std::string CodeName(const grpc::Status& status) {
    return absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code()));
  }

  // Errors of the caller are its own business: only faults of the server are more than debug.
  void LogEnd(const grpc::Status& status, const std::string& code) const {
    const bool fault = status.error_code() == grpc::StatusCode::INTERNAL ||
                       status.error_code() == grpc::StatusCode::DATA_LOSS ||
                       status.error_code() == grpc::StatusCode::UNKNOWN;
    const auto level = fault ? spdlog::level::err : spdlog::level::debug;
    if (!spdlog::should_log(level)) return;
    const std::string& user = CurrentLogFields().user;
    const std::string client = Client();
    spdlog::log(level, "call from {}{}{}{}{} to {}: {}{}{}", client, client.empty() ? "" : " through ",
                PeerOf(*context_), user.empty() ? "" : " by ", user, std::string(method_), code,
                status.ok() ? "" : ": ", status.error_message());
  }

  grpc::ServerContextBase* const context_;
  const absl::string_view method_;
  MethodMetrics* const metrics_;
  AuditLog* const audit_;
  const Proxies& proxies_;
  const absl::Time begin_ = absl::Now();
  std::string resource_;
  bool ended_ = false;
};

}  // namespace

grpc::experimental::Interceptor* CallObserver::CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) {
  return new ObservedCall(info, metrics_, audit_, proxies_);
}

}  // namespace traind::server

#include "server/services/server_service.h"

#include <string>

#include "absl/strings/ascii.h"
#include "core/base/enum_name.h"
#include "server/resources/names.h"
#include "server/rpc/unary_call.h"
#include "server/telemetry/logging.h"

namespace traind::server {

grpc::ServerUnaryReactor* ServerService::GetServerInfo(grpc::CallbackServerContext* context,
                                                       const v1::GetServerInfoRequest* request,
                                                       v1::ServerInfo* response) {
  return AnswerOn(*backend_.quick, context, *request, [this, response](CallContext&) {
    *response = DescribeServer(backend_, facts_);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ServerService::SetLogLevel(grpc::CallbackServerContext* context,
                                                     const v1::SetLogLevelRequest* request, v1::ServerInfo* response) {
  return AnswerOn(*backend_.quick, context, *request, [this, request, response](CallContext& call) -> absl::Status {
    if (!v1::LogLevel_IsValid(request->level()) || request->level() == v1::LOG_LEVEL_UNSPECIFIED) {
      return FieldError("level", "must be DEBUG, INFO, WARNING or ERROR");
    }
    ChangeLogLevel(absl::AsciiStrToLower(core::EnumName(request->level())), call.peer());
    *response = DescribeServer(backend_, facts_);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* ServerService::GetStorage(grpc::CallbackServerContext* context,
                                                    const v1::GetStorageRequest* request, v1::Storage* response) {
  return AnswerOn(*backend_.files, context, *request, [this, request, response](CallContext& call) {
    return Give(facts_.storage(call.caller(), request->plan()), response);
  });
}

}  // namespace traind::server

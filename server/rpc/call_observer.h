// Sees every call of the server, whatever its service and kind, in one place: counts it, logs how it ended, and writes
// it into the audit log. All of that happens before the caller has the status. It rejects nothing. Thread-safe.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <utility>

#include "server/rpc/proxies.h"
#include "server/telemetry/audit_log.h"
#include "server/telemetry/metrics.h"

namespace traind::server {

class CallObserver final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // `audit` may be null. Both outlive the server. `proxies`: who says where a call comes from.
  CallObserver(Metrics* metrics, AuditLog* audit, Proxies proxies)
      : metrics_(metrics), audit_(audit), proxies_(std::move(proxies)) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override;

 private:
  Metrics* const metrics_;
  AuditLog* const audit_;
  const Proxies proxies_;
};

}  // namespace traind::server

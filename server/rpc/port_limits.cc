#include "server/rpc/port_limits.h"

#include <grpcpp/resource_quota.h>

namespace traind::server {

void ApplyPortLimits(const PortLimits& limits, grpc::ServerBuilder& builder) {
  const auto set = [&builder](const char* name, absl::Duration value) {
    builder.AddChannelArgument(name, static_cast<int>(absl::ToInt64Milliseconds(value)));
  };
  builder.SetMaxReceiveMessageSize(limits.request_bytes);
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, limits.streams_of_a_connection);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, limits.metadata_bytes);
  grpc::ResourceQuota quota("traind");
  builder.SetResourceQuota(quota.Resize(limits.memory_bytes));
  set(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, limits.handshake);
  set(GRPC_ARG_MAX_CONNECTION_IDLE_MS, limits.idle);
  set(GRPC_ARG_MAX_CONNECTION_AGE_MS, limits.age);
  set(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, limits.age_grace);
  set(GRPC_ARG_KEEPALIVE_TIME_MS, limits.ping);
  set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, limits.ping_timeout);
  set(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, limits.shortest_client_ping);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
}

}  // namespace traind::server

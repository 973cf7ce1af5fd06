// What the port allows its callers, all of it in one place, and how gRPC is told. Two of these have flags; the others
// are far above what a well-meant client needs.
#pragma once

#include <grpcpp/server_builder.h>

#include <cstddef>

#include "absl/time/time.h"

namespace traind::server {

struct PortLimits {
  int max_connections = 2000;  // Open at a time (--max-connections); see Listener.
  int max_watchers = 1000;     // WatchJob streams at a time (--max-watchers); see Places.

  int streams_of_a_connection = 1024;            // Calls under way; more wait in the client.
  int metadata_bytes = 8 << 10;                  // Headers of a call; more are RESOURCE_EXHAUSTED.
  int request_bytes = 8 << 20;                   // Predict takes 4 MiB of values, chunks are 1 MiB, networks are text.
  size_t memory_bytes = size_t{256} << 20;       // What gRPC holds for all connections and calls together.
  absl::Duration handshake = absl::Seconds(10);  // From the connection to the end of TLS and HTTP/2's first frame.
  absl::Duration idle = absl::Minutes(15);       // Without any call; clients connect again by themselves.
  // An old connection takes no new calls, for which clients open another; those under way have the grace to end in. A
  // watch that is older goes on over the next connection.
  absl::Duration age = absl::Hours(24);
  absl::Duration age_grace = absl::Hours(1);
  // A client that has vanished is found within a minute. Clients may ping too, with or without a call: whoever does it
  // more often is disconnected at the third time.
  absl::Duration ping = absl::Seconds(40);
  absl::Duration ping_timeout = absl::Seconds(20);
  absl::Duration shortest_client_ping = absl::Seconds(10);
};

// Tells gRPC all but the first two.
void ApplyPortLimits(const PortLimits& limits, grpc::ServerBuilder& builder);

}  // namespace traind::server

// Whose word about a caller's address is taken: that of a proxy in front of the server (--trusted-proxy), which says it
// in the header x-forwarded-for. Everybody else could write anything there. Immutable, thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace traind::server {

class Proxies {
 public:
  // Nobody's.
  Proxies() = default;
  // Addresses and networks: "10.0.0.7", "172.16.0.0/12", "fd00::/8". INVALID_ARGUMENT names one that is neither.
  static absl::StatusOr<Proxies> Parse(absl::Span<const std::string> networks);

  // The address of the client whom `peer` ("ipv4:10.0.0.7:40312", as gRPC says it) speaks for: the last one in
  // `forwarded`, which is the one that this proxy saw itself. Empty where `peer` is none of the proxies, or names no
  // address.
  std::string ClientOf(absl::string_view peer, absl::string_view forwarded) const;

 private:
  using Address = std::array<uint8_t, 16>;  // IPv4 as IPv6 has it: ::ffff:10.0.0.7.
  struct Network {
    Address address;
    int bits;
  };
  static bool ReadAddress(absl::string_view text, Address& address);

  std::vector<Network> networks_;
};

}  // namespace traind::server

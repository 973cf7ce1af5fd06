// Names into addresses, for as long as somebody waits: the system's look-up has no limit of its own, so it runs on a
// thread that nobody waits for any longer, and of which there are few. Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/ending.h"

namespace traind::server {

// The addresses of a host, as text ("127.0.0.1", "fe80::1%eth0"), in the order in which to try them. May block.
using Resolver = std::function<absl::StatusOr<std::vector<std::string>>(const std::string& host)>;

// By getaddrinfo. UNAVAILABLE: there are none, or nobody knows.
absl::StatusOr<std::vector<std::string>> AskSystem(const std::string& host);

inline constexpr int kMostLookups = 32;                      // Of the process, at a time.
inline constexpr std::chrono::milliseconds kLookAtStop{50};  // How often whoever waits looks at `stop`.

// What the resolver says of the host; an address stands for itself. DEADLINE_EXCEEDED: not until then. CANCELLED:
// `stop`. RESOURCE_EXHAUSTED: so many are under way that were given up. The resolver may still run afterwards.
absl::StatusOr<std::vector<std::string>> LookUp(const std::string& host, const Resolver& resolver,
                                                std::chrono::steady_clock::time_point deadline,
                                                const core::Ending& stop);

}  // namespace traind::server

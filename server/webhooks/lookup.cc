#include "server/webhooks/lookup.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <exception>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace traind::server {
namespace {

std::atomic<int> lookups_under_way{0};

// One look-up, which lasts as long as its thread.
struct Lookup {
  core::Ending done;
  absl::StatusOr<std::vector<std::string>> found = absl::UnavailableError("");
};

bool IsNumeric(const std::string& host) {
  in6_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1 || inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

void Run(const Resolver& resolver, const std::string& host, Lookup& lookup) {
  try {
    lookup.found = resolver(host);
  } catch (const std::exception& error) {
    lookup.found = absl::ResourceExhaustedError(error.what());
  }
  --lookups_under_way;
  lookup.done.End();
}

// Null: there is no thread, or there are too many already.
std::shared_ptr<Lookup> StartLookup(const std::string& host, const Resolver& resolver) {
  if (++lookups_under_way <= kMostLookups) {
    try {
      auto lookup = std::make_shared<Lookup>();
      std::thread([lookup, host, resolver] { Run(resolver, host, *lookup); }).detach();
      return lookup;
    } catch (const std::exception&) {  // No memory, or no thread.
    }
  }
  --lookups_under_way;
  return nullptr;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> AskSystem(const std::string& host) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &list); error != 0) {
    return absl::UnavailableError(error == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, freeaddrinfo);
  std::vector<std::string> addresses;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    char text[NI_MAXHOST];
    const int error = getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof(text), nullptr, 0, NI_NUMERICHOST);
    if (error != 0) return absl::UnavailableError(gai_strerror(error));
    addresses.emplace_back(text);
  }
  return addresses;
}

absl::StatusOr<std::vector<std::string>> LookUp(const std::string& host, const Resolver& resolver,
                                                std::chrono::steady_clock::time_point deadline,
                                                const core::Ending& stop) {
  if (IsNumeric(host)) return std::vector<std::string>{host};
  const auto lookup = StartLookup(host, resolver);
  if (lookup == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("names cannot be looked up: ", kMostLookups,
                     " look-ups hang, or there are no threads; do the name servers answer?"));
  }
  while (true) {
    const std::chrono::nanoseconds left = deadline - std::chrono::steady_clock::now();
    if (lookup->done.WaitFor(absl::FromChrono(std::min<std::chrono::nanoseconds>(left, kLookAtStop)))) break;
    if (stop.ended()) return absl::CancelledError("the server ends");
    if (left <= left.zero()) return absl::DeadlineExceededError("the name servers do not answer");
  }
  return std::move(lookup->found);  // Its thread looks at it no more.
}

}  // namespace traind::server

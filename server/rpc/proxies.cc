#include "server/rpc/proxies.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace traind::server {
namespace {

constexpr int kAllBits = 128;
constexpr int kBitsBeforeIpv4 = 96;

// "10.0.0.7" of "ipv4:10.0.0.7:40312", "::1" of "ipv6:%5B::1%5D:40312".
absl::string_view HostOfPeer(absl::string_view peer) {
  for (const auto& [begin, end] : {std::pair("ipv4:", ":"), std::pair("ipv6:%5B", "%5D"), std::pair("ipv6:[", "]")}) {
    if (!absl::StartsWith(peer, begin)) continue;
    peer.remove_prefix(std::strlen(begin));
    return peer.substr(0, peer.find(end));
  }
  return "";
}

}  // namespace

bool Proxies::ReadAddress(absl::string_view text, Address& address) {
  const std::string name(text);
  if (inet_pton(AF_INET6, name.c_str(), address.data()) == 1) return true;
  address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return inet_pton(AF_INET, name.c_str(), address.data() + kBitsBeforeIpv4 / 8) == 1;
}

absl::StatusOr<Proxies> Proxies::Parse(absl::Span<const std::string> networks) {
  Proxies proxies;
  for (const std::string& text : networks) {
    const size_t slash = text.find('/');
    Network network{.address = {}, .bits = kAllBits};
    bool good = ReadAddress(text.substr(0, slash), network.address);
    if (good && slash != std::string::npos) {
      const bool ipv4 = text.find(':') == std::string::npos;
      good = absl::SimpleAtoi(text.substr(slash + 1), &network.bits) && network.bits >= 0 &&
             network.bits <= (ipv4 ? kAllBits - kBitsBeforeIpv4 : kAllBits);
      if (ipv4) network.bits += kBitsBeforeIpv4;
    }
    if (!good) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--trusted-proxy: \"", text, "\" is no address like 10.0.0.7 and no network like 172.16.0.0/12 or fd00::/8"));
    }
    proxies.networks_.push_back(network);
  }
  return proxies;
}

std::string Proxies::ClientOf(absl::string_view peer, absl::string_view forwarded) const {
  Address address;
  if (networks_.empty() || forwarded.empty() || !ReadAddress(HostOfPeer(peer), address)) return "";
  const bool trusted = std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
    for (int bit = 0; bit < network.bits; ++bit) {
      const auto at = static_cast<size_t>(bit / 8);
      if (((address[at] ^ network.address[at]) >> (7 - bit % 8) & 1) != 0) return false;
    }
    return true;
  });
  const absl::string_view last = absl::StripAsciiWhitespace(forwarded.substr(forwarded.rfind(',') + 1));
  return trusted && ReadAddress(last, address) ? std::string(last) : "";
}

}  // namespace traind::server

#include "server/webhooks/target.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace traind::server {
namespace {

struct Network {
  uint32_t address;
  int bits;
};

// Of IPv4: what the registry of special purposes (RFC 6890 and after) does not call globally reachable, and multicast.
constexpr Network kInside[] = {
    {0x00000000, 8},   // this network
    {0x0A000000, 8},   // RFC 1918
    {0x64400000, 10},  // shared between providers
    {0x7F000000, 8},   // loopback
    {0xA9FE0000, 16},  // link-local, and the metadata of clouds
    {0xAC100000, 12},  // RFC 1918
    {0xC0000000, 24},  // protocol assignments
    {0xC0000200, 24},  // documentation
    {0xC0586300, 24},  // 6to4 relays
    {0xC0A80000, 16},  // RFC 1918
    {0xC6120000, 15},  // benchmarks
    {0xC6336400, 24},  // documentation
    {0xCB007100, 24},  // documentation
    {0xE0000000, 3},   // multicast, reserved, broadcast
};

bool IsPublicV4(uint32_t address) {
  return std::none_of(std::begin(kInside), std::end(kInside), [address](const Network& network) {
    return (address ^ network.address) >> (32 - network.bits) == 0;
  });
}

uint32_t WordAt(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | uint32_t{bytes[1]} << 16 | uint32_t{bytes[2]} << 8 | bytes[3];
}

// Of IPv6 only 2000::/3 is in use; in it lie networks that stand for others.
bool IsPublicV6(const uint8_t* bytes) {
  const uint32_t first = WordAt(bytes);
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  static constexpr uint8_t kNat64[12] = {0, 0x64, 0xFF, 0x9B};
  if (std::memcmp(bytes, kMapped, 12) == 0 || std::memcmp(bytes, kNat64, 12) == 0) {
    return IsPublicV4(WordAt(bytes + 12));
  }
  if (first >> 29 != 1) return false;
  const bool special = first >> 9 == 0x20010000 >> 9;  // 2001::/23: Teredo and others.
  const bool documentation = first == 0x20010DB8 || first >> 12 == 0x3FFF0000 >> 12;
  const bool six_to_four = first >> 16 == 0x2002;
  return !special && !documentation && !six_to_four;
}

constexpr size_t kLongestUrl = 4096;
constexpr size_t kLongestHost = 253;  // Of DNS.

absl::Status BadUrl(absl::string_view shown, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("--webhook ", shown, why));
}

// What RFC 3986 has in URLs; all else is written as %XX.
bool IsUrlByte(char c) {
  return absl::ascii_isgraph(static_cast<unsigned char>(c)) && !absl::StrContains("\"<>\\^`{|}", c);
}

bool IsAll(absl::string_view text, bool (*is)(unsigned char)) {
  return std::all_of(text.begin(), text.end(), [is](char c) { return is(static_cast<unsigned char>(c)); });
}

// What is wrong with the URL as a whole; "": nothing.
std::string WrongForm(absl::string_view url) {
  constexpr char kWanted[] = "wants a URL like https://example.org/hook";
  if (url.size() > kLongestUrl) return absl::StrCat("wants a URL of at most ", kLongestUrl, " bytes");
  const auto odd = std::find_if_not(url.begin(), url.end(), IsUrlByte);
  if (odd != url.end()) {
    return absl::StrCat(kWanted, "; byte ", odd - url.begin() + 1,
                        " of this one stands in no URL: write it as %XX, a name that is not ASCII as xn--...");
  }
  const size_t colon = url.find("://");
  return colon != absl::string_view::npos && IsAll(url.substr(0, colon), absl::ascii_isalnum) ? "" : kWanted;
}

bool IsLabel(absl::string_view label) {
  return !label.empty() && IsAll(label, [](unsigned char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; });
}

// What is wrong with a host that is no address of IPv4; "": nothing, it is a name. Resolvers take 127.1, 0x7f000001 and
// 010.0.0.1 for addresses.
std::string WrongName(absl::string_view host) {
  const bool short_enough = host.size() <= kLongestHost;
  absl::ConsumeSuffix(&host, ".");
  const std::vector<absl::string_view> labels = absl::StrSplit(host, '.');
  if (!short_enough || !std::all_of(labels.begin(), labels.end(), IsLabel)) {
    return "wants a host: a name of letters, digits, - and _, or an address";
  }
  absl::string_view last = labels.back();
  const bool number =
      absl::ConsumePrefix(&last, "0x") ? IsAll(last, absl::ascii_isxdigit) : IsAll(last, absl::ascii_isdigit);
  return number ? "wants an address of IPv4 as four decimal numbers" : "";
}

std::string WrongHost(const std::string& host, bool bracketed) {
  in6_addr address;
  if (bracketed) {
    return inet_pton(AF_INET6, host.c_str(), &address) == 1 ? "" : "wants an address of IPv6, without a zone, in []";
  }
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ? "" : WrongName(host);
}

// Of ":8443"; nothing: that is none.
std::optional<uint16_t> PortOf(absl::string_view text) {
  uint32_t port = 0;
  const bool number =
      absl::ConsumePrefix(&text, ":") && IsAll(text, absl::ascii_isdigit) && absl::SimpleAtoi(text, &port);
  if (!number || port == 0 || port > UINT16_MAX) return std::nullopt;
  return static_cast<uint16_t>(port);
}

// Fills host, port and authority in. What is wrong, or "".
std::string TakeAuthority(absl::string_view text, WebhookTarget& target) {
  const uint16_t own_port = target.tls ? 443 : 80;
  const bool bracketed = absl::ConsumePrefix(&text, "[");
  const size_t end = std::min(text.find(bracketed ? ']' : ':'), text.size());
  target.host = absl::AsciiStrToLower(text.substr(0, end));
  text.remove_prefix(end);
  if (bracketed && !absl::ConsumePrefix(&text, "]")) return "wants ] behind an address of IPv6";
  if (std::string wrong = WrongHost(target.host, bracketed); !wrong.empty()) return wrong;
  const auto port = text.empty() ? std::optional(own_port) : PortOf(text);
  if (!port.has_value()) return "wants a port from 1 to 65535 behind the colon";
  target.port = *port;
  target.authority = absl::StrCat(bracketed ? "[" : "", target.host, bracketed ? "]" : "");
  if (target.port != own_port) absl::StrAppend(&target.authority, ":", target.port);
  return "";
}

}  // namespace

bool IsPublic(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    return IsPublicV4(ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    return IsPublicV6(reinterpret_cast<const sockaddr_in6&>(address).sin6_addr.s6_addr);
  }
  return false;
}

absl::StatusOr<WebhookTarget> ParseWebhookUrl(const std::string& url, bool allow_private) {
  if (const std::string wrong = WrongForm(url); !wrong.empty()) return BadUrl("", wrong);
  const size_t colon = url.find("://");
  const size_t end = std::min(url.find_first_of("/?#", colon + 3), url.size());
  const std::string scheme = absl::AsciiStrToLower(url.substr(0, colon));
  const std::string whole = url.substr(colon + 3, end - colon - 3);
  const std::string authority = whole.substr(whole.rfind('@') + 1);
  WebhookTarget target{.url = url, .shown = absl::StrCat(scheme, "://", authority), .tls = scheme == "https"};
  if (!target.tls && scheme != "http") return BadUrl(target.shown, ": wants https");
  if (authority.size() < whole.size()) {
    return BadUrl(target.shown, ": a user or password in a URL is shown to everybody; the signature says who sends");
  }
  if (const std::string wrong = TakeAuthority(authority, target); !wrong.empty()) {
    return BadUrl(target.shown, ": " + wrong);
  }
  target.shown = absl::StrCat(scheme, "://", target.authority);
  if (absl::StrContains(url, '#')) {
    return BadUrl(target.shown, ": what stands behind # is never sent; leave it out, or write %23 for it");
  }
  if (!target.tls && !allow_private) {
    return BadUrl(target.shown,
                  ": everybody on the way could read along and repeat it; give an https URL, or, in a network that is "
                  "trusted, --webhook-allow-private");
  }
  target.path = absl::StrCat(url[end] == '/' ? "" : "/", url.substr(end));
  return target;
}

}  // namespace traind::server

#include "server/http/request_guard.h"

#include <arpa/inet.h>

#include <algorithm>
#include <boost/beast/http/field.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace traind::server {
namespace {

namespace http = boost::beast::http;

// The one value of a header; nothing where it is missing or there are several.
absl::string_view OnlyValue(const HttpFields& fields, http::field name) {
  if (fields.count(name) != 1) return {};
  const auto value = fields[name];
  return {value.data(), value.size()};
}

bool IsAddress(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    return inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), bytes) == 1;
  }
  return inet_pton(AF_INET, host.c_str(), bytes) == 1;
}

// "a.example.org" of "A.example.org:8080", "[::1]" of "[::1]:8080".
std::string HostName(absl::string_view host) {
  const size_t bracket = host.rfind(']');
  const size_t colon = host.find(':', bracket == absl::string_view::npos ? 0 : bracket);
  return absl::AsciiStrToLower(host.substr(0, colon));
}

// As certificates have names: a star stands for the first label.
bool IsNamed(absl::string_view host, absl::string_view name) {
  if (!absl::StartsWith(name, "*.")) return absl::EqualsIgnoreCase(host, name);
  const size_t dot = host.find('.');
  return dot != absl::string_view::npos && dot > 0 && absl::EqualsIgnoreCase(host.substr(dot), name.substr(1));
}

// The token in the cookie; empty: there is none, or not one alone.
std::string CookieToken(const HttpFields& fields, bool tls) {
  std::string token;
  const std::string begin = CookieName(tls) + "=";
  for (const auto& field : fields) {
    if (field.name() != http::field::cookie) continue;
    const absl::string_view cookies(field.value().data(), field.value().size());
    for (const absl::string_view cookie : absl::StrSplit(cookies, ';')) {
      const absl::string_view pair = absl::StripAsciiWhitespace(cookie);
      if (!absl::StartsWith(pair, begin)) continue;
      if (!token.empty()) return "";
      token = std::string(pair.substr(begin.size()));
    }
  }
  return token;
}

}  // namespace

absl::Status CheckHost(const HttpFields& fields, const OwnOrigin& own) {
  const std::string host = HostName(OnlyValue(fields, http::field::host));
  if (host.empty()) return absl::InvalidArgumentError("wants one header Host");
  const bool known =
      host == "localhost" || IsAddress(host) ||
      std::any_of(own.names.begin(), own.names.end(), [&](const std::string& name) { return IsNamed(host, name); });
  if (known) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "this server is not known by the name in the header Host; start it with --http-name NAME, or give it a "
      "certificate for the name, or come by its address");
}

absl::Status CheckOwnPage(const HttpFields& fields, const OwnOrigin& own) {
  if (fields.count("x-grpc-web") != 1) {
    return absl::PermissionDeniedError("wants the header \"x-grpc-web: 1\", which another site's page cannot send");
  }
  const auto site = fields.find("sec-fetch-site");
  if (site != fields.end() && site->value() != "same-origin") {
    return absl::PermissionDeniedError("a page of another site may not call this server");
  }
  if (fields.count(http::field::origin) == 0) return absl::OkStatus();
  const absl::string_view origin = OnlyValue(fields, http::field::origin);
  const absl::string_view host = OnlyValue(fields, http::field::host);
  if (absl::EqualsIgnoreCase(origin, absl::StrCat("https://", host))) return absl::OkStatus();
  // Without TLS of its own the server may stand behind somebody who speaks it.
  if (!own.tls && absl::EqualsIgnoreCase(origin, absl::StrCat("http://", host))) return absl::OkStatus();
  return absl::PermissionDeniedError("a page of another origin may not call this server");
}

std::string CookieName(bool tls) { return tls ? "__Host-traind" : "traind"; }

std::string LoginCookie(const std::string& token, bool tls) {
  return absl::StrCat(CookieName(tls), "=", token, "; Path=/; HttpOnly; SameSite=Strict", tls ? "; Secure" : "",
                      token.empty() ? "; Max-Age=0" : "");
}

absl::StatusOr<std::string> AuthorizationOf(const HttpFields& fields, bool tls) {
  std::string authorization;
  if (fields.count(http::field::authorization) > 0) {
    authorization = std::string(OnlyValue(fields, http::field::authorization));
    if (authorization.empty()) return absl::InvalidArgumentError("wants one header authorization, or none");
  } else if (const std::string token = CookieToken(fields, tls); !token.empty()) {
    authorization = absl::StrCat("Bearer ", token);
  }
  if (!IsHeaderText(authorization)) return absl::InvalidArgumentError("the token is none: it has strange characters");
  return authorization;
}

bool IsHeaderText(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace traind::server

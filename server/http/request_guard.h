// Which requests are this server's own page's, and not those of another page in the same browser: by what browsers say
// of the page that asks, and by what a page cannot make them say. Pure; thread-safe.
#pragma once

#include <boost/beast/http/fields.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace traind::server {

using HttpFields = boost::beast::http::fields;

// How this server is reached.
struct OwnOrigin {
  bool tls = false;
  std::vector<std::string> names =
      {};  // That it answers to, besides localhost and all addresses; "*.example.org", too.
};

// The header Host names this server: so that a page whose name somebody has pointed to this machine cannot read from
// it.
absl::Status CheckHost(const HttpFields& fields, const OwnOrigin& own);

// The request is that of a page of this server, or of a program that is no browser: it has the header x-grpc-web, which
// another page could send only with a permission that nobody here gives; and where the browser says which page asks, it
// is ours. `fields` have passed CheckHost.
absl::Status CheckOwnPage(const HttpFields& fields, const OwnOrigin& own);

// "__Host-traind" with TLS, which a browser takes over TLS and from this host alone; else "traind".
std::string CookieName(bool tls);
// The value of Set-Cookie that logs in with a token; an empty one logs out.
std::string LoginCookie(const std::string& token, bool tls);

// The header `authorization` of the call: the request's own, or made of the token in the cookie; empty: there is
// neither. INVALID_ARGUMENT: it cannot be a header of gRPC. `fields` have passed CheckOwnPage: only then does a cookie
// count.
absl::StatusOr<std::string> AuthorizationOf(const HttpFields& fields, bool tls);

// Whether gRPC takes the text as the value of a header: it ends the process over others.
bool IsHeaderText(const std::string& text);

}  // namespace traind::server

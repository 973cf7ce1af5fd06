#include "server/http/answer.h"

#include <boost/beast/http/status.hpp>

#include "absl/strings/str_cat.h"

namespace traind::server {
namespace {

constexpr absl::string_view kForBrowsers =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n"
    "Referrer-Policy: same-origin\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n";

// 204 and 304 have no body, and say nothing of its length.
bool HasNoBody(int status) { return status == 204 || status == 304; }

}  // namespace

HttpAnswer TextAnswer(int status, absl::string_view text, bool close) {
  return {.status = status,
          .fields = {{"Content-Type", "text/plain; charset=utf-8"}, {"Cache-Control", "no-store"}},
          .text = absl::StrCat(text, "\n"),
          .close = close};
}

std::string HeadOf(const HttpAnswer& answer, bool chunked) {
  namespace http = boost::beast::http;
  const auto reason = http::obsolete_reason(static_cast<http::status>(answer.status));
  std::string head = absl::StrCat("HTTP/1.1 ", answer.status, " ", absl::string_view(reason.data(), reason.size()),
                                  "\r\n", kForBrowsers);
  for (const auto& [name, value] : answer.fields) absl::StrAppend(&head, name, ": ", value, "\r\n");
  if (chunked) {
    absl::StrAppend(&head, "Transfer-Encoding: chunked\r\n");
  } else if (!HasNoBody(answer.status)) {
    absl::StrAppend(&head, "Content-Length: ", answer.body().size(), "\r\n");
  }
  absl::StrAppend(&head, answer.close ? "Connection: close\r\n\r\n" : "\r\n");
  return head;
}

}  // namespace traind::server

#include "server/http/pages.h"

#include <algorithm>
#include <boost/beast/http/field.hpp>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace traind::server {
namespace {

namespace http = boost::beast::http;

constexpr std::pair<absl::string_view, absl::string_view> kTypes[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".json", "application/json"},
    {".txt", "text/plain; charset=utf-8"},
    {".png", "image/png"},
    {".woff2", "font/woff2"},
};

std::string TypeOfFile(absl::string_view path) {
  for (const auto& [ending, type] : kTypes) {
    if (absl::EndsWith(path, ending)) return std::string(type);
  }
  return "application/octet-stream";
}

absl::string_view FieldText(const HttpFields& fields, http::field name) {
  const auto value = fields[name];
  return {value.data(), value.size()};
}

// Whether "Accept-Encoding: br, gzip;q=0.5" takes gzip.
bool TakesGzip(const HttpFields& fields) {
  for (const absl::string_view coding : absl::StrSplit(FieldText(fields, http::field::accept_encoding), ',')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(coding, ';');
    if (!absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(parts[0]), "gzip")) continue;
    absl::string_view quality = parts.size() > 1 ? absl::StripAsciiWhitespace(parts[1]) : "q=1";
    double weight = 0;
    return absl::ConsumePrefix(&quality, "q=") && absl::SimpleAtod(quality, &weight) && weight > 0;
  }
  return false;
}

// Whether If-None-Match has the etag, or "*".
bool HasAlready(const HttpFields& fields, absl::string_view etag) {
  for (absl::string_view known : absl::StrSplit(FieldText(fields, http::field::if_none_match), ',')) {
    known = absl::StripAsciiWhitespace(known);
    absl::ConsumePrefix(&known, "W/");
    if (known == etag || known == "*") return true;
  }
  return false;
}

}  // namespace

HttpAnswer Pages::Get(absl::string_view path, const HttpFields& fields) const {
  if (files_.empty()) return TextAnswer(404, "this server was built without its page (-DTRAIND_WEB=OFF)");
  if (path == "/") path = "/index.html";
  const auto file = std::find_if(files_.begin(), files_.end(), [&](const PageFile& one) { return one.path == path; });
  if (file == files_.end()) return TextAnswer(404, "there is no such file");
  const bool packed = file->packed.size() < file->plain.size() && TakesGzip(fields);
  const std::string etag = absl::StrCat("\"", file->hash, packed ? "-gz\"" : "\"");
  HttpAnswer answer = {.fields = {{"ETag", etag}, {"Cache-Control", "no-cache"}, {"Vary", "Accept-Encoding"}}};
  if (HasAlready(fields, etag)) {
    answer.status = 304;
    return answer;
  }
  answer.fields.emplace_back("Content-Type", TypeOfFile(path));
  if (packed) answer.fields.emplace_back("Content-Encoding", "gzip");
  answer.lasting = packed ? file->packed : file->plain;
  return answer;
}

}  // namespace traind::server

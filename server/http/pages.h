// The files of the page, which are part of the program. Immutable; thread-safe.
#pragma once

#include <vector>

#include "absl/strings/string_view.h"
#include "server/http/answer.h"
#include "server/http/request_guard.h"

namespace traind::server {

struct PageFile {
  absl::string_view path;  // "/app.js".
  absl::string_view plain;
  absl::string_view packed;  // By gzip.
  absl::string_view hash;    // Of `plain`.
};

// Those that were there when the program was built (client/web, server/http/embed.cmake); none with -DTRAIND_WEB=OFF.
std::vector<PageFile> EmbeddedPages();

class Pages {
 public:
  // What the files refer to lasts.
  explicit Pages(std::vector<PageFile> files) : files_(std::move(files)) {}

  // The answer to GET or HEAD: the file, packed where the browser takes that; 304 where it has it already; or 404. "/"
  // is index.html.
  HttpAnswer Get(absl::string_view path, const HttpFields& fields) const;

 private:
  const std::vector<PageFile> files_;
};

}  // namespace traind::server

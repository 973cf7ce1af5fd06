// An answer in HTTP/1.1, and what every one of them says to a browser. Pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace traind::server {

struct HttpAnswer {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> fields = {};
  std::string text = "";
  absl::string_view lasting = "";  // The body in place of `text`, where it outlives everything.
  bool close = false;              // Nothing more is read from the connection.

  absl::string_view body() const { return lasting.empty() ? absl::string_view(text) : lasting; }
};

// Of a line of text for people. What was wrong with the request ends the connection.
HttpAnswer TextAnswer(int status, absl::string_view text, bool close = false);

// Status line and headers. A browser takes scripts, styles and pictures from here alone, shows the page in no frame,
// guesses no types, and tells other sites nothing. Without a length the body comes in chunks.
std::string HeadOf(const HttpAnswer& answer, bool chunked);

}  // namespace traind::server

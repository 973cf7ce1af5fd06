// What a webhook answers: its status is taken, all else passed over, and never more than kMost bytes of it are read.
// Not thread-safe.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstddef>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace traind::server {

class WebhookAnswer {
 public:
  static constexpr size_t kMost = 64 << 10;  // Status line, headers and body, interim answers (1xx) among them.

  WebhookAnswer() { Begin(); }

  // What comes next; not once it is done. UNAVAILABLE, while there is no status: this is no HTTP/1.1, or too long.
  absl::Status Put(absl::string_view bytes);
  // Once its headers are whole.
  std::optional<unsigned> status() const { return status_; }
  // There is nothing more to read, or to be read.
  bool done() const { return done_; }

 private:
  void Begin();
  void TakeHead();

  boost::beast::flat_buffer buffer_{kMost};
  std::optional<boost::beast::http::response_parser<boost::beast::http::string_body>> parser_;
  size_t received_ = 0;
  std::optional<unsigned> status_;
  bool done_ = false;
};

}  // namespace traind::server

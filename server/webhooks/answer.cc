#include "server/webhooks/answer.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>

#include "absl/strings/str_cat.h"

namespace traind::server {
namespace {

constexpr unsigned kSwitchingProtocols = 101;  // The one interim answer behind which no other comes.

}  // namespace

void WebhookAnswer::Begin() {
  parser_.emplace();
  parser_->header_limit(kMost);
}

// An interim answer has no body: the next one stands behind its headers.
void WebhookAnswer::TakeHead() {
  const unsigned code = parser_->get().result_int();
  if (code / 100 == 1 && code != kSwitchingProtocols) return Begin();
  status_ = code;
  done_ = parser_->is_done();
}

absl::Status WebhookAnswer::Put(absl::string_view bytes) {
  const size_t taken = std::min(bytes.size(), kMost - received_);
  received_ += taken;
  buffer_.commit(boost::asio::buffer_copy(buffer_.prepare(taken), boost::asio::buffer(bytes.data(), taken)));
  boost::beast::error_code error;
  while (!error && !done_ && buffer_.size() > 0) {
    buffer_.consume(parser_->put(buffer_.data(), error));
    if (parser_->is_header_done()) TakeHead();
  }
  const bool wrong = error && error != boost::beast::http::error::need_more;
  done_ = done_ || wrong || received_ == kMost;
  if (!done_ || status_.has_value()) return absl::OkStatus();
  if (!wrong || error == boost::beast::http::error::header_limit) {
    return absl::UnavailableError(absl::StrCat("the headers of its answer have more than ", kMost >> 10, " KiB"));
  }
  return absl::UnavailableError(absl::StrCat("its answer is none of HTTP/1.1: ", error.message()));
}

}  // namespace traind::server

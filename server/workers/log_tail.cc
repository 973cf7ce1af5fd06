#include "server/workers/log_tail.h"

#include <algorithm>
#include <utility>

namespace traind::server {
namespace {

// Bytes of the valid UTF-8 sequence at the start of `text`, 0 when there is none (RFC 3629, table of section 4).
size_t SequenceLength(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto is_tail = [&](size_t i) { return byte(i) >= 0x80 && byte(i) <= 0xBF; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return is_tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;   // No overlong forms,
    const unsigned high = first == 0xED ? 0x9F : 0xBF;  // no surrogates.
    return byte(1) >= low && byte(1) <= high && is_tail(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;  // Up to U+10FFFF.
    return byte(1) >= low && byte(1) <= high && is_tail(2) && is_tail(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

std::string PrintableUtf8(std::string_view text) {
  std::string printable;
  printable.reserve(text.size());
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    const auto first = static_cast<unsigned char>(text[0]);
    const bool control = (first < 0x20 && first != '\t') || first == 0x7F;
    if (length == 0 || control) {
      printable.push_back('?');
    } else {
      printable.append(text.substr(0, length));
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return printable;
}

void LogTail::Append(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view part = text.substr(0, end);
    line_.append(part.substr(0, line_bytes_ - std::min(line_.size(), line_bytes_)));
    if (end == std::string_view::npos) return;
    EndLine();
    text.remove_prefix(end + 1);
  }
}

void LogTail::Finish() {
  if (!line_.empty()) EndLine();
}

void LogTail::EndLine() {
  if (!line_.empty() && line_.back() == '\r') line_.pop_back();
  std::string line = PrintableUtf8(line_);
  line_.clear();
  if (on_line_) on_line_(line);
  tail_.push_back(std::move(line));
  if (tail_.size() > lines_) tail_.pop_front();
}

}  // namespace traind::server

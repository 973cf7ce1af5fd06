// Cuts what a process prints into lines and remembers the last ones, so that a crash can be explained afterwards at
// bounded memory however much was printed. Lines are made fit for messages: valid UTF-8 without control characters.
// Thread-compatible.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace traind::server {

class LogTail {
 public:
  // Keeps the last `lines` lines, each cut at `line_bytes`. `on_line` (may be empty) sees every line as it is complete.
  LogTail(size_t lines, size_t line_bytes, std::function<void(std::string_view)> on_line)
      : lines_(lines), line_bytes_(line_bytes), on_line_(std::move(on_line)) {}

  void Append(std::string_view text);
  // Ends a last line without newline, if there is one.
  void Finish();
  std::vector<std::string> last_lines() const { return {tail_.begin(), tail_.end()}; }

 private:
  void EndLine();

  const size_t lines_;
  const size_t line_bytes_;
  const std::function<void(std::string_view)> on_line_;
  std::string line_;  // The beginning of the line that is not complete yet.
  std::deque<std::string> tail_;
};

// `text` with everything that is neither valid UTF-8 nor printable (tabs are) replaced, byte by byte, by '?'.
std::string PrintableUtf8(std::string_view text);

}  // namespace traind::server

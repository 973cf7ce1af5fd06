// How far something is, redrawn in one line of a terminal. Thread-compatible.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>

#include "absl/time/time.h"

namespace traind::client {

// "fashion.gz  ██████░░░░  60 %  12.0 MB of 20.0 MB  4.10 MB/s  2.0 s left". `resumed` bytes were there before. With
// more than the total done, the total was wrong: no bar, no share, no time.
std::string RenderTransfer(const std::string& title, int64_t done, int64_t total, int64_t resumed,
                           absl::Duration elapsed, int width);

// A line that is written over and over.
class StatusLine {
 public:
  // Draws nothing unless `enabled`. `out` must outlive it.
  StatusLine(std::ostream& out, bool enabled) : out_(out), enabled_(enabled) {}
  ~StatusLine();  // Ends the line.
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  void Draw(const std::string& text);

 private:
  std::ostream& out_;
  const bool enabled_;
  bool drawn_ = false;
};

// The bar of an upload or download.
class ProgressBar {
 public:
  // Draws nothing unless `enabled`. `out` must outlive it.
  ProgressBar(std::ostream& out, bool enabled, std::string title, int width);

  void Update(int64_t done, int64_t total);

 private:
  StatusLine line_;
  const std::string title_;
  const int width_;
  const absl::Time start_;
  absl::Time next_ = absl::InfinitePast();
  int64_t resumed_ = -1;
};

}  // namespace traind::client

// The bar of an upload or download, redrawn in its line. Thread-compatible.
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

class ProgressBar {
 public:
  // Draws nothing unless `enabled`. `out` must outlive it.
  ProgressBar(std::ostream& out, bool enabled, std::string title, int width);
  ~ProgressBar();  // Ends the line.
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Update(int64_t done, int64_t total);

 private:
  std::ostream& out_;
  const bool enabled_;
  const std::string title_;
  const int width_;
  const absl::Time start_;
  absl::Time next_ = absl::InfinitePast();
  int64_t resumed_ = -1;
};

}  // namespace traind::client

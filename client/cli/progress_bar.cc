#include "client/cli/progress_bar.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/cli/terminal.h"
#include "client/cli/text.h"

namespace traind::client {

std::string RenderTransfer(const std::string& title, int64_t done, int64_t total, int64_t resumed,
                           absl::Duration elapsed, int width) {
  const bool known = total >= done;
  const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1;
  std::string facts =
      known ? absl::StrFormat(" %3d %%  %s of %s", static_cast<int>(100 * share), FormatBytes(done), FormatBytes(total))
            : FormatBytes(done);
  if (done > resumed) {
    const double rate = static_cast<double>(done - resumed) / std::max(absl::ToDoubleSeconds(elapsed), 1e-3);
    absl::StrAppend(&facts, "  ", FormatBytes(static_cast<int64_t>(rate)), "/s");
    if (done < total) {
      absl::StrAppend(&facts, "  ", FormatElapsed(absl::Seconds(static_cast<double>(total - done) / rate)), " left");
    }
  }
  const std::string name = Clip(Printable(title), std::max(width / 3, 8));
  const int bar = std::clamp(width - DisplayWidth(name) - DisplayWidth(facts) - 2, 5, 40);
  return Clip(absl::StrCat(name, "  ", known ? Bar(share, bar) : "", facts), width);
}

StatusLine::~StatusLine() {
  if (drawn_) out_ << "\n";
}

void StatusLine::Draw(const std::string& text) {
  if (!enabled_) return;
  drawn_ = true;
  out_ << "\r" << text << "\x1b[K" << std::flush;
}

ProgressBar::ProgressBar(std::ostream& out, bool enabled, std::string title, int width)
    : line_(out, enabled), title_(std::move(title)), width_(width), start_(absl::Now()) {}

void ProgressBar::Update(int64_t done, int64_t total) {
  if (resumed_ < 0) resumed_ = done;
  resumed_ = std::min(resumed_, done);
  const absl::Time now = absl::Now();
  if (now < next_ && done != total) return;
  next_ = now + kFrameTime;
  line_.Draw(RenderTransfer(title_, done, total, resumed_, now - start_, width_ - 1));
}

}  // namespace traind::client

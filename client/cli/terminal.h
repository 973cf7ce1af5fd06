// The terminal of the live view: its size, signals, and drawing in place. At most one Signals and one LiveScreen exist
// at a time; both belong to the main thread.
#pragma once

#include <csignal>
#include <ostream>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace traind::client {

// Between two drawings of what moves: ten a second look like movement.
inline constexpr absl::Duration kFrameTime = absl::Milliseconds(100);

struct TerminalSize {
  int width = 100;
  int height = 40;
};

// Of the terminal behind `descriptor`; else from COLUMNS and LINES; else the defaults above.
TerminalSize GetTerminalSize(int descriptor);

// TERM says "dumb": it understands no escape sequences, neither colours nor drawing in place.
bool IsDumbTerminal();

// Catches SIGINT, SIGTERM, SIGHUP and SIGWINCH while it lives, and restores the handlers.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  bool interrupted() const;  // One of the first three came.
  bool TakeResized();        // The window's size changed since the last call.

 private:
  struct sigaction before_[4];
};

// Draws frames over one another with ANSI sequences. The destructor leaves the last frame and gives the cursor back.
class LiveScreen {
 public:
  explicit LiveScreen(std::ostream& out);
  ~LiveScreen();
  LiveScreen(const LiveScreen&) = delete;
  LiveScreen& operator=(const LiveScreen&) = delete;

  // `frame`: lines ended by "\n", fewer than the terminal has.
  void Draw(const std::string& frame);
  void Clear();  // After a change of size, when the old frame may have been wrapped.

 private:
  std::ostream& out_;
  int lines_ = 0;  // Of the frame on the screen.
};

}  // namespace traind::client

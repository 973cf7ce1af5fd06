#include "client/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"

namespace traind::client {
namespace {

constexpr std::array<int, 4> kSignals = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};

volatile std::sig_atomic_t interrupted_flag = 0;
volatile std::sig_atomic_t resized_flag = 0;

void OnSignal(int signal) {
  if (signal == SIGWINCH) {
    resized_flag = 1;
  } else {
    interrupted_flag = 1;
  }
}

int FromEnvironment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  int value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) && value > 0 ? value : otherwise;
}

}  // namespace

TerminalSize GetTerminalSize(int descriptor) {
  winsize size = {};
  if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
    return {.width = size.ws_col, .height = size.ws_row};
  }
  const TerminalSize defaults;
  return {.width = FromEnvironment("COLUMNS", defaults.width), .height = FromEnvironment("LINES", defaults.height)};
}

bool IsDumbTerminal() {
  const char* term = std::getenv("TERM");
  return term != nullptr && std::string_view(term) == "dumb";
}

Signals::Signals() {
  interrupted_flag = 0;
  resized_flag = 0;
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = SA_RESTART;
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &before_[i]);
}

Signals::~Signals() {
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_[i], nullptr);
}

bool Signals::interrupted() const { return interrupted_flag != 0; }

bool Signals::TakeResized() {
  const bool resized = resized_flag != 0;
  resized_flag = 0;
  return resized;
}

// ?25: the cursor; ?7: wrapping at the right edge, which would break the count of lines while a window shrinks.
LiveScreen::LiveScreen(std::ostream& out) : out_(out) { out_ << "\x1b[?25l\x1b[?7l" << std::flush; }

LiveScreen::~LiveScreen() { out_ << "\x1b[?7h\x1b[?25h" << std::flush; }

void LiveScreen::Draw(const std::string& frame) {
  std::string text;
  if (lines_ > 0) text = "\x1b[" + std::to_string(lines_) + "A";
  text += "\r\x1b[K";
  // Each line is cleared before it is written: behind a full one the cursor stands on its last character. What lies
  // below the frame is cleared last. All in one write: no flicker.
  text += absl::StrReplaceAll(frame, {{"\n", "\n\x1b[K"}});
  text += "\x1b[J";
  out_ << text << std::flush;
  lines_ = static_cast<int>(std::count(frame.begin(), frame.end(), '\n'));
}

void LiveScreen::Clear() {
  out_ << "\x1b[2J\x1b[H";
  lines_ = 0;
}

}  // namespace traind::client

// The live view's terminal: what a person sees after each frame, signals, and sizes.
#include "client/cli/terminal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace traind::client {
namespace {

using ::testing::ElementsAre;

// What LiveScreen writes, on a screen of 40 columns without wrapping: text, \r, \n, and the sequences of ECMA-48 that
// it uses.
class Terminal {
 public:
  void Write(const std::string& text) {
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\x1b') {
        ASSERT_EQ(text[i + 1], '[');
        const size_t end = text.find_first_not_of("?0123456789", i + 2);
        Control(text.substr(i + 2, end - i - 2), text[end]);
        i = end;
      } else if (text[i] == '\r') {
        column_ = 0;
      } else if (text[i] == '\n') {
        column_ = 0;
        ++row_;
      } else {
        Line().resize(std::max(Line().size(), column_), ' ');
        Line().replace(column_, 1, 1, text[i]);
        column_ = std::min(column_ + 1, kWidth - 1);  // Behind a full line the cursor stays on its last character.
      }
    }
  }
  const std::vector<std::string>& lines() const { return lines_; }
  bool cursor() const { return cursor_; }
  bool wraps() const { return wraps_; }

 private:
  std::string& Line() {
    if (lines_.size() <= row_) lines_.resize(row_ + 1);
    return lines_[row_];
  }
  void Control(const std::string& number, char command) {
    if (command == 'A') {
      const auto up = static_cast<size_t>(std::stoi(number));
      ASSERT_LE(up, row_) << "above the first line";
      row_ -= up;
    } else if (command == 'K') {
      Line().resize(std::min(Line().size(), column_));
    } else if (command == 'J') {
      if (number == "2") lines_.clear();
      if (number.empty() && row_ < lines_.size()) {
        Line().resize(std::min(Line().size(), column_));
        lines_.resize(Line().empty() ? row_ : row_ + 1);
      }
    } else if (command == 'H') {
      row_ = column_ = 0;
    } else if (command == 'l' || command == 'h') {
      ASSERT_TRUE(number == "?25" || number == "?7") << number;
      (number == "?25" ? cursor_ : wraps_) = command == 'h';
    } else {
      FAIL() << "ESC [ " << number << command;
    }
  }

  static constexpr size_t kWidth = 40;

  std::vector<std::string> lines_;
  size_t row_ = 0, column_ = 0;
  bool cursor_ = true, wraps_ = true;
};

class LiveScreenTest : public ::testing::Test {
 protected:
  LiveScreenTest() { terminal_.Write("$ trainctl watch\n"); }
  // The terminal with what was written up to now.
  const Terminal& Seen() {
    terminal_.Write(out_.str());
    out_.str("");
    return terminal_;
  }

  std::ostringstream out_;
  Terminal terminal_;
  std::unique_ptr<LiveScreen> screen_ = std::make_unique<LiveScreen>(out_);
};

TEST_F(LiveScreenTest, AFrameCoversTheOneBefore) {
  screen_->Draw("first frame\nlong line\n");
  EXPECT_THAT(Seen().lines(), ElementsAre("$ trainctl watch", "first frame", "long line"));
  screen_->Draw("second\nb\n");
  EXPECT_THAT(Seen().lines(), ElementsAre("$ trainctl watch", "second", "b")) << "nothing of longer lines is left";
}

TEST_F(LiveScreenTest, AFullLineKeepsItsLastCharacter) {
  const std::string full = "0123456789012345678901234567890123456789";
  screen_->Draw(full + "\n" + full + "\n");
  EXPECT_THAT(Seen().lines(), ElementsAre("$ trainctl watch", full, full));
  screen_->Draw("short\n" + full + "\n");
  EXPECT_THAT(Seen().lines(), ElementsAre("$ trainctl watch", "short", full));
  screen_->Draw(full + "\n");
  EXPECT_THAT(Seen().lines(), ElementsAre("$ trainctl watch", full));
}

TEST_F(LiveScreenTest, FramesGrowAndShrink) {
  screen_->Draw("a\n");
  screen_->Draw("1\n2\n3\n4\n");
  EXPECT_THAT(Seen().lines(), ElementsAre("$ trainctl watch", "1", "2", "3", "4"));
  screen_->Draw("1\n2\n");
  EXPECT_THAT(Seen().lines(), ElementsAre("$ trainctl watch", "1", "2"));
  screen_->Draw("");
  EXPECT_THAT(Seen().lines(), ElementsAre("$ trainctl watch"));
  screen_->Draw("x\n");
  EXPECT_THAT(Seen().lines(), ElementsAre("$ trainctl watch", "x"));
}

TEST_F(LiveScreenTest, AfterAResizeTheFrameBeginsAtTheTop) {
  screen_->Draw("1\n2\n3\n");
  screen_->Clear();
  screen_->Draw("new\n");
  EXPECT_THAT(Seen().lines(), ElementsAre("new"));
  screen_->Draw("newer\n");
  EXPECT_THAT(Seen().lines(), ElementsAre("newer"));
}

TEST_F(LiveScreenTest, TheLastFrameStaysAndTheCursorComesBack) {
  screen_->Draw("frame\n");
  EXPECT_FALSE(Seen().cursor());
  EXPECT_FALSE(Seen().wraps());
  screen_.reset();
  EXPECT_TRUE(Seen().cursor());
  EXPECT_TRUE(Seen().wraps());
  terminal_.Write("$ ");
  EXPECT_THAT(Seen().lines(), ElementsAre("$ trainctl watch", "frame", "$ "));
}

TEST(SignalsTest, AreCaughtWhileItLives) {
  struct sigaction before = {}, after = {};
  sigaction(SIGINT, nullptr, &before);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const Signals signals;
    EXPECT_FALSE(signals.interrupted());
    std::raise(signal);
    EXPECT_TRUE(signals.interrupted()) << signal;
  }
  sigaction(SIGINT, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

TEST(SignalsTest, AResizeIsTakenOnce) {
  Signals signals;
  EXPECT_FALSE(signals.TakeResized());
  std::raise(SIGWINCH);
  std::raise(SIGWINCH);
  EXPECT_TRUE(signals.TakeResized());
  EXPECT_FALSE(signals.TakeResized());
  EXPECT_FALSE(signals.interrupted());
}

TEST(TerminalSizeTest, WithoutATerminalTheEnvironmentCounts) {
  constexpr int kNoTerminal = -1;
  setenv("COLUMNS", "20", 1);
  setenv("LINES", "7", 1);
  EXPECT_EQ(GetTerminalSize(kNoTerminal).width, 20);
  EXPECT_EQ(GetTerminalSize(kNoTerminal).height, 7);
  for (const char* nonsense : {"0", "-3", "wide", ""}) {
    setenv("COLUMNS", nonsense, 1);
    EXPECT_EQ(GetTerminalSize(kNoTerminal).width, TerminalSize().width) << nonsense;
  }
  unsetenv("COLUMNS");
  unsetenv("LINES");
  EXPECT_EQ(GetTerminalSize(kNoTerminal).height, TerminalSize().height);
}

}  // namespace
}  // namespace traind::client

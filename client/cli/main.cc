// trainctl: the command line of traind.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "client/cli/app.h"
#include "client/cli/terminal.h"

constexpr int kUncut = 1 << 20;

int main(int argc, char** argv) {
  // A reader that went away is an error of the write, not the end of the program.
  std::signal(SIGPIPE, SIG_IGN);
  const char* no_color = std::getenv("NO_COLOR");
  const bool out_is_terminal = isatty(STDOUT_FILENO) == 1;
  // What cannot be drawn on is written to line by line, as a pipe is.
  const bool drawable = !traind::client::IsDumbTerminal();
  const traind::client::Console console = {
      .out = std::cout,
      .err = std::cerr,
      .out_is_terminal = out_is_terminal && drawable,
      .err_is_terminal = isatty(STDERR_FILENO) == 1 && drawable,
      .color = out_is_terminal && drawable && (no_color == nullptr || *no_color == '\0'),
      // A pipe or a file takes all columns, uncut.
      .width = out_is_terminal ? traind::client::GetTerminalSize(STDOUT_FILENO).width : kUncut,
  };
  return traind::client::RunTrainctl(std::vector<std::string>(argv + 1, argv + argc), console);
}

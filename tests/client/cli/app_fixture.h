// Runs whole commands of trainctl against a server in the same process.
#pragma once

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "client/cli/app.h"
#include "tests/client/fake_server.h"
#include "tests/support/bytes.h"
#include "tests/support/temporary_folder.h"

namespace traind::client {

class AppTest : public ::testing::Test {
 protected:
  int Run(std::vector<std::string> arguments) {
    out_.str("");
    err_.str("");
    arguments.insert(arguments.begin(), {"--server", server_.address()});
    return RunTrainctl(
        arguments,
        {.out = out_, .err = err_, .out_is_terminal = terminal_, .err_is_terminal = terminal_, .width = width_});
  }
  // A job file of this test.
  std::string Write(const std::string& text) {
    WriteBytes(folder_ / "job.textproto", text);
    return folder_ / "job.textproto";
  }

  bool terminal_ = false;  // What the streams are.
  int width_ = 100;        // Columns.
  const TemporaryFolder folder_;
  FakeServer server_;
  std::ostringstream out_, err_;
};

}  // namespace traind::client

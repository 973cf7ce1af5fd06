// What the kernel says of the workers that a server runs: they have closed themselves off. traind-escapes shows what
// that means.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/integration/fixture.h"
#include "tests/support/bytes.h"

namespace traind::integration {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

using SandboxTest = IntegrationTest;

TEST_F(SandboxTest, AWorkerHasNoPrivilegesAndAFilterOfSystemCalls) {
  StartServer();
  EXPECT_THAT(server_->Log(), HasSubstr("workers are closed off by: environment, limits, privileges"));
  ImportPoints();
  const v1::Job job = Submit(PointsJob(1'000'000'000));
  AwaitJob(job.name(), [](const v1::Job& running) { return running.progress().step() > 0; });
  ASSERT_THAT(server_->Workers(), SizeIs(1));
  const std::string worker = "/proc/" + std::to_string(server_->Workers().front());
  const std::string status = ReadBytes(worker + "/status");
  EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1\n"));
  EXPECT_THAT(status, HasSubstr("Seccomp:\t2\n"));
  // None, or the one that a server of root leaves.
  for (const char* set : {"CapEff", "CapPrm"}) {
    EXPECT_THAT(status, AnyOf(HasSubstr(std::string(set) + ":\t0000000000000000\n"),
                              HasSubstr(std::string(set) + ":\t0000000000000002\n")));
  }
  const std::string limits = ReadBytes(worker + "/limits");
  EXPECT_THAT(limits, HasSubstr("Max core file size        0                    0 "));
  EXPECT_THAT(limits, HasSubstr("Max open files            4096                 4096 "));
  Steer(&Training::CancelJob, job.name());
}

}  // namespace
}  // namespace traind::integration

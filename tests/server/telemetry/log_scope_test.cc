#include "server/telemetry/log_scope.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace traind::server {
namespace {

constexpr char kTraceparent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(LogScope, ScopesNestAndAreOfOneThread) {
  EXPECT_EQ(CurrentLogFields().resource, "");
  {
    const LogScope of_call({.traceparent = kTraceparent});
    {
      const LogScope of_job({.resource = "jobs/a", .user = "ann"});
      EXPECT_EQ(CurrentLogFields().user, "ann");
      EXPECT_EQ(CurrentLogFields().resource, "jobs/a");
      EXPECT_EQ(CurrentLogFields().traceparent, kTraceparent) << "what the inner one does not say stays";
      std::thread([] { EXPECT_EQ(CurrentLogFields().resource, ""); }).join();
    }
    EXPECT_EQ(CurrentLogFields().resource, "");
    EXPECT_EQ(CurrentLogFields().traceparent, kTraceparent);
  }
  EXPECT_EQ(CurrentLogFields().traceparent, "");
}

// The cases of the W3C's recommendation "Trace Context", section 3.2.
TEST(TraceOf, TakesSoundOnesOnly) {
  EXPECT_EQ(TraceOf(kTraceparent), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(TraceOf("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-will-be-like"),
            "4bf92f3577b34da6a3ce929d0e0e4736")
      << "of a later version, which may say more";
  for (const char* wrong : {
           "",
           "4bf92f3577b34da6a3ce929d0e0e4736",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
           "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
           "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
           "00-4bf92f3577b34da6a3ce929d0e0e473x-00f067aa0ba902b7-01",
           "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
           "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
           "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
       }) {
    EXPECT_EQ(TraceOf(wrong), "") << wrong;
  }
}

}  // namespace
}  // namespace traind::server

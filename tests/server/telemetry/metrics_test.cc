// What is counted, and how Prometheus reads it. Whether Prometheus' own tools agree is looked at by .ci/run.
#include "server/telemetry/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "server/telemetry/samples.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kBounds[] = {0.1, 1, 10};

TEST(Histogram, AValueIsInTheBucketOfTheNextBound) {
  Histogram histogram(kBounds);
  for (const double value : {0.05, 0.1, 0.5, 1.5, 10.0, 11.0}) histogram.Observe(value);
  const Histogram::Snapshot read = histogram.Read();
  EXPECT_THAT(read.counts, ElementsAre(2, 1, 2, 1)) << "a bound belongs to its own bucket";
  EXPECT_DOUBLE_EQ(read.sum, 23.15);
}

TEST(Histogram, ThreadsLoseNothing) {
  Histogram histogram(kBounds);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) histogram.Observe(1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(histogram.Read().counts[1], 4000u);
  EXPECT_EQ(histogram.Read().sum, 4000);
}

TEST(Samples, AHistogramIsCumulative) {
  Histogram histogram(kBounds);
  for (const double value : {0.05, 0.5, 11.0}) histogram.Observe(value);
  Samples samples;
  samples.Add({"wait_seconds", "A wait"}, histogram, {{"kind", "a"}});
  samples.Gauge({"depth", "How deep"}, -3, {{"place", "a \"quoted\"\nline"}});
  samples.Counter({"done_total", "How many"}, 7);
  EXPECT_EQ(samples.Text(),
            "# HELP depth How deep\n"
            "# TYPE depth gauge\n"
            "depth{place=\"a \\\"quoted\\\"\\nline\"} -3\n"
            "# HELP done_total How many\n"
            "# TYPE done_total counter\n"
            "done_total 7\n"
            "# HELP wait_seconds A wait\n"
            "# TYPE wait_seconds histogram\n"
            "wait_seconds_count{kind=\"a\"} 3\n"
            "wait_seconds_sum{kind=\"a\"} 11.55\n"
            "wait_seconds_bucket{kind=\"a\",le=\"0.1\"} 1\n"
            "wait_seconds_bucket{kind=\"a\",le=\"1\"} 2\n"
            "wait_seconds_bucket{kind=\"a\",le=\"10\"} 2\n"
            "wait_seconds_bucket{kind=\"a\",le=\"+Inf\"} 3\n");
}

TEST(Metrics, CallsAreCountedByMethodAndCode) {
  Metrics metrics;
  MethodMetrics* get = metrics.OfMethod("traind.v1.TrainingService/GetJob");
  EXPECT_EQ(metrics.OfMethod("traind.v1.TrainingService/GetJob"), get);
  get->Begin();
  get->Begin();
  get->Answered(0, absl::Milliseconds(2));
  get->End();
  get->Answered(5, absl::Seconds(100));
  get->Answered(4711, absl::Seconds(1));  // No code of gRPC's.
  const std::string text = metrics.Text();
  const std::string labels = "{service=\"traind.v1.TrainingService\",method=\"GetJob\"";
  EXPECT_THAT(text, HasSubstr("traind_rpcs_in_flight" + labels + "} 1\n"));
  EXPECT_THAT(text, HasSubstr("traind_rpc_seconds_bucket" + labels + ",code=\"OK\",le=\"0.0025\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("traind_rpc_seconds_bucket" + labels + ",code=\"NOT_FOUND\",le=\"60\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("traind_rpc_seconds_count" + labels + ",code=\"NOT_FOUND\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("traind_rpc_seconds_count" + labels + ",code=\"UNKNOWN\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("code=\"INTERNAL\""))) << "what never was takes no room";
}

TEST(Metrics, SourcesAreAskedUntilTheyAreRemoved) {
  Metrics metrics;
  int asked = 0;
  metrics.AddSource([&](Samples& samples) { samples.Gauge({"asked", "How often"}, ++asked); });
  EXPECT_THAT(metrics.Text(), HasSubstr("asked 1\n"));
  EXPECT_THAT(metrics.Text(), HasSubstr("asked 2\n"));
  metrics.RemoveSources();
  EXPECT_THAT(metrics.Text(), Not(HasSubstr("asked")));
  EXPECT_EQ(asked, 2);
}

TEST(Metrics, TheProcessIsAmongThem) {
  const std::string text = Metrics().Text();
  for (const char* name : {"process_cpu_seconds_total ", "process_resident_memory_bytes ", "process_open_fds ",
                           "process_max_fds ", "process_start_time_seconds "}) {
    const size_t at = text.find(std::string("\n") + name);
    ASSERT_NE(at, std::string::npos) << name;
    EXPECT_GT(std::stod(text.substr(at + 1 + std::string(name).size())), 0) << name;
  }
}

}  // namespace
}  // namespace traind::server

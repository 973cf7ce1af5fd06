// Client's calls of SweepService: what is repeated, and with what.
#include <gmock/gmock.h>

#include <set>

#include "tests/client/fake_server.h"

namespace traind::client {
namespace {

TEST(SweepsTest, ASweepIsMadeOnceHoweverOftenItIsAskedFor) {
  FakeServer server;
  FakeClock clock;
  std::set<std::string> ids;
  int calls = 0;
  server.sweeps.create_sweep = [&](const v1::CreateSweepRequest& request, v1::Sweep* sweep) {
    ids.insert(request.request_id());
    if (++calls < 3) return Unavailable();
    sweep->set_name("sweeps/s");
    return grpc::Status::OK;
  };
  Client client = server.MakeClient(clock);
  const auto sweep = client.CreateSweep({});
  ASSERT_TRUE(sweep.ok()) << sweep.status();
  EXPECT_EQ(sweep->name(), "sweeps/s");
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(ids.begin()->size(), 32u);
  calls = 2;
  ASSERT_TRUE(client.CreateSweep({}).ok());
  EXPECT_EQ(ids.size(), 2u);  // Another one.
}

// A second call would find the trial running.
TEST(SweepsTest, ARerunIsAskedForOnce) {
  FakeServer server;
  FakeClock clock;
  int calls = 0;
  server.sweeps.rerun_trial = [&](const v1::RerunTrialRequest&, v1::Trial*) {
    ++calls;
    return Unavailable();
  };
  EXPECT_TRUE(absl::IsUnavailable(server.MakeClient(clock).RerunTrial("sweeps/s/trials/1").status()));
  EXPECT_EQ(calls, 1);
}

TEST(SweepsTest, TheLogComesWhole) {
  constexpr int64_t kEntries = 1234;
  FakeServer server;
  FakeClock clock;
  int calls = 0;
  server.sweeps.list_entries = [&](const v1::ListSweepEntriesRequest& request, v1::ListSweepEntriesResponse* response) {
    ++calls;
    EXPECT_EQ(request.parent(), "sweeps/s");
    EXPECT_EQ(request.page_size(), 500);
    for (int64_t i = request.after_sequence() + 1; i <= kEntries && response->entries_size() < 400; ++i) {
      response->add_entries()->set_sequence(i);
    }
    return grpc::Status::OK;
  };
  Client client = server.MakeClient(clock);
  const auto entries = client.ListSweepEntries("sweeps/s", 10);
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), static_cast<size_t>(kEntries - 10));
  for (size_t i = 0; i < entries->size(); ++i) EXPECT_EQ((*entries)[i].sequence(), static_cast<int64_t>(i) + 11);
  EXPECT_EQ(calls, 5) << "a page may be shorter than asked for: only one of nothing is the end";
  EXPECT_TRUE(client.ListSweepEntries("sweeps/s", kEntries)->empty());
}

TEST(SweepsTest, TrialsComePageByPage) {
  FakeServer server;
  FakeClock clock;
  server.sweeps.list_trials = [](const v1::ListTrialsRequest& request, v1::ListTrialsResponse* response) {
    EXPECT_EQ(request.order_by(), "objective");
    const uint32_t first = request.page_token().empty() ? 1 : 3;
    for (uint32_t i = first; i < first + 2; ++i) response->add_trials()->set_number(i);
    if (first == 1) response->set_next_page_token("more");
    return grpc::Status::OK;
  };
  const auto trials = server.MakeClient(clock).ListTrials("sweeps/s", {.order_by = "objective"});
  ASSERT_TRUE(trials.ok()) << trials.status();
  ASSERT_EQ(trials->size(), 4u);
  EXPECT_EQ(trials->back().number(), 4u);
}

}  // namespace
}  // namespace traind::client

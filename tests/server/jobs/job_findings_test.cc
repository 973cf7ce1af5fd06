// Findings stand in a job's log right behind what they were made of, once, whatever is killed.
#include <map>

#include "gmock/gmock.h"
#include "server/services/findings.h"
#include "tests/server/jobs/job_manager_fixture.h"
#include "tests/support/text_proto.h"

namespace traind::server {
namespace {

using testing::ElementsAre;

class JobFindings : public JobManagerTest {
 protected:
  static JobManager::NewJob JobWithNetwork() {
    JobManager::NewJob request = NewJob("a");
    request.job.mutable_progress()->set_total_steps(1000);
    *request.job.mutable_resolved_spec() = FromText<v1::JobSpec>(R"(
        network {
          input_shape: 4
          layers { name: "hidden" dense { units: 8 bias: true weight_init { constant { value: 1 } } } activation { relu {} } }
          layers { name: "out" dense { units: 2 bias: true weight_init { kaiming {} } } }
        }
        data { dataset: "datasets/digits" } batch_size: 8
        insight { profile: PROFILE_DEFAULT })");
    return request;
  }

  // What a worker says from one step to another: half of the units are dead, and the loss stays.
  static std::vector<v1::Event> Steps(uint64_t from, uint64_t to) {
    std::vector<v1::Event> events;
    for (uint64_t step = from; step <= to; step += 10) {
      events.push_back(Train(step, 0.7));
      v1::Event& event = events.emplace_back();
      event.set_step(step);
      v1::LayerStatistics& layer = *event.mutable_statistics()->add_layers();
      layer.set_layer("hidden");
      layer.set_units(8);
      layer.set_dead_units(6);
    }
    return events;
  }

  // The log without states, numbers and times.
  std::vector<std::string> Log() {
    std::vector<std::string> log;
    for (v1::Event event : Events("a")) {
      if (event.has_state()) continue;
      event.clear_sequence();
      event.clear_time();
      log.push_back(event.ShortDebugString());
    }
    return log;
  }
  std::vector<std::string> Ids() {
    std::vector<std::string> ids;
    const auto findings =
        ReadFindings(*log_, store_->GetJob("a")->key, Get("a").last_sequence(), false, [] { return absl::OkStatus(); });
    EXPECT_TRUE(findings.ok()) << findings.status();
    for (const v1::Finding& finding : findings->findings()) ids.push_back(finding.id());
    return ids;
  }
};

TEST_F(JobFindings, AreNumberedRightBehindWhatTheyWereMadeOf) {
  ASSERT_TRUE(Submit(JobWithNetwork()).ok());
  ASSERT_TRUE(launcher_.Await(1)->Send(Steps(10, 30)).ok());
  const auto events = Events("a");
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].sequence(), static_cast<int64_t>(i) + 1);
  EXPECT_EQ(Get("a").last_sequence(), static_cast<int64_t>(events.size()));
  EXPECT_EQ(events[3].finding().id(), "no_symmetry_breaking/hidden") << "with the first event";
  EXPECT_TRUE(events.back().has_finding());
  EXPECT_EQ(events.back().finding().id(), "dead_relu/hidden");
  EXPECT_EQ(events.back().step(), 30u);
  EXPECT_TRUE(events[events.size() - 2].has_statistics());
}

TEST_F(JobFindings, AreTheSameWhateverIsKilled) {
  ASSERT_TRUE(Submit(JobWithNetwork()).ok());
  ASSERT_TRUE(launcher_.Await(1)->Send(Steps(10, 900)).ok());
  const std::vector<std::string> whole = Log();
  EXPECT_THAT(Ids(), ElementsAre("no_symmetry_breaking/hidden", "dead_relu/hidden", "loss_not_falling"));
  launcher_.Await(1)->End(Kind::kFinished);
  AwaitState("a", v1::JOB_STATE_SUCCEEDED);
  ASSERT_TRUE(manager_->Delete("a").ok());

  ASSERT_TRUE(Submit(JobWithNetwork()).ok());
  ASSERT_TRUE(launcher_.Await(2)->Send(Steps(10, 250)).ok());
  launcher_.Await(2)->End(Kind::kCrashed);
  ASSERT_TRUE(launcher_.Await(3)->Send(Steps(150, 300)).ok()) << "a worker that goes on from step 140";
  Stop();
  Start();
  ASSERT_TRUE(launcher_.Await(4)->Send(Steps(210, 900)).ok()) << "under a server that was killed";
  EXPECT_EQ(Log(), whole);
}

TEST_F(JobFindings, OfTheWorkerAreStoredOnce) {
  ASSERT_TRUE(Submit(JobWithNetwork()).ok());
  v1::Event event;
  event.set_step(20);
  *event.mutable_finding() = FromText<v1::Finding>(
      "id: 'non_finite/hidden' rule: 'non_finite' severity: SEVERITY_CRITICAL state: STATE_OPEN layer: 'hidden'");
  ASSERT_TRUE(launcher_.Await(1)->Send({Train(10, 0.5), event}).ok());
  launcher_.Await(1)->End(Kind::kCrashed);
  ASSERT_TRUE(launcher_.Await(2)->Send({event}).ok());
  EXPECT_THAT(Ids(), ElementsAre("non_finite/hidden", "no_symmetry_breaking/hidden"));
  const auto events = Events("a");
  EXPECT_EQ(std::count_if(events.begin(), events.end(),
                          [](const v1::Event& one) { return one.finding().id() == "non_finite/hidden"; }),
            1);
}

TEST_F(JobFindings, AJobThatWantsNoneHasNone) {
  JobManager::NewJob job = JobWithNetwork();
  job.job.mutable_resolved_spec()->mutable_insight()->set_profile(v1::InsightSpec::PROFILE_OFF);
  ASSERT_TRUE(Submit(job).ok());
  ASSERT_TRUE(launcher_.Await(1)->Send(Steps(10, 900)).ok());
  EXPECT_THAT(Ids(), ElementsAre());
}

TEST(SortFindings, CausesComeFirstEachFollowedByWhatItExplains) {
  std::vector<v1::Finding> findings(4);
  findings[0] = FromText<v1::Finding>("id: 'info' severity: SEVERITY_INFO");
  findings[1] = FromText<v1::Finding>("id: 'effect' severity: SEVERITY_CRITICAL root: 'cause' first_step: 5");
  findings[2] = FromText<v1::Finding>("id: 'cause' severity: SEVERITY_WARNING first_step: 9");
  findings[3] = FromText<v1::Finding>("id: 'worse' severity: SEVERITY_CRITICAL first_step: 20");
  SortFindings(findings);
  std::vector<std::string> ids;
  for (const v1::Finding& finding : findings) ids.push_back(finding.id());
  EXPECT_THAT(ids, ElementsAre("worse", "cause", "effect", "info"));
}

}  // namespace
}  // namespace traind::server

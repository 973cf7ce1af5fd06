#include "client/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <utility>

#include "client/errors.h"
#include "tests/client/fake_server.h"
#include "traind/rpc/error_details.pb.h"
#include "traind/rpc/status.pb.h"

namespace traind::client {
namespace {

using ::testing::ElementsAre;

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() {
    server_.training.get_job = [](const v1::GetJobRequest& request, v1::Job* job) {
      job->set_name(request.name());
      job->set_uid("first");
      return grpc::Status::OK;
    };
  }

  absl::Notification watching_, released_;  // Outlive the server, whose threads wait for them.
  FakeServer server_;
  FakeClock clock_;
  Client client_ = server_.MakeClient(clock_);
};

TEST_F(ClientTest, CreateJobIsRetriedUnderOneRequestId) {
  std::vector<std::string> ids;
  server_.training.create_job = [&](const v1::CreateJobRequest& request, v1::Job* job) {
    ids.push_back(request.request_id());
    if (ids.size() < 3) return Unavailable();
    job->set_name("jobs/a");
    return grpc::Status::OK;
  };
  const absl::StatusOr<v1::Job> job = client_.CreateJob({});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->name(), "jobs/a");
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 1u);
  EXPECT_EQ(ids[0].size(), 32u);
  ASSERT_TRUE(client_.CreateJob({}).ok());
  EXPECT_NE(ids[3], ids[0]);
}

TEST_F(ClientTest, WhatIsNotIdempotentIsCalledOnce) {
  int calls = 0;
  server_.training.delete_job = [&](const v1::DeleteJobRequest&) {
    ++calls;
    return Unavailable();
  };
  EXPECT_TRUE(absl::IsUnavailable(client_.DeleteJob("jobs/a")));
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(clock_.sleeps().empty());
}

TEST_F(ClientTest, ListFollowsThePages) {
  server_.training.list_jobs = [](const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    EXPECT_EQ(request.filter(), "state = RUNNING");
    response->add_jobs()->set_name("jobs/" + request.page_token());
    if (request.page_token().empty()) response->set_next_page_token("b");
    if (request.page_token() == "b") response->set_next_page_token("c");
    return grpc::Status::OK;
  };
  const auto jobs = client_.ListJobs({.filter = "state = RUNNING"});
  ASSERT_TRUE(jobs.ok());
  ASSERT_EQ(jobs->size(), 3u);
  EXPECT_EQ((*jobs)[2].name(), "jobs/c");
}

TEST_F(ClientTest, ALimitEndsAListInTheMiddle) {
  std::vector<int> sizes;
  server_.training.list_jobs = [&](const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    EXPECT_EQ(request.order_by(), "priority desc");
    sizes.push_back(request.page_size());
    for (int i = 0; i < 400 && i < request.page_size(); ++i) response->add_jobs();  // A page may be short.
    response->set_next_page_token("more");
    return grpc::Status::OK;
  };
  const auto jobs = client_.ListJobs({.order_by = "priority desc", .limit = 700});
  ASSERT_TRUE(jobs.ok());
  EXPECT_EQ(jobs->size(), 700u);
  EXPECT_THAT(sizes, ElementsAre(500, 300));
}

// What the server would do twice is asked for once; what it knows again, or does not mind, is repeated.
TEST_F(ClientTest, RetriesAreMadeWhereTheyAreSafe) {
  int calls = 0;
  const auto fail = [&](const auto&, auto*) {
    ++calls;
    return Unavailable();
  };
  server_.training.pause_job = fail;
  server_.training.extend_job = fail;
  server_.training.update_job = fail;
  server_.training.fork_job = fail;
  server_.datasets.import_dataset = fail;
  const auto count = [&](const absl::Status& status) {
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    return std::exchange(calls, 0);
  };
  EXPECT_EQ(count(client_.PauseJob("jobs/a").status()), 5);
  EXPECT_EQ(count(client_.PauseJob("jobs/a", "etag").status()), 1);
  v1::ExtendJobRequest extend;
  EXPECT_EQ(count(client_.ExtendJob(extend).status()), 1);
  extend.set_validate_only(true);
  EXPECT_EQ(count(client_.ExtendJob(extend).status()), 5);
  v1::UpdateJobRequest update;
  EXPECT_EQ(count(client_.UpdateJob(update).status()), 5);
  update.mutable_job()->set_etag("etag");
  EXPECT_EQ(count(client_.UpdateJob(update).status()), 1);
  EXPECT_EQ(count(client_.ForkJob({}).status()), 5);
  EXPECT_EQ(count(client_.ImportDataset({}).status()), 5);
}

TEST_F(ClientTest, ARetriedImportHasOneRequestId) {
  std::set<std::string> ids;
  server_.datasets.import_dataset = [&](const v1::ImportDatasetRequest& request, v1::Operation*) {
    return ids.insert(request.request_id()).second ? Unavailable() : grpc::Status::OK;
  };
  EXPECT_TRUE(client_.ImportDataset({}).ok());
  EXPECT_EQ(ids.size(), 1u);
  EXPECT_EQ(ids.begin()->size(), 32u);
}

TEST_F(ClientTest, ViolationsArriveWithTheirFields) {
  server_.training.create_job = [](const v1::CreateJobRequest&, v1::Job*) {
    return InvalidFields({"spec.batch_size", "spec.network.layers[1].dense.units"}, "must be at least 1",
                         "two fields are wrong");
  };
  const absl::Status status = client_.CreateJob({}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "two fields are wrong");
  const std::vector<FieldViolation> violations = FieldViolations(status);
  ASSERT_EQ(violations.size(), 2u);
  EXPECT_EQ(violations[0].field, "spec.batch_size");
  EXPECT_EQ(violations[1].field, "spec.network.layers[1].dense.units");
  EXPECT_EQ(violations[1].description, "must be at least 1");
}

TEST(MakeStatusTest, DetailsThatAreNotAStatusLeaveTheRest) {
  const absl::Status status = MakeStatus(5, "gone", "\xff\xff not a message");
  EXPECT_EQ(Said(status), "NOT_FOUND: gone");
  EXPECT_TRUE(FieldViolations(status).empty());
  EXPECT_TRUE(MakeStatus(0, "", "").ok());
}

// --- WatchJob

v1::WatchJobResponse Events(std::initializer_list<int64_t> sequences) {
  v1::WatchJobResponse response;
  for (const int64_t sequence : sequences) response.add_events()->set_sequence(sequence);
  return response;
}

// Reads the watch to its end.
absl::Status ReadAll(JobWatch& watch, std::vector<int64_t>* sequences) {
  while (true) {
    const absl::StatusOr<std::optional<v1::Event>> event = watch.Next();
    if (!event.ok()) return event.status();
    if (!event->has_value()) return absl::OkStatus();
    sequences->push_back((*event)->sequence());
  }
}

TEST_F(ClientTest, AWatchGoesOnAfterBrokenStreamsAndNeverRepeats) {
  std::vector<int64_t> asked;
  server_.training.watch_job = [&](const v1::WatchJobRequest& request,
                                   grpc::ServerWriter<v1::WatchJobResponse>* writer) {
    asked.push_back(request.after_sequence());
    switch (asked.size()) {
      case 1:
        writer->Write(Events({1, 2}));
        writer->Write(Events({3}));
        return Unavailable();
      case 2:
        return grpc::Status(grpc::StatusCode::CANCELLED, "the server shuts down");
      case 3:
        writer->Write(Events({2, 3, 4}));  // Repeats two.
        return Unavailable();
      default:
        writer->Write(Events({5, 6}));
        return grpc::Status::OK;
    }
  };
  v1::WatchJobRequest request;
  request.set_name("jobs/a");
  std::vector<int64_t> sequences;
  const auto watch = client_.WatchJob(request);
  EXPECT_TRUE(ReadAll(*watch, &sequences).ok());
  EXPECT_THAT(sequences, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(asked, ElementsAre(0, 3, 3, 4));
  EXPECT_EQ(clock_.sleeps().size(), 3u);
  EXPECT_LE(clock_.sleeps()[2], absl::Milliseconds(100)) << "progress begins the waits anew";
}

TEST_F(ClientTest, AWatchGivesUpAfterItsPolicyAndAtOnceOnOtherErrors) {
  int calls = 0;
  server_.training.watch_job = [&](const v1::WatchJobRequest&, grpc::ServerWriter<v1::WatchJobResponse>*) {
    ++calls;
    return Unavailable();
  };
  std::vector<int64_t> sequences;
  EXPECT_TRUE(absl::IsUnavailable(ReadAll(*client_.WatchJob({}), &sequences)));
  EXPECT_EQ(calls, 30);
  server_.training.get_job = [](const v1::GetJobRequest&, v1::Job*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no jobs/a");
  };
  EXPECT_EQ(Said(ReadAll(*client_.WatchJob({}), &sequences)), "NOT_FOUND: no jobs/a");
  EXPECT_TRUE(sequences.empty());
}

TEST_F(ClientTest, AWatchThatIsCutNowAndThenGoesOnThoughNothingCame) {
  int calls = 0;
  server_.training.watch_job = [&](const v1::WatchJobRequest&, grpc::ServerWriter<v1::WatchJobResponse>* writer) {
    if (++calls < 100) {
      clock_.Sleep(absl::Hours(1), nullptr);
      return Unavailable();
    }
    writer->Write(Events({1}));
    return grpc::Status::OK;
  };
  std::vector<int64_t> sequences;
  EXPECT_TRUE(ReadAll(*client_.WatchJob({}), &sequences).ok());
  EXPECT_THAT(sequences, ElementsAre(1));
}

TEST_F(ClientTest, AWatchNeverGoesOnInAnotherJobOfTheSameName) {
  std::vector<std::string> uids;
  server_.training.watch_job = [&](const v1::WatchJobRequest& request,
                                   grpc::ServerWriter<v1::WatchJobResponse>* writer) {
    uids.push_back(request.uid());
    if (uids.size() > 1) return grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no jobs/a of this uid");
    writer->Write(Events({1}));
    return Unavailable();
  };
  v1::WatchJobRequest request;
  request.set_name("jobs/a");
  std::vector<int64_t> sequences;
  EXPECT_EQ(Said(ReadAll(*client_.WatchJob(request), &sequences)), "NOT_FOUND: jobs/a was deleted");
  EXPECT_THAT(sequences, ElementsAre(1));
  EXPECT_THAT(uids, ElementsAre("first", "first"));
}

TEST_F(ClientTest, AGapInAnUnfilteredStreamIsDataLoss) {
  server_.training.watch_job = [](const v1::WatchJobRequest&, grpc::ServerWriter<v1::WatchJobResponse>* writer) {
    writer->Write(Events({1, 3}));
    return grpc::Status::OK;
  };
  std::vector<int64_t> sequences;
  EXPECT_TRUE(absl::IsDataLoss(ReadAll(*client_.WatchJob({}), &sequences)));
  EXPECT_THAT(sequences, ElementsAre(1));
  v1::WatchJobRequest filtered;
  filtered.add_kinds(v1::EVENT_KIND_TRAIN);
  sequences.clear();
  EXPECT_TRUE(ReadAll(*client_.WatchJob(filtered), &sequences).ok());
  EXPECT_THAT(sequences, ElementsAre(1, 3));
}

TEST_F(ClientTest, CancelWakesAWatchThatWaits) {
  server_.training.watch_job = [&](const v1::WatchJobRequest&, grpc::ServerWriter<v1::WatchJobResponse>* writer) {
    writer->Write(Events({1}));
    watching_.Notify();
    released_.WaitForNotification();
    return grpc::Status::OK;
  };
  const auto watch = client_.WatchJob({});
  std::vector<int64_t> sequences;
  absl::Status status;
  std::thread reader([&] { status = ReadAll(*watch, &sequences); });
  watching_.WaitForNotification();
  watch->Cancel();
  reader.join();
  released_.Notify();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

}  // namespace
}  // namespace traind::client

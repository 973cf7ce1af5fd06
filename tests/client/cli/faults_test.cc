// Bad files, outputs that cannot be written, and how faults are told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <sstream>
#include <string>
#include <vector>

#include "tests/client/cli/app_fixture.h"
#include "traind/rpc/error_details.pb.h"
#include "traind/rpc/status.pb.h"

namespace traind::client {
namespace {

using ::testing::HasSubstr;

class FaultsTest : public AppTest {};

// A disk that is full.
class FullBuffer : public std::stringbuf {
 protected:
  int sync() override {
    errno = ENOSPC;
    return -1;
  }
};

TEST_F(FaultsTest, OutputThatCannotBeWrittenFails) {
  server_.training.list_jobs = [](const v1::ListJobsRequest&, v1::ListJobsResponse* response) {
    response->add_jobs()->set_name("jobs/a");
    return grpc::Status::OK;
  };
  FullBuffer full;
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"list"}, {"list", "--json"}, {"--help"}, {"completion", "bash"}}) {
    std::ostream out(&full);
    std::vector<std::string> all = {"--server", server_.address()};
    all.insert(all.end(), arguments.begin(), arguments.end());
    err_.str("");
    EXPECT_EQ(RunTrainctl(all, {.out = out, .err = err_}), 1) << arguments[0];
    EXPECT_THAT(err_.str(), HasSubstr("error: the output could not be written")) << arguments[0];
  }
}

TEST_F(FaultsTest, AFolderIsNoJobFile) {
  for (const char* command : {"run", "submit", "describe", "probe"}) {
    EXPECT_EQ(Run({command, folder_.path()}), 1) << command;
    EXPECT_THAT(err_.str(), HasSubstr(folder_.path() + " is a folder, not a file")) << command;
    EXPECT_EQ(Run({command, "/dev/zero"}), 1) << command;
    EXPECT_THAT(err_.str(), HasSubstr("/dev/zero has more than 64 MiB")) << command;
    EXPECT_EQ(Run({command, folder_ / "none"}), 1) << command;
    EXPECT_THAT(err_.str(), HasSubstr("cannot open")) << command;
  }
}

TEST_F(FaultsTest, ATimeoutIsANumber) {
  for (const char* value : {"nan", "inf", "-1", "0", "1e300", "x", ""}) {
    EXPECT_EQ(Run({"list", "--timeout", value}), 2) << value;
    EXPECT_THAT(err_.str(), HasSubstr("--timeout")) << value;
  }
}

// Describe and probe ask CreateJob for the shape, and say what is wrong as submit does.
TEST_F(FaultsTest, EachCommandPointsIntoTheJobFile) {
  server_.training.create_job = [](const v1::CreateJobRequest&, v1::Job*) {
    return InvalidFields({"spec.network.layers[0].dense.units"}, "must be at least 1");
  };
  const std::string file = Write("data { dataset: \"fashion\" }\nnetwork { layers { dense { units: 0 } } }\n");
  for (const char* command : {"submit", "run", "describe", "probe"}) {
    EXPECT_EQ(Run({command, file}), 4) << command;
    EXPECT_THAT(err_.str(), HasSubstr(file + ":2:28: network.layers[0].dense.units: must be at least 1")) << command;
    EXPECT_THAT(err_.str(), HasSubstr("\n  2 | network { layers")) << command;
  }
}

// With a shape of its own the network alone is asked about, and its violations begin there.
TEST_F(FaultsTest, AQuestionAboutTheNetworkPointsIntoTheJobFileToo) {
  const grpc::Status wrong = InvalidFields({"network.layers[0].dense.units"}, "must be at least 1");
  server_.training.describe_network = [&](const v1::DescribeNetworkRequest&, v1::NetworkDescription*) { return wrong; };
  server_.training.probe_network = [&](const v1::ProbeNetworkRequest&, v1::ProbeNetworkResponse*) { return wrong; };
  const std::string file = Write("epochs: 1\nnetwork { input_shape: [4] layers { dense { units: 0 } } }\n");
  for (const char* command : {"describe", "probe"}) {
    EXPECT_EQ(Run({command, file}), 4) << command;
    EXPECT_THAT(err_.str(), HasSubstr(file + ":2:45: network.layers[0].dense.units: must be at least 1")) << command;
  }
}

TEST_F(FaultsTest, AFailedJobSaysItsSentenceOnce) {
  const std::string sentence = "the loss of step 7 is not a finite number";
  server_.training.get_job = [](const v1::GetJobRequest& request, v1::Job* job) {
    job->set_name(request.name());
    job->set_state(v1::JOB_STATE_RUNNING);
    job->set_last_sequence(1);
    return grpc::Status::OK;
  };
  server_.training.watch_job = [&](const v1::WatchJobRequest&, grpc::ServerWriter<v1::WatchJobResponse>* writer) {
    v1::WatchJobResponse response;
    v1::Event* event = response.add_events();
    event->set_sequence(1);
    event->mutable_state()->set_state(v1::JOB_STATE_FAILED);
    event->mutable_state()->set_reason(sentence);
    event->mutable_state()->mutable_error()->set_message(sentence);
    writer->Write(response);
    return grpc::Status::OK;
  };
  const auto count = [&] {
    int found = 0;
    for (size_t at = out_.str().find(sentence); at != std::string::npos; at = out_.str().find(sentence, at + 1))
      ++found;
    return found;
  };
  EXPECT_EQ(Run({"watch", "a"}), 6);
  EXPECT_EQ(count(), 1) << out_.str();
  EXPECT_THAT(out_.str(), HasSubstr("error=\"" + sentence));
  server_.training.get_job = [&](const v1::GetJobRequest& request, v1::Job* job) {
    job->set_name(request.name());
    job->set_state(v1::JOB_STATE_FAILED);
    job->set_last_sequence(1);
    job->set_state_reason(sentence);
    job->mutable_error()->set_message(sentence);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"get", "a"}), 0);
  EXPECT_EQ(count(), 1) << out_.str();
  EXPECT_EQ(Run({"watch", "a", "--snapshot"}), 0);
  EXPECT_EQ(count(), 1) << out_.str();
}

}  // namespace
}  // namespace traind::client

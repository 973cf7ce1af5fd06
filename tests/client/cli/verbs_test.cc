// What steers jobs: pause, resume, stop, extend, fork, cancel, delete, update, label, wait.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/client/cli/app_fixture.h"

namespace traind::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class VerbsTest : public AppTest {
 protected:
  // Answers with the job in `state` and notes the name; jobs/gone is NOT_FOUND.
  auto Answering(v1::JobState state) {
    return [this, state](const auto& request, v1::Job* job) {
      names_.push_back(request.name());
      if (request.name() == "jobs/gone") return grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no jobs/gone");
      job->set_name(request.name());
      job->set_state(state);
      return grpc::Status::OK;
    };
  }
  // The job's stream is these states.
  void ServeStates(std::vector<v1::JobState> states, const std::string& reason = "") {
    server_.training.get_job = [states, reason](const v1::GetJobRequest& request, v1::Job* job) {
      job->set_name(request.name());
      job->set_uid("u");
      job->set_state(states.back());
      job->set_state_reason(reason);
      return grpc::Status::OK;
    };
    server_.training.watch_job = [states](const v1::WatchJobRequest& request,
                                          grpc::ServerWriter<v1::WatchJobResponse>* writer) {
      EXPECT_THAT(request.kinds(), ElementsAre(v1::EVENT_KIND_STATE));
      EXPECT_EQ(request.uid(), "u");
      v1::WatchJobResponse response;
      for (const v1::JobState state : states) {
        v1::Event* event = response.add_events();
        event->set_sequence(response.events_size());
        event->mutable_state()->set_state(state);
      }
      writer->Write(response);
      return grpc::Status::OK;
    };
  }

  std::vector<std::string> names_;
};

TEST_F(VerbsTest, VerbsTakeSeveralNamesAndSayTheNewState) {
  server_.training.pause_job = Answering(v1::JOB_STATE_PAUSING);
  server_.training.resume_job = Answering(v1::JOB_STATE_QUEUED);
  server_.training.stop_job = Answering(v1::JOB_STATE_STOPPING);
  server_.training.cancel_job = Answering(v1::JOB_STATE_CANCELLING);
  EXPECT_EQ(Run({"pause", "a", "jobs/b"}), 0);
  EXPECT_EQ(out_.str(), "jobs/a PAUSING\njobs/b PAUSING\n");
  EXPECT_EQ(Run({"resume", "a"}), 0);
  EXPECT_EQ(out_.str(), "jobs/a QUEUED\n");
  EXPECT_EQ(Run({"stop", "a", "--json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_.str())["state"], "JOB_STATE_STOPPING");
  EXPECT_EQ(Run({"cancel", "a"}), 0);
  EXPECT_EQ(out_.str(), "jobs/a CANCELLING\n");
}

TEST_F(VerbsTest, AnErrorDoesNotKeepTheOthersFromBeingDone) {
  server_.training.cancel_job = Answering(v1::JOB_STATE_CANCELLED);
  EXPECT_EQ(Run({"cancel", "a", "gone", "c"}), 3);
  EXPECT_THAT(names_, ElementsAre("jobs/a", "jobs/gone", "jobs/c"));
  EXPECT_EQ(out_.str(), "jobs/a CANCELLED\njobs/c CANCELLED\n");
  EXPECT_EQ(err_.str(), "error: there is no jobs/gone\n");
  EXPECT_EQ(Run({"cancel"}), 2);
}

TEST_F(VerbsTest, AFilterChoosesJobsAndNeedsAYes) {
  std::string filter;
  server_.training.list_jobs = [&](const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    filter = request.filter();
    if (filter != "state = PAUSED") {
      response->add_jobs()->set_name("jobs/a");
      response->add_jobs()->set_name("jobs/b");
    }
    return grpc::Status::OK;
  };
  server_.training.delete_job = [&](const v1::DeleteJobRequest& request) {
    names_.push_back(request.name());
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"delete", "--filter", "state = FAILED"}), 2);
  EXPECT_EQ(filter, "state = FAILED");
  EXPECT_EQ(out_.str(), "jobs/a\njobs/b\n");
  EXPECT_THAT(err_.str(), HasSubstr("say --yes to delete these 2 jobs"));
  EXPECT_TRUE(names_.empty());
  EXPECT_EQ(Run({"rm", "--filter", "state = FAILED", "-l", "team=vision", "--yes"}), 0) << err_.str();
  EXPECT_EQ(filter, "labels.team = \"vision\" AND (state = FAILED)");
  EXPECT_THAT(names_, ElementsAre("jobs/a", "jobs/b"));
  EXPECT_EQ(Run({"delete", "--filter", "state = PAUSED", "--yes"}), 0);
  EXPECT_THAT(err_.str(), HasSubstr("no such jobs"));
  EXPECT_EQ(Run({"delete", "a", "--filter", "state = FAILED"}), 2) << "names or a filter";
  EXPECT_EQ(Run({"delete", "--yes"}), 2);
  EXPECT_EQ(names_.size(), 2u);
}

TEST_F(VerbsTest, DeleteAndCancelTakeOperations) {
  server_.training.delete_job = [&](const v1::DeleteJobRequest& request) {
    names_.push_back(request.name());
    return grpc::Status::OK;
  };
  server_.operations.remove = [&](const v1::DeleteOperationRequest& request) {
    names_.push_back(request.name());
    return grpc::Status::OK;
  };
  server_.operations.cancel = [&](const v1::CancelOperationRequest& request, v1::Operation* operation) {
    v1::OperationMetadata metadata;
    metadata.set_state(v1::OPERATION_STATE_CANCELLING);
    operation->set_name(request.name());
    operation->mutable_metadata()->PackFrom(metadata);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"delete", "a", "operations/o"}), 0);
  EXPECT_THAT(names_, ElementsAre("jobs/a", "operations/o"));
  EXPECT_EQ(Run({"cancel", "operations/o"}), 0);
  EXPECT_EQ(out_.str(), "operations/o CANCELLING\n");
}

TEST_F(VerbsTest, ExtendWarnsBeforeItDoesIt) {
  std::vector<bool> validated;
  server_.training.extend_job = [&](const v1::ExtendJobRequest& request, v1::Job* job) {
    EXPECT_EQ(request.epochs(), 10u);
    validated.push_back(request.validate_only());
    job->set_name(request.name());
    job->set_state(v1::JOB_STATE_QUEUED);
    job->mutable_progress()->set_step(400);
    job->mutable_progress()->set_total_steps(1000);
    job->add_warnings("the schedule spans the whole job");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"extend", "a", "--epochs", "10", "--dry-run"}), 0);
  EXPECT_THAT(validated, ElementsAre(true));
  EXPECT_EQ(out_.str(), "jobs/a would train from step 400 to step 1000\n");
  EXPECT_EQ(err_.str(), "warning: the schedule spans the whole job\n");
  validated.clear();
  EXPECT_EQ(Run({"extend", "a", "--epochs", "10"}), 0);
  EXPECT_THAT(validated, ElementsAre(true, false));
  EXPECT_EQ(out_.str(), "jobs/a QUEUED\n");
  EXPECT_EQ(err_.str(), "warning: the schedule spans the whole job\n");
  EXPECT_EQ(Run({"extend", "a"}), 2);
  EXPECT_EQ(Run({"extend", "a", "--epochs", "1", "--steps", "1"}), 2);
}

TEST_F(VerbsTest, ForkBeginsAtACheckpoint) {
  v1::ForkJobRequest sent;
  server_.training.fork_job = [&](const v1::ForkJobRequest& request, v1::Job* job) {
    sent = request;
    job->set_name("jobs/new");
    job->set_state(v1::JOB_STATE_QUEUED);
    job->set_forked_from("jobs/cnn/checkpoints/400");
    job->add_warnings("the optimizer begins anew");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"fork", "cnn", "--from-step", "400", "--id", "new"}), 0) << err_.str();
  EXPECT_EQ(sent.name(), "jobs/cnn/checkpoints/400");
  EXPECT_EQ(sent.job_id(), "new");
  EXPECT_FALSE(sent.has_spec()) << "unchanged";
  EXPECT_EQ(out_.str(), "jobs/new QUEUED\n");
  EXPECT_THAT(err_.str(), HasSubstr("warning: the optimizer begins anew\n"));
  EXPECT_EQ(Run({"fork", "cnn/best"}), 0);
  EXPECT_EQ(sent.name(), "jobs/cnn/checkpoints/best");
  EXPECT_EQ(Run({"fork", "cnn", "--dry-run"}), 0);
  EXPECT_EQ(sent.name(), "jobs/cnn/checkpoints/latest");
  EXPECT_TRUE(sent.validate_only());
}

TEST_F(VerbsTest, ForkChangesTheSpecOfTheJob) {
  server_.training.get_job = [](const v1::GetJobRequest& request, v1::Job* job) {
    EXPECT_EQ(request.name(), "jobs/cnn");
    EXPECT_EQ(request.view(), v1::JOB_VIEW_SPEC);
    job->mutable_spec()->set_epochs(5);
    job->mutable_spec()->mutable_data()->set_dataset("fashion");
    (*job->mutable_labels())["team"] = "vision";
    return grpc::Status::OK;
  };
  v1::ForkJobRequest sent;
  server_.training.fork_job = [&](const v1::ForkJobRequest& request, v1::Job*) {
    sent = request;
    return grpc::Status::OK;
  };
  EXPECT_EQ(
      Run({"fork", "cnn/best", "--set", "optimizer.learning_rate=0.01", "--set", "steps=7", "--label", "stage=two"}), 0)
      << err_.str();
  EXPECT_EQ(sent.spec().steps(), 7u);
  EXPECT_EQ(sent.spec().data().dataset(), "fashion");
  EXPECT_EQ(sent.spec().optimizer().learning_rate(), 0.01);
  EXPECT_EQ(sent.spec().labels().at("team"), "vision");
  EXPECT_EQ(sent.spec().labels().at("stage"), "two");
  EXPECT_EQ(Run({"fork", "cnn", "--set", "epochz=1"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("did you mean epochs?"));
}

TEST_F(VerbsTest, UpdateSendsWhatWasGiven) {
  v1::UpdateJobRequest sent;
  server_.training.update_job = [&](const v1::UpdateJobRequest& request, v1::Job* job) {
    sent = request;
    *job = request.job();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"update", "a", "--priority", "-3"}), 0) << err_.str();
  EXPECT_THAT(sent.update_mask().paths(), ElementsAre("priority"));
  EXPECT_EQ(sent.job().priority(), -3);
  EXPECT_EQ(Run({"update", "a", "--priority", "0", "--display-name", "two layers"}), 0);
  EXPECT_THAT(sent.update_mask().paths(), ElementsAre("priority", "display_name"));
  EXPECT_EQ(out_.str(), "jobs/a has priority 0, two layers\n");
  EXPECT_EQ(Run({"update", "a"}), 2);
}

TEST_F(VerbsTest, LabelChangesJobsDatasetsAndModels) {
  server_.training.get_job = [](const v1::GetJobRequest& request, v1::Job* job) {
    job->set_name(request.name());
    job->set_etag("e");
    (*job->mutable_labels())["stage"] = "draft";
    return grpc::Status::OK;
  };
  server_.training.update_job = [](const v1::UpdateJobRequest& request, v1::Job* job) {
    EXPECT_EQ(request.job().etag(), "e");
    EXPECT_THAT(request.update_mask().paths(), ElementsAre("labels"));
    *job = request.job();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"label", "a", "b", "team=vision", "stage-"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "jobs/a team=vision\njobs/b team=vision\n");
  EXPECT_EQ(Run({"label", "a"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("KEY=VALUE"));

  server_.datasets.get_dataset = [](const v1::GetDatasetRequest&, v1::Dataset*) { return grpc::Status::OK; };
  server_.datasets.update_dataset = [](const v1::UpdateDatasetRequest& request, v1::Dataset* dataset) {
    *dataset = request.dataset();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"dataset", "label", "fashion", "k=v"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "datasets/fashion k=v\n");
  server_.models.get_model = [](const v1::GetModelRequest&, v1::Model*) { return grpc::Status::OK; };
  server_.models.update_model = [](const v1::UpdateModelRequest& request, v1::Model* model) {
    *model = request.model();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"model", "label", "mine", "k=v"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "models/mine k=v\n");
}

TEST_F(VerbsTest, WaitExitsByTheOutcome) {
  ServeStates({v1::JOB_STATE_RUNNING, v1::JOB_STATE_SUCCEEDED});
  EXPECT_EQ(Run({"wait", "a", "b"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "jobs/a SUCCEEDED\njobs/b SUCCEEDED\n");
  ServeStates({v1::JOB_STATE_FAILED});
  EXPECT_EQ(Run({"wait", "a"}), 6);
  ServeStates({v1::JOB_STATE_PAUSED, v1::JOB_STATE_CANCELLED}, "cancelled by a client");
  EXPECT_EQ(Run({"wait", "a"}), 7);
  EXPECT_EQ(out_.str(), "jobs/a CANCELLED: cancelled by a client\n");
  EXPECT_THAT(err_.str(), HasSubstr("jobs/a is PAUSED; `trainctl resume a` lets it go on"));
}

TEST_F(VerbsTest, WaitForADeletedJobSaysSo) {
  ServeStates({v1::JOB_STATE_RUNNING});
  server_.training.watch_job = [](const v1::WatchJobRequest&, grpc::ServerWriter<v1::WatchJobResponse>*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no jobs/a");
  };
  EXPECT_EQ(Run({"wait", "a"}), 3);
  EXPECT_EQ(err_.str(), "error: jobs/a was deleted\n");
}

TEST_F(VerbsTest, LabelsOfANewJob) {
  v1::JobSpec sent;
  server_.training.create_job = [&](const v1::CreateJobRequest& request, v1::Job*) {
    sent = request.spec();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"submit", Write("epochs: 1\n"), "--label", "team=vision", "--label", "stage=draft"}), 0) << err_.str();
  EXPECT_EQ(sent.labels().at("team"), "vision");
  EXPECT_EQ(sent.labels().size(), 2u);
  EXPECT_EQ(Run({"submit", Write("epochs: 1\n"), "--label", "team"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("KEY=VALUE"));
}

}  // namespace
}  // namespace traind::client

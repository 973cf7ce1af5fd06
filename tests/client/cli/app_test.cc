// Whole commands against a server in the same process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_split.h"
#include "client/enum_names.h"
#include "tests/client/cli/app_fixture.h"
#include "traind/rpc/error_details.pb.h"
#include "traind/rpc/status.pb.h"

namespace traind::client {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A job whose stream ends in `state`.
void ServeJob(FakeTraining& training, v1::JobState state) {
  training.create_job = [](const v1::CreateJobRequest& request, v1::Job* job) {
    job->set_name("jobs/" + request.job_id());
    *job->mutable_spec() = request.spec();
    job->set_state(v1::JOB_STATE_QUEUED);
    job->add_warnings("weights start at zero");
    return grpc::Status::OK;
  };
  training.get_job = [](const v1::GetJobRequest& request, v1::Job* job) {
    job->set_name(request.name());
    job->set_state(v1::JOB_STATE_RUNNING);
    job->set_last_sequence(2);
    return grpc::Status::OK;
  };
  training.watch_job = [state](const v1::WatchJobRequest&, grpc::ServerWriter<v1::WatchJobResponse>* writer) {
    v1::WatchJobResponse response;
    v1::Event* event = response.add_events();
    event->set_sequence(1);
    event->set_step(10);
    event->mutable_train()->set_loss(0.25);
    event = response.add_events();
    event->set_sequence(2);
    event->mutable_state()->set_state(state);
    writer->Write(response);
    return grpc::Status::OK;
  };
}

TEST_F(AppTest, RunExitsByTheJobsState) {
  const std::string file = Write("data { dataset: \"fashion\" }\n");
  for (const auto& [state, code] :
       {std::pair{v1::JOB_STATE_SUCCEEDED, 0}, {v1::JOB_STATE_FAILED, 6}, {v1::JOB_STATE_CANCELLED, 7}}) {
    ServeJob(server_.training, state);
    EXPECT_EQ(Run({"run", file, "--job-id", "a"}), code);
    EXPECT_THAT(out_.str(), HasSubstr("train loss=0.25"));
    EXPECT_THAT(out_.str(), HasSubstr("jobs/a " + EnumName(state)));
    EXPECT_THAT(err_.str(), HasSubstr("warning: weights start at zero"));
  }
}

TEST_F(AppTest, SubmitAppliesSetAndPrintsTheName) {
  ServeJob(server_.training, v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(Run({"submit", Write("epochs: 3\n"), "--job-id", "a", "--set", "steps=7", "--set", "data.dataset=mnist",
                 "--json"}),
            0);
  const nlohmann::json job = nlohmann::json::parse(out_.str());
  EXPECT_EQ(job["spec"]["steps"], "7");
  EXPECT_EQ(job["spec"]["data"]["dataset"], "mnist");
  EXPECT_EQ(err_.str(), "");
  EXPECT_EQ(Run({"-q", "submit", Write("epochs: 3\n"), "--job-id", "a"}), 0);
  EXPECT_EQ(out_.str(), "a\n");
}

// An extension whose message trainctl was not linked with.
TEST_F(AppTest, WhatCannotBePrintedAsJsonFails) {
  server_.training.get_job = [](const v1::GetJobRequest& request, v1::Job* job) {
    job->set_name(request.name());
    auto& extension = *job->mutable_spec()->mutable_network()->add_layers()->mutable_extension();
    extension.set_type_url("type.googleapis.com/nobody.Knows");
    extension.set_value("\x08\x01");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"get", "a", "--json"}), 1);
  EXPECT_TRUE(nlohmann::json::parse(out_.str()).contains("error")) << out_.str();
  EXPECT_THAT(err_.str(), HasSubstr("cannot be printed as JSON"));
  EXPECT_EQ(Run({"get", "a"}), 0) << err_.str();
}

TEST_F(AppTest, DeletingADatasetThatJobsNameTakesForce) {
  std::vector<v1::DeleteDatasetRequest> requests;
  server_.datasets.delete_dataset = [&](const v1::DeleteDatasetRequest& request) {
    requests.push_back(request);
    return request.force() ? grpc::Status::OK
                           : grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "jobs/a was trained on it; --force");
  };
  EXPECT_EQ(Run({"dataset", "delete", "digits"}), 4);
  EXPECT_THAT(err_.str(), HasSubstr("jobs/a was trained on it; --force"));
  EXPECT_EQ(Run({"dataset", "delete", "digits", "letters", "--force"}), 0);
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[2].name(), "datasets/letters");
}

TEST_F(AppTest, WatchPrintsJsonLines) {
  ServeJob(server_.training, v1::JOB_STATE_SUCCEEDED);
  EXPECT_EQ(Run({"watch", "a", "--json"}), 0);
  const std::vector<std::string> lines = absl::StrSplit(out_.str(), '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(nlohmann::json::parse(lines[0])["train"]["loss"], 0.25);
  EXPECT_EQ(nlohmann::json::parse(lines[1])["state"]["state"], "JOB_STATE_SUCCEEDED");
}

TEST_F(AppTest, NamesOfValuesAreWrittenInAnyCase) {
  v1::WatchJobRequest asked;
  ServeJob(server_.training, v1::JOB_STATE_SUCCEEDED);
  server_.training.watch_job = [&, serve = server_.training.watch_job](const auto& request, auto* writer) {
    asked = request;
    return serve(request, writer);
  };
  EXPECT_EQ(Run({"watch", "a", "--kinds", "train,STATISTICS"}), 0) << err_.str();
  EXPECT_THAT(asked.kinds(), ::testing::ElementsAre(v1::EVENT_KIND_TRAIN, v1::EVENT_KIND_STATISTICS));
  EXPECT_EQ(Run({"watch", "--help"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("state, train, evaluation"));
}

TEST_F(AppTest, SnapshotPrintsOneFrame) {
  ServeJob(server_.training, v1::JOB_STATE_RUNNING);
  EXPECT_EQ(Run({"watch", "a", "--snapshot"}), 0);
  EXPECT_THAT(out_.str(), StartsWith("jobs/a  RUNNING"));
  EXPECT_THAT(out_.str(), HasSubstr("train loss 0.2500"));
}

TEST_F(AppTest, OnATerminalWatchIsALiveView) {
  ServeJob(server_.training, v1::JOB_STATE_SUCCEEDED);
  terminal_ = true;
  EXPECT_EQ(Run({"watch", "a"}), 0);
  EXPECT_THAT(out_.str(), StartsWith("\x1b[?25l"));
  EXPECT_THAT(out_.str(), HasSubstr("train loss 0.2500"));
  EXPECT_THAT(out_.str(), HasSubstr("\x1b[?25h\njobs/a SUCCEEDED")) << "the summary stands below the last frame";
  EXPECT_EQ(Run({"watch", "a", "--plain"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("train loss=0.25"));
  EXPECT_EQ(out_.str().find('\x1b'), std::string::npos);
}

TEST_F(AppTest, AViolationPointsIntoTheJobFile) {
  server_.training.create_job = [](const v1::CreateJobRequest&, v1::Job*) {
    return InvalidFields({"spec.network.layers[0].dense.units"}, "must be at least 1");
  };
  const std::string file = Write("network {\n  layers { name: \"a\" dense { units: 0 } }\n}\n");
  EXPECT_EQ(Run({"submit", file}), 4);
  EXPECT_THAT(err_.str(), StartsWith("error: " + file + ":2:30: network.layers[0].dense.units: must be at least 1\n"));
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(Run({"submit", file, "--json"}), 4);
  const nlohmann::json error = nlohmann::json::parse(err_.str())["error"];
  EXPECT_EQ(error["code"], "INVALID_ARGUMENT");
  EXPECT_EQ(error["violations"][0]["field"], "spec.network.layers[0].dense.units");
}

TEST_F(AppTest, WrongUseAsksNothingOfTheServer) {
  server_.training.create_job = [](const v1::CreateJobRequest&, v1::Job*) {
    ADD_FAILURE() << "called";
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"submit", Write("epochz: 1\n")}), 1);
  EXPECT_THAT(err_.str(), HasSubstr(":1:1: Message type \"traind.v1.JobSpec\" has no field named \"epochz\"; did you "
                                    "mean epochs?"));
  EXPECT_EQ(Run({"submit", Write("layers { name: \"a\" }\n")}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("is a network alone"));
  EXPECT_EQ(Run({"submit", Write("epochs: 1\n"), "--set", "x"}), 2);
  EXPECT_EQ(Run({}), 0) << "no command is a question";
  EXPECT_THAT(out_.str(), HasSubstr("Start here:"));
  EXPECT_EQ(Run({"dataset"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("see: trainctl dataset --help"));
  EXPECT_EQ(Run({"lst"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("no command \"lst\"; did you mean list? known commands: run, submit, fork"));
  EXPECT_EQ(Run({"dataset", "improt", "a"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("no command \"improt\"; did you mean import? known commands: import, upload"));
  EXPECT_EQ(Run({"list", "--state", "runing"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("--state: \"runing\"; did you mean running? known values: queued, running, "));
  EXPECT_EQ(Run({"list", "--state", "job_state_unspecified"}), 2);
  EXPECT_EQ(Run({"dataset", "import", "a", "--split", "train"}), 2);
}

TEST_F(AppTest, ImportNamesTheFiles) {
  v1::ImportDatasetRequest seen;
  server_.datasets.import_dataset = [&](const v1::ImportDatasetRequest& request, v1::Operation* operation) {
    seen = request;
    v1::Dataset dataset;
    dataset.set_name("datasets/" + request.dataset_id());
    dataset.set_num_classes(10);
    Succeed(dataset, operation);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"dataset", "import", "fashion", "--split", "train=x.gz,y.gz", "--split", "test=both.npz",
                 "--class-names", "shirt,shoe"}),
            0);
  ASSERT_EQ(seen.splits_size(), 2);
  EXPECT_EQ(seen.splits(0).name(), "train");
  EXPECT_EQ(seen.splits(0).examples().path(), "x.gz");
  EXPECT_EQ(seen.splits(0).labels().path(), "y.gz");
  EXPECT_EQ(seen.splits(1).examples().path(), "both.npz");
  EXPECT_FALSE(seen.splits(1).has_labels());
  EXPECT_EQ(seen.class_names_size(), 2);
  EXPECT_THAT(out_.str(), HasSubstr("datasets/fashion"));
}

TEST_F(AppTest, ImportKnowsTheFormats) {
  v1::ImportDatasetRequest seen;
  server_.datasets.import_dataset = [&](const v1::ImportDatasetRequest& request, v1::Operation* operation) {
    seen = request;
    Succeed(v1::Dataset(), operation);
    return grpc::Status::OK;
  };
  ASSERT_EQ(Run({"dataset", "import", "a", "--format", "cifar10", "--split", "train=1.bin,2.bin,3.bin"}), 0);
  EXPECT_EQ(seen.splits(0).format(), v1::FORMAT_CIFAR10);
  EXPECT_EQ(seen.splits(0).examples().path(), "1.bin");
  ASSERT_EQ(seen.splits(0).more_examples_size(), 2);
  EXPECT_EQ(seen.splits(0).more_examples(1).path(), "3.bin");
  EXPECT_FALSE(seen.splits(0).has_labels());

  ASSERT_EQ(Run({"dataset", "import", "a", "--image-size", "48x64", "--grayscale", "--split", "train=pets"}), 0);
  EXPECT_EQ(seen.splits(0).format(), v1::FORMAT_IMAGES);
  EXPECT_EQ(seen.splits(0).images().height(), 48u);
  EXPECT_EQ(seen.splits(0).images().width(), 64u);
  EXPECT_TRUE(seen.splits(0).images().grayscale());

  ASSERT_EQ(
      Run({"dataset", "import", "a", "--target-columns", "x,y", "--feature-columns", "a,b", "--split", "train=t.csv"}),
      0);
  EXPECT_EQ(seen.splits(0).format(), v1::FORMAT_CSV);
  EXPECT_THAT(seen.splits(0).csv().target_columns(), ::testing::ElementsAre("x", "y"));
  EXPECT_THAT(seen.splits(0).csv().feature_columns(), ::testing::ElementsAre("a", "b"));
  ASSERT_EQ(Run({"dataset", "import", "a", "--label-column", "kind", "--split", "train=t.csv"}), 0);
  EXPECT_EQ(seen.splits(0).csv().label_column(), "kind");

  EXPECT_EQ(Run({"dataset", "import", "a", "--format", "gif", "--split", "train=x"}), 2);
  EXPECT_EQ(Run({"dataset", "import", "a", "--image-size", "big", "--split", "train=x"}), 2);
  EXPECT_THAT(err_.str(), HasSubstr("must be HEIGHTxWIDTH"));
  EXPECT_EQ(Run({"dataset", "import", "a", "--split", "train=x,y,z"}), 2);
}

TEST_F(AppTest, DescribeShowsClassesMomentsAndWarnings) {
  server_.datasets.describe_dataset = [](const v1::DescribeDatasetRequest& request, v1::Operation* operation) {
    EXPECT_EQ(request.name(), "datasets/pets");
    v1::DatasetDescription description;
    description.mutable_dataset()->set_name("datasets/pets");
    description.mutable_dataset()->set_num_classes(2);
    for (const char* name : {"cat", "dog"}) description.mutable_dataset()->add_class_names(name);
    for (const char* name : {"train", "test"}) {
      v1::SplitDescription* split = description.add_splits();
      split->set_name(name);
      split->set_num_examples(30);
      split->add_class_counts(20);
      split->add_class_counts(10);
      split->add_mean(125.25);
      split->add_std(64);
      split->set_max(255);
    }
    description.mutable_splits(1)->set_shared_with_first(7);
    description.add_warnings("test: 7 of 30 examples are in train, too");
    Succeed(description, operation);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"dataset", "describe", "pets"}), 0);
  for (const char* text : {"cat", "dog", "20", "10", "125.2", "0 to 255", "in train", "7",
                           "warning: test: 7 of 30 examples are in train, too"}) {
    EXPECT_THAT(out_.str(), HasSubstr(text));
  }
  EXPECT_EQ(Run({"dataset", "describe", "pets", "--json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_.str())["splits"][1]["shared_with_first"], "7");
}

TEST_F(AppTest, ListFiltersByState) {
  server_.training.list_jobs = [](const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    EXPECT_EQ(request.filter(), "(state = RUNNING OR state = FAILED)");
    v1::Job* job = response->add_jobs();
    job->set_name("jobs/a");
    job->set_state(v1::JOB_STATE_RUNNING);
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"list", "--state", "running,failed"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("a    RUNNING"));
  EXPECT_EQ(Run({"list", "--state", "running,failed", "--json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_.str())["name"], "jobs/a");
  EXPECT_EQ(Run({"list", "--quiet", "--state", "running,failed"}), 0);
  EXPECT_EQ(out_.str(), "a\n");
}

TEST_F(AppTest, GetSpecPrintsAJobFileWithShortNames) {
  server_.training.get_job = [](const v1::GetJobRequest&, v1::Job* job) {
    job->mutable_resolved_spec()->set_precision(v1::PRECISION_F32);
    job->mutable_resolved_spec()->set_sampling(v1::SAMPLING_SHUFFLED);
    return grpc::Status::OK;
  };
  v1::JobSpec sent;
  server_.training.create_job = [&](const v1::CreateJobRequest& request, v1::Job*) {
    sent = request.spec();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Run({"get", "a", "--spec"}), 0);
  EXPECT_EQ(out_.str(), "sampling: SHUFFLED\nprecision: F32\n");
  EXPECT_EQ(Run({"submit", Write(out_.str())}), 0) << err_.str();
  EXPECT_EQ(sent.precision(), v1::PRECISION_F32);
  EXPECT_EQ(sent.sampling(), v1::SAMPLING_SHUFFLED);
  EXPECT_EQ(Run({"get", "a", "--spec", "--json"}), 0);
  EXPECT_EQ(nlohmann::json::parse(out_.str())["precision"], "PRECISION_F32") << "the JSON form of protobuf";
}

TEST_F(AppTest, GetSpecPrintsYamlAndJsonThatCanBeSubmitted) {
  server_.training.get_job = [](const v1::GetJobRequest&, v1::Job* job) {
    job->mutable_resolved_spec()->set_sampling(v1::SAMPLING_SHUFFLED);
    job->mutable_resolved_spec()->mutable_network()->add_layers()->mutable_dense()->set_units(3);
    return grpc::Status::OK;
  };
  v1::JobSpec sent;
  server_.training.create_job = [&](const v1::CreateJobRequest& request, v1::Job*) {
    sent = request.spec();
    return grpc::Status::OK;
  };
  for (const std::string format : {"yaml", "json", "text"}) {
    EXPECT_EQ(Run({"get", "a", "--spec", "-o", format}), 0) << err_.str();
    WriteBytes(folder_ / ("job." + format), out_.str());
    sent.Clear();
    EXPECT_EQ(Run({"submit", folder_ / ("job." + format)}), 0) << err_.str();
    EXPECT_EQ(sent.sampling(), v1::SAMPLING_SHUFFLED);
    EXPECT_EQ(sent.network().layers(0).dense().units(), 3u);
  }
  EXPECT_EQ(Run({"get", "a", "-o", "yaml"}), 2) << "of --spec only";
  EXPECT_EQ(Run({"get", "a", "--spec", "-o", "toml"}), 2);
}

TEST_F(AppTest, TheSchemaOfAJobFileNeedsNoServer) {
  EXPECT_EQ(RunTrainctl({"--server", "127.0.0.1:1", "schema"}, {.out = out_, .err = err_}), 0);
  const auto schema = nlohmann::json::parse(out_.str());
  const auto& job = schema["definitions"]["traind.v1.JobSpec"];
  EXPECT_EQ(job["required"], nlohmann::json({"network", "data"}));
  EXPECT_EQ(job["properties"]["epochs"]["maximum"], 4294967295.0);
  // Steps or epochs: one of them is there, neither by itself.
  const auto& schedule = schema["definitions"]["traind.v1.StepSchedule"];
  EXPECT_FALSE(schedule.contains("required"));
  EXPECT_EQ(schedule["allOf"].dump(), R"([{"anyOf":[{"required":["every_steps"]},{"required":["every_epochs"]}]}])");
  const auto& checkpoint = schema["definitions"]["traind.v1.CheckpointSpec"]["properties"];
  EXPECT_EQ(checkpoint["keep_last"]["minimum"], 1);
  EXPECT_FALSE(job["additionalProperties"]);
}

TEST_F(AppTest, AServerThatIsNotThereIsExplained) {
  EXPECT_EQ(RunTrainctl({"--server", "127.0.0.1:1", "get", "a", "--timeout", "0.2"}, {.out = out_, .err = err_}), 5);
  EXPECT_THAT(err_.str(), HasSubstr("127.0.0.1:1"));
}

// What a job would start from: its network, its data when asked for, its initialization from data.
TEST_F(AppTest, ProbeSendsWhatTheJobWouldStartFrom) {
  v1::ProbeNetworkRequest sent;
  server_.training.probe_network = [&](const v1::ProbeNetworkRequest& request, v1::ProbeNetworkResponse*) {
    sent = request;
    return grpc::Status::OK;
  };
  const std::string file = Write(
      "network { input_shape: 4 layers { name: 'a' dense { units: 3 } } } data { dataset: 'd' } precision: BF16 "
      "data_initialization { lsuv {} minibatches: 7 }");
  EXPECT_EQ(Run({"probe", file, "--seed", "5"}), 0) << err_.str();
  EXPECT_TRUE(sent.has_normal());
  EXPECT_EQ(sent.seed(), 5u);
  EXPECT_EQ(sent.precision(), v1::PRECISION_BF16);
  EXPECT_TRUE(sent.data_initialization().has_lsuv());
  EXPECT_FALSE(sent.data_initialization().has_minibatches()) << "of N(0, 1) there is one";
  EXPECT_EQ(Run({"probe", file, "--data"}), 0) << err_.str();
  EXPECT_EQ(sent.data().dataset(), "d");
  EXPECT_EQ(sent.data_initialization().minibatches(), 7u);
}

// A crop or a projection makes the network's input another than the dataset's examples: the server knows.
TEST_F(AppTest, ANetworkWithoutShapeIsDescribedWithThatOfItsJob) {
  server_.training.create_job = [](const v1::CreateJobRequest& request, v1::Job* job) {
    EXPECT_TRUE(request.validate_only());
    *job->mutable_spec() = *job->mutable_resolved_spec() = request.spec();
    for (int d : {3, 24, 24}) job->mutable_resolved_spec()->mutable_network()->add_input_shape(d);
    return grpc::Status::OK;
  };
  v1::ProbeNetworkRequest sent;
  server_.training.probe_network = [&](const v1::ProbeNetworkRequest& request, v1::ProbeNetworkResponse*) {
    sent = request;
    return grpc::Status::OK;
  };
  const std::string file = Write("network { layers { name: 'a' dense { units: 3 } } } data { dataset: 'd' }");
  EXPECT_EQ(Run({"probe", file}), 0) << err_.str();
  EXPECT_THAT(sent.network().input_shape(), ::testing::ElementsAre(3, 24, 24));
  EXPECT_EQ(Run({"probe", file, "--data"}), 0) << err_.str();
  EXPECT_EQ(sent.network().input_shape_size(), 0);
}

TEST_F(AppTest, EveryCommandHasHelpWithAnExample) {
  for (const char* path : {"run",
                           "submit",
                           "fork",
                           "watch",
                           "list",
                           "get",
                           "pause",
                           "resume",
                           "stop",
                           "extend",
                           "cancel",
                           "delete",
                           "update",
                           "label",
                           "wait",
                           "describe",
                           "probe",
                           "components",
                           "dataset import",
                           "dataset upload",
                           "dataset list",
                           "dataset get",
                           "dataset describe",
                           "dataset preview",
                           "dataset label",
                           "dataset delete",
                           "upload list",
                           "upload delete",
                           "model list",
                           "model get",
                           "model download",
                           "model upload",
                           "model label",
                           "model eval",
                           "model predict",
                           "model delete",
                           "checkpoint list",
                           "checkpoint get",
                           "checkpoint delete",
                           "logs",
                           "findings",
                           "explain",
                           "fix",
                           "suspects",
                           "server",
                           "server log-level",
                           "storage",
                           "pin",
                           "unpin",
                           "operations",
                           "operation get",
                           "operation result",
                           "operation wait",
                           "operation cancel",
                           "operation delete",
                           "completion"}) {
    std::vector<std::string> arguments = absl::StrSplit(path, ' ');
    arguments.push_back("--help");
    EXPECT_EQ(Run(arguments), 0) << path;
    EXPECT_THAT(out_.str(), HasSubstr("Example")) << path;
    EXPECT_THAT(out_.str(), HasSubstr(std::string("trainctl ") + path)) << path;
  }
}

TEST_F(AppTest, CompletionScriptsKnowTheCommands) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_EQ(Run({"completion", shell}), 0);
    for (const char* word : {"queued running", "arrays cifar10 cifar100 images csv", "debug info warning error",
                             "predict", "upload", "validate-only", "trainctl -q dataset list", "from-step",
                             "trainctl -q operations", "trainctl -q model list", "resume", "epochs"}) {
      EXPECT_THAT(out_.str(), HasSubstr(word)) << shell;
    }
  }
  EXPECT_EQ(Run({"completion", "tcsh"}), 2);
}

}  // namespace
}  // namespace traind::client

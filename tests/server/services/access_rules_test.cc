#include "server/services/access_rules.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "absl/strings/str_split.h"
#include "traind/v1/auth_service.pb.h"
#include "traind/v1/dataset_service.pb.h"
#include "traind/v1/model_service.pb.h"
#include "traind/v1/operation.pb.h"
#include "traind/v1/sweep_service.pb.h"
#include "traind/v1/training_service.pb.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What the gate sees of each method of the API.
std::vector<const google::protobuf::Descriptor*> Requests() {
  std::vector<const google::protobuf::Descriptor*> requests;
  for (const google::protobuf::FileDescriptor* file :
       {v1::CreateJobRequest::descriptor()->file(), v1::ImportDatasetRequest::descriptor()->file(),
        v1::EvaluateRequest::descriptor()->file(), v1::GetOperationRequest::descriptor()->file(),
        v1::WhoAmIRequest::descriptor()->file(), v1::CreateSweepRequest::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const google::protobuf::MethodDescriptor* method = file->service(s)->method(m);
        const auto* header = method->input_type()->FindFieldByName("header");
        requests.push_back(method->client_streaming() ? header->message_type() : method->input_type());
      }
    }
  }
  return requests;
}

bool Exists(const google::protobuf::Descriptor* message, const std::string& path) {
  const google::protobuf::FieldDescriptor* field = nullptr;
  for (const auto part : absl::StrSplit(path, '.')) {
    if (message == nullptr) return false;
    field = message->FindFieldByName(std::string(part));
    if (field == nullptr) return false;
    message = field->message_type();
  }
  return field->type() == google::protobuf::FieldDescriptor::TYPE_STRING && !field->is_repeated();
}

TEST(AccessRules, EveryMethodHasOne) {
  std::set<std::string> seen;
  for (const auto* request : Requests()) {
    EXPECT_NE(FindAccessRule(request->name()), nullptr) << request->name();
    EXPECT_TRUE(seen.insert(request->name()).second) << "two methods take " << request->name();
  }
  EXPECT_GT(seen.size(), 40u);
  EXPECT_EQ(FindAccessRule("NobodysRequest"), nullptr);
}

TEST(AccessRules, SayWhichCallsAreStreams) {
  for (const auto* file : {v1::CreateJobRequest::descriptor()->file(), v1::ImportDatasetRequest::descriptor()->file(),
                           v1::EvaluateRequest::descriptor()->file(), v1::GetOperationRequest::descriptor()->file(),
                           v1::WhoAmIRequest::descriptor()->file(), v1::CreateSweepRequest::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const google::protobuf::MethodDescriptor* method = file->service(s)->method(m);
        const auto* header = method->input_type()->FindFieldByName("header");
        const auto* request = method->client_streaming() ? header->message_type() : method->input_type();
        EXPECT_EQ(FindAccessRule(request->name())->stream, method->client_streaming() || method->server_streaming())
            << method->full_name();
      }
    }
  }
}

TEST(AccessRules, NameFieldsThatThereAre) {
  for (const auto* request : Requests()) {
    for (const NamedIn& names : FindAccessRule(request->name())->names) {
      EXPECT_TRUE(Exists(request, names.path)) << request->name() << " " << names.path;
      for (const char* path : names.dataset_of) EXPECT_TRUE(Exists(request, path)) << request->name() << " " << path;
    }
  }
}

// Whatever is called "name", "parent" or "operation" names a resource; of a token and a quota the service says whose it
// is.
TEST(AccessRules, NoNameIsForgotten) {
  for (const auto* request : Requests()) {
    if (request == v1::RevokeTokenRequest::descriptor() || request == v1::GetQuotaRequest::descriptor()) continue;
    std::set<std::string> paths;
    for (const NamedIn& names : FindAccessRule(request->name())->names) paths.insert(names.path);
    for (const char* field : {"name", "parent", "operation", "upload_id"}) {
      if (request->FindFieldByName(field) == nullptr) continue;
      EXPECT_EQ(paths.count(field), 1u) << request->name();
    }
  }
}

// A method that makes or changes something is not for viewers.
TEST(AccessRules, ViewersReadOnly) {
  const std::vector<std::string> reading = {"Get",         "List",   "Watch",    "Wait",
                                            "Download",    "Read",   "Describe", "Preview",
                                            "RevokeToken", "WhoAmI", "Export",   "ShouldTrialStop"};
  for (const auto* request : Requests()) {
    if (FindAccessRule(request->name())->role != v1::ROLE_VIEWER) continue;
    EXPECT_TRUE(std::any_of(reading.begin(), reading.end(), [&](const std::string& verb) {
      return request->name().rfind(verb, 0) == 0;
    })) << request->name();
  }
}

TEST(AccessRules, ValuesComeOfAllItems) {
  v1::ImportDatasetRequest request;
  request.add_splits()->mutable_examples()->set_upload("uploads/a");
  v1::SplitSource* second = request.add_splits();
  second->mutable_examples()->set_path("file");
  second->add_more_examples()->set_upload("uploads/b");
  second->add_more_examples()->set_upload("uploads/c");
  std::vector<std::string> seen;
  for (const char* path : {"splits.examples.upload", "splits.more_examples.upload", "splits.labels.upload"}) {
    for (const FieldValue& field : ValuesAt(request, path)) seen.push_back(field.path + "=" + field.value);
  }
  EXPECT_THAT(seen, ElementsAre("splits[0].examples.upload=uploads/a",
                                "splits[1].examples.upload=", "splits[1].more_examples[0].upload=uploads/b",
                                "splits[1].more_examples[1].upload=uploads/c"));
  EXPECT_THAT(ValuesAt(v1::CreateJobRequest(), "spec.data.dataset"), IsEmpty());
}

TEST(AccessRules, ANameLeadsToItsResource) {
  EXPECT_EQ(ResourceOf("jobs/a", ""), "jobs/a");
  EXPECT_EQ(ResourceOf("jobs/a/checkpoints/7", ""), "jobs/a");
  EXPECT_EQ(ResourceOf("digits", "datasets"), "datasets/digits");
  EXPECT_EQ(ResourceOf("datasets/digits", "datasets"), "datasets/digits");
  EXPECT_EQ(ResourceOf("digits", ""), "");
  for (const char* name : {"", "jobs/", "jobs/../x", "jobs//a", "users/a", "jobs/A", "../x"}) {
    EXPECT_EQ(ResourceOf(name, "datasets"), "") << name;
  }
}

}  // namespace
}  // namespace traind::server

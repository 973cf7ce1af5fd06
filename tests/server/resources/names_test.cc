#include "server/resources/names.h"

#include <gtest/gtest.h>

#include <string>

#include "core/base/errors.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/rpc/status.h"

namespace traind::server {
namespace {

TEST(Names, AcceptsIdsOfTheDocumentedForm) {
  for (const std::string& id : {std::string("a"), std::string("a1"), std::string("a-b"), std::string(63, 'a')}) {
    EXPECT_TRUE(IsValidId(id)) << id;
  }
  for (const std::string id : {"", "A", "1a", "-a", "a-", "a_b", "a/b", "..", "a.b", "\xc3\xa4"}) {
    EXPECT_FALSE(IsValidId(id)) << id;
  }
  EXPECT_FALSE(IsValidId(std::string(64, 'a')));
  EXPECT_FALSE(IsValidId(std::string("a\0b", 3)));
}

TEST(Names, ParsesResourceNames) {
  auto id = ParseName("jobs", "jobs/a", "name");
  ASSERT_TRUE(id.ok());
  EXPECT_EQ(*id, "a");
  for (const char* name : {"", "a", "jobs/", "jobs", "datasets/a", "jobs/a/b", "jobs/../a"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseName("jobs", name, "name").status())) << name;
  }
}

TEST(Names, ParsesNamesOfWeights) {
  auto step = ParseWeightsName("jobs/a/checkpoints/12", false, "name");
  ASSERT_TRUE(step.ok());
  EXPECT_EQ(step->job, "a");
  EXPECT_EQ(step->checkpoint, "12");
  EXPECT_EQ(ParseWeightsName("jobs/a/checkpoints/best", false, "name")->checkpoint, "best");
  EXPECT_EQ(ParseWeightsName("jobs/a", true, "name")->checkpoint, "latest");
  EXPECT_EQ(ParseWeightsName("models/m", false, "name")->model, "m");
  for (const char* name : {"", "jobs/a", "jobs/a/", "jobs/a/checkpoints/", "jobs/a/checkpoints/-1", "models/",
                           "jobs/a/checkpoints/../../b", "jobs/a/checkpoints/99999999999999999999", "models/a/b"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseWeightsName(name, false, "name").status())) << name;
  }
}

TEST(RichErrors, CarryTheBadRequest) {
  core::FieldErrors::Root errors;
  errors.scope("spec").At("network").At("layers", 3).Add("is wrong");
  errors.scope("spec").At("loss").Add("is wrong, too");
  const grpc::Status status = ToGrpcStatus(errors.ToStatus());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  google::rpc::Status rich;
  ASSERT_TRUE(rich.ParseFromString(status.error_details()));
  ASSERT_EQ(rich.details_size(), 1);
  google::rpc::BadRequest violations;
  ASSERT_TRUE(rich.details(0).UnpackTo(&violations));
  ASSERT_EQ(violations.field_violations_size(), 2);
  EXPECT_EQ(violations.field_violations(0).field(), "spec.network.layers[3]");
}

TEST(RichErrors, NameTheResource) {
  const grpc::Status status = ToGrpcStatus(NotFoundError("Job", "jobs/a"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  google::rpc::Status rich;
  ASSERT_TRUE(rich.ParseFromString(status.error_details()));
  google::rpc::ResourceInfo info;
  ASSERT_TRUE(rich.details(0).UnpackTo(&info));
  EXPECT_EQ(info.resource_type(), "traind.v1.Job");
  EXPECT_EQ(info.resource_name(), "jobs/a");
}

TEST(RichErrors, StayWithinWhatAHeaderMayHold) {
  core::FieldErrors::Root errors;
  for (int i = 0; i < 1000; ++i) errors.scope().At("layers", i).Add("is wrong in a way that takes some words to tell");
  const grpc::Status status = ToGrpcStatus(errors.ToStatus());
  EXPECT_LE(status.error_message().size() + status.error_details().size(), size_t{8} << 10);
  google::rpc::Status rich;
  ASSERT_TRUE(rich.ParseFromString(status.error_details()));
  google::rpc::BadRequest violations;
  ASSERT_TRUE(rich.details(0).UnpackTo(&violations));
  EXPECT_GT(violations.field_violations_size(), 10) << "as many as there is room for";
}

}  // namespace
}  // namespace traind::server

#include "server/resources/names.h"

#include <gtest/gtest.h>

#include <string>

#include "core/base/errors.h"
#include "server/rpc/status.h"
#include "traind/rpc/error_details.pb.h"
#include "traind/rpc/status.pb.h"

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
  rpc::Status rich;
  ASSERT_TRUE(rich.ParseFromString(status.error_details()));
  EXPECT_EQ(rich.code(), status.error_code()) << "grpc_status.rpc_status.from_call compares";
  EXPECT_EQ(rich.message(), status.error_message());
  ASSERT_EQ(rich.details_size(), 1);
  EXPECT_EQ(rich.details(0).type_url(), "type.googleapis.com/google.rpc.BadRequest") << "the public name";
  rpc::BadRequest violations;
  ASSERT_TRUE(violations.ParseFromString(rich.details(0).value()));
  ASSERT_EQ(violations.field_violations_size(), 2);
  EXPECT_EQ(violations.field_violations(0).field(), "spec.network.layers[3]");
}

TEST(RichErrors, NameTheResource) {
  const grpc::Status status = ToGrpcStatus(NotFoundError("Job", "jobs/a"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  rpc::Status rich;
  ASSERT_TRUE(rich.ParseFromString(status.error_details()));
  EXPECT_EQ(rich.code(), status.error_code());
  EXPECT_EQ(rich.message(), status.error_message());
  ASSERT_EQ(rich.details_size(), 1);
  EXPECT_EQ(rich.details(0).type_url(), "type.googleapis.com/google.rpc.ResourceInfo");
  rpc::ResourceInfo info;
  ASSERT_TRUE(info.ParseFromString(rich.details(0).value()));
  EXPECT_EQ(info.resource_type(), "traind.v1.Job");
  EXPECT_EQ(info.resource_name(), "jobs/a");
}

// A message of protobuf that holds other bytes can be written, but not read.
TEST(RichErrors, AreUtf8WhateverTheMessage) {
  std::string umlauts = ".";
  for (int i = 0; i < 2000; ++i) umlauts += "\u00e4";
  for (const std::string& text : {std::string("a\nb \xff.png"), umlauts}) {
    const grpc::Status status = ToGrpcStatus(FieldError("name", text));
    rpc::Status rich;
    ASSERT_TRUE(rich.ParseFromString(status.error_details())) << text;
    EXPECT_EQ(rich.message(), status.error_message());
    EXPECT_EQ(rich.message().substr(0, 7), "name: " + text.substr(0, 1));
  }
}

TEST(RichErrors, StayWithinWhatAHeaderMayHold) {
  core::FieldErrors::Root errors;
  for (int i = 0; i < 1000; ++i) errors.scope().At("layers", i).Add("is wrong in a way that takes some words to tell");
  const grpc::Status status = ToGrpcStatus(errors.ToStatus());
  EXPECT_LE(status.error_message().size() + status.error_details().size() * 4 / 3, size_t{8} << 10) << "in base64";
  rpc::Status rich;
  ASSERT_TRUE(rich.ParseFromString(status.error_details()));
  rpc::BadRequest violations;
  ASSERT_TRUE(violations.ParseFromString(rich.details(0).value()));
  EXPECT_GT(violations.field_violations_size(), 10) << "as many as there is room for";
}

}  // namespace
}  // namespace traind::server

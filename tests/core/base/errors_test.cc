#include "core/base/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"
#include "traind/rpc/error_details.pb.h"

namespace traind::core {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

rpc::BadRequest ViolationsIn(const absl::Status& status) {
  rpc::BadRequest violations;
  const auto payload = status.GetPayload({kBadRequestUrl.data(), kBadRequestUrl.size()});
  EXPECT_TRUE(payload.has_value() && violations.ParseFromString(std::string(*payload)));
  return violations;
}

TEST(FieldErrors, SayWhereAndWhat) {
  FieldErrors::Root errors;
  EXPECT_TRUE(errors.ToStatus().ok());
  errors.scope().At("spec").At("layers", 2).At("units").Add("must be positive");
  errors.scope().At("name").Add("is missing");
  const absl::Status status = errors.ToStatus();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "spec.layers[2].units: must be positive\nname: is missing");
  ASSERT_EQ(ViolationsIn(status).field_violations_size(), 2);
  EXPECT_EQ(ViolationsIn(status).field_violations(0).field(), "spec.layers[2].units");
}

TEST(FieldErrors, KeepAThousandAndCountAll) {
  FieldErrors::Root errors;
  for (int i = 0; i < 1234; ++i) errors.scope().At("layers", i).Add("is none");
  EXPECT_EQ(errors.scope().count(), 1234);
  EXPECT_EQ(ViolationsIn(errors.ToStatus()).field_violations_size(), 1000);
  EXPECT_THAT(std::string(errors.ToStatus().message()), EndsWith("layers[999]: is none\nand 234 more"));
}

// A file may hold any bytes, and a string of protobuf none but UTF-8.
TEST(FieldErrors, QuoteBytesThatAreNoTextEscaped) {
  FieldErrors::Root errors;
  errors.scope().At("file").Add("has the name \xff\xfe");
  errors.scope().At("file").Add("has the name é");
  const rpc::BadRequest violations = ViolationsIn(errors.ToStatus());
  EXPECT_EQ(violations.field_violations(0).description(), "has the name \\xff\\xfe");
  EXPECT_EQ(violations.field_violations(1).description(), "has the name é");
  EXPECT_THAT(std::string(errors.ToStatus().message()), HasSubstr("\\xff"));
}

}  // namespace
}  // namespace traind::core

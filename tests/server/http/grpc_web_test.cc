#include "server/http/grpc_web.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "traind/v1/training_service.pb.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Bytes(absl::string_view text) { return std::string(text); }

TEST(GrpcWeb, ReadsOneWholeFrame) {
  EXPECT_EQ(*MessageInFrame(absl::string_view("\0\0\0\0\0", 5)), "");
  EXPECT_EQ(*MessageInFrame(absl::string_view("\0\0\0\0\3abc", 8)), "abc");
  EXPECT_EQ(*MessageInFrame(FrameHead(300) + std::string(300, 'x')), std::string(300, 'x'));
  for (const std::string& bad : {Bytes(""), Bytes("abc"), Bytes({"\0\0\0\0\4abc", 8}), Bytes({"\0\0\0\0\2abc", 8}),
                                 Bytes({"\0\xff\xff\xff\xff", 5}), Bytes({"\x80\0\0\0\3abc", 8}),
                                 Bytes({"\2\0\0\0\3abc", 8}), Bytes({"\0\0\0\0\0\0\0\0\0\0", 10})}) {
    EXPECT_TRUE(absl::IsInvalidArgument(MessageInFrame(bad).status())) << bad.size();
  }
  EXPECT_TRUE(absl::IsUnimplemented(MessageInFrame(absl::string_view("\1\0\0\0\3abc", 8)).status()));
}

TEST(GrpcWeb, WritesTrailersThatAnyTextSurvives) {
  EXPECT_EQ(TrailerFrame(grpc::Status::OK), std::string("\x80\0\0\0\x10grpc-status: 0\r\n", 21));
  const std::string frame =
      TrailerFrame({grpc::StatusCode::NOT_FOUND, "no \"ä\"\r\nx: 100%", std::string("\0\xff", 2)});
  EXPECT_EQ(frame.substr(5),
            "grpc-status: 5\r\ngrpc-message: no \"%C3%A4\"%0D%0Ax: 100%25\r\ngrpc-status-details-bin: AP8=\r\n");
}

TEST(GrpcWeb, KnowsTheMethodsOfTheApi) {
  EXPECT_EQ(MethodOfPath("/traind.v1.TrainingService/GetJob")->input_type(), v1::GetJobRequest::descriptor());
  for (const char* other :
       {"/", "", "/traind.v1.TrainingService", "/traind.v1.TrainingService.GetJob",
        "/traind.v1.TrainingService/GetJob/", "/traind.v1.TrainingService/Get", "/traind/v1/TrainingService/GetJob",
        "/traind.v1.Job/name", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    EXPECT_EQ(MethodOfPath(other), nullptr) << other;
  }
}

TEST(GrpcWeb, KnowsItsTypes) {
  EXPECT_TRUE(IsGrpcWebType("application/grpc-web+proto"));
  EXPECT_TRUE(IsGrpcWebType("Application/gRPC-Web ; charset=utf-8"));
  for (const char* other : {"", "text/plain", "application/grpc-web-text", "application/x-www-form-urlencoded",
                            "multipart/form-data", "application/grpc"}) {
    EXPECT_FALSE(IsGrpcWebType(other)) << other;
  }
}

TEST(GrpcWeb, ReadsTimeouts) {
  EXPECT_EQ(ParseTimeout("3H"), absl::Hours(3));
  EXPECT_EQ(ParseTimeout("100m"), absl::Milliseconds(100));
  EXPECT_EQ(ParseTimeout("99999999n"), absl::Nanoseconds(99'999'999));
  for (const char* bad : {"", "S", "1", "-1S", "+1S", "1.5S", "123456789S", "1s", " 1S"}) {
    EXPECT_FALSE(ParseTimeout(bad).has_value()) << bad;
  }
}

}  // namespace
}  // namespace traind::server

#include "server/resources/request_bounds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "traind/v1/dataset_service.pb.h"
#include "traind/v1/model_service.pb.h"
#include "traind/v1/training_service.pb.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Violations(const google::protobuf::Message& request) {
  core::FieldErrors::Root errors;
  CheckRepeatedFields(request, errors.scope());
  std::vector<std::string> found;
  for (const auto& violation : errors.violations().field_violations()) {
    found.push_back(violation.field() + " " + violation.description());
  }
  return found;
}

TEST(RequestBounds, HoldAtAnyDepth) {
  v1::CreateJobRequest request;
  v1::Layer& layer = *request.mutable_spec()->mutable_network()->add_layers();
  for (int i = 0; i < 1000; ++i) layer.add_regularizers();
  for (int i = 0; i < 1000; ++i) request.mutable_spec()->mutable_data()->add_preprocessing();
  EXPECT_THAT(Violations(request), IsEmpty());
  layer.add_regularizers();
  request.mutable_spec()->mutable_data()->add_preprocessing();
  EXPECT_THAT(Violations(request), ElementsAre("spec.network.layers[0].regularizers has 1001 items; at most 1000",
                                               "spec.data.preprocessing has 1001 items; at most 1000"));
}

TEST(RequestBounds, LeaveRoomForWhatComesInThousands) {
  v1::DescribeNetworkRequest network;
  for (int i = 0; i < 20'000; ++i) network.mutable_network()->add_layers();
  EXPECT_THAT(Violations(network), IsEmpty());
  network.mutable_network()->add_layers();
  EXPECT_THAT(Violations(network), ElementsAre("network.layers has 20001 items; at most 20000"));
  v1::PredictRequest predict;
  for (int i = 0; i < 1'000'000; ++i) predict.mutable_examples()->add_values(1);
  EXPECT_THAT(Violations(predict), IsEmpty());
  v1::ImportDatasetRequest import;
  for (int i = 0; i < 100'000; ++i) import.add_class_names("x");
  EXPECT_THAT(Violations(import), IsEmpty());
}

TEST(RequestBounds, HoldForMaps) {
  v1::CreateJobRequest request;
  for (int i = 0; i < 1001; ++i) (*request.mutable_spec()->mutable_labels())[std::to_string(i)] = "x";
  EXPECT_THAT(Violations(request), ElementsAre("spec.labels has 1001 items; at most 1000"));
}

}  // namespace
}  // namespace traind::server

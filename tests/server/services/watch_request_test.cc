#include "server/services/watch_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;

v1::Network NetworkOf(int layers) {
  v1::Network network;
  for (int i = 0; i < layers; ++i) network.add_layers()->set_name(absl::StrCat("layer", i));
  return network;
}

TEST(WatchRequest, NamesWhatItDoesNotKnow) {
  v1::WatchJobRequest request;
  request.set_name("jobs/a");
  request.add_kinds(v1::EVENT_KIND_TRAIN);
  request.add_kinds(v1::EVENT_KIND_UNSPECIFIED);
  request.set_after_sequence(-1);
  core::FieldErrors::Root errors;
  CheckWatchRequest(request, errors.scope());
  EXPECT_EQ(errors.ToStatus().message(), "kinds[1]: is not a kind of event\nafter_sequence: must not be negative");
  request.add_layers("layer1");
  request.add_layers("none");
  request.add_layers("neither");
  core::FieldErrors::Root layers;
  CheckLayersOf(request.name(), request.layers(), NetworkOf(3), layers.scope());
  EXPECT_EQ(layers.ToStatus().message(),
            "layers[1]: jobs/a has no layer \"none\"; it has: layer0, layer1, layer2\n"
            "layers[2]: jobs/a has no layer \"neither\"");
}

// The answer does not grow with the network times the request.
TEST(WatchRequest, OfManyUnknownLayersIsAnsweredWithFew) {
  v1::WatchJobRequest request;
  for (int i = 0; i < 20'000; ++i) request.add_layers(absl::StrCat("unknown", i));
  core::FieldErrors::Root errors;
  CheckWatchRequest(request, errors.scope());
  ASSERT_TRUE(errors.ok());
  CheckLayersOf(request.name(), request.layers(), NetworkOf(10'000), errors.scope());
  const absl::Status status = errors.ToStatus();
  EXPECT_LT(status.message().size(), 200'000u);
  EXPECT_THAT(std::string(status.message()), HasSubstr("layer49, ..."));
  EXPECT_THAT(std::string(status.message()), HasSubstr("and 19000 more"));
  request.add_layers("one more");
  core::FieldErrors::Root too_many;
  CheckWatchRequest(request, too_many.scope());
  EXPECT_EQ(too_many.ToStatus().message(), "layers: has 20001 items; at most 20000");
}

}  // namespace
}  // namespace traind::server

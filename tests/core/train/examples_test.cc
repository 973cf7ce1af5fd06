// The files in examples/ are what a user tries first: each must be accepted as it is, and without a warning.
#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "core/train/resolve.h"
#include "tests/core/train/datasets.h"
#include "tests/paths.h"

namespace traind::core {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> ExampleNames() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(fs::path(SourcePath("examples")))) {
    if (entry.path().extension() == ".textproto") names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

v1::Dataset FashionMnist() {
  v1::Dataset dataset = MakeDataset("fashion-mnist", {1, 28, 28}, v1::UINT8, {{"train", 60000}, {"test", 10000}});
  dataset.set_num_classes(10);
  return dataset;
}

class ExamplesTest : public testing::TestWithParam<std::string> {};

TEST_P(ExamplesTest, IsAccepted) {
  std::ifstream file(fs::path(SourcePath("examples")) / (GetParam() + ".textproto"));
  std::stringstream text;
  text << file.rdbuf();
  v1::JobSpec spec;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text.str(), &spec));

  FieldErrors::Root errors;
  if (spec.has_data()) {
    const v1::Dataset dataset = FashionMnist();
    const ResolvedJob job = ResolveJob(spec, &dataset, /*max_threads=*/2, errors.scope());
    EXPECT_THAT(job.warnings, testing::IsEmpty());
    EXPECT_EQ(job.description.layers().rbegin()->output_shape(0), 10) << "one output for each class";
  } else {  // A network to describe and to probe.
    v1::DescribeNetworkRequest request;
    *request.mutable_network() = spec.network();
    EXPECT_GT(DescribeNetwork(request, errors.scope()).parameters(), 0);
  }
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
}

INSTANTIATE_TEST_SUITE_P(Examples, ExamplesTest, testing::ValuesIn(ExampleNames()),
                         [](const auto& example) { return example.param; });

}  // namespace
}  // namespace traind::core

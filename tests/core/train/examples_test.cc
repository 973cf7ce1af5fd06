// The files in examples/ are what a user tries first: each must be accepted as it is, and without a warning but those
// that it is there to show: "# warns: a part of the warning", a line for each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "core/job/network_from.h"
#include "core/job/resolve.h"
#include "tests/paths.h"
#include "tests/support/datasets.h"
#include "tests/support/job_text.h"

namespace traind::core {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> ExampleNames() {
  std::vector<std::string> names;
  const fs::path folder(SourcePath("examples"));
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".textproto") continue;
    names.push_back(fs::relative(entry.path(), folder).replace_extension());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> WantedWarnings(const std::string& text) {
  constexpr absl::string_view kMark = "# warns: ";
  std::vector<std::string> wanted;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, kMark)) wanted.emplace_back(line.substr(kMark.size()));
  }
  return wanted;
}

// Each warning is one that the file wants, and each that it wants comes.
void CheckWarnings(const std::vector<std::string>& warnings, const std::vector<std::string>& wanted) {
  for (const std::string& warning : warnings) {
    EXPECT_TRUE(std::any_of(wanted.begin(), wanted.end(), [&](const std::string& part) {
      return absl::StrContains(warning, part);
    })) << warning;
  }
  for (const std::string& part : wanted) EXPECT_THAT(warnings, testing::Contains(testing::HasSubstr(part)));
}

v1::Dataset FashionMnist() {
  v1::Dataset dataset =
      MakeDataset("fashion-mnist", {1, 28, 28}, v1::ELEMENT_TYPE_UINT8, {{"train", 60000}, {"test", 10000}});
  dataset.set_num_classes(10);
  return dataset;
}

v1::Dataset DatasetOf(const v1::DataSpec& data) {
  if (!absl::EndsWith(data.dataset(), "-half")) return FindTestDataset(data.dataset()).value_or(FashionMnist());
  // As fashion_mnist_halves.py makes it.
  const int64_t examples = data.dataset() == "first-half" ? 30000 : 100;
  v1::Dataset dataset =
      MakeDataset(data.dataset(), {1, 28, 28}, v1::ELEMENT_TYPE_UINT8, {{"train", examples}, {"test", 5000}});
  dataset.set_num_classes(5);
  return dataset;
}

v1::JobSpec ReadExample(const std::string& name) {
  std::ifstream file(fs::path(SourcePath("examples")) / (name + ".textproto"));
  std::stringstream text;
  text << file.rdbuf();
  return JobFromText(text.str());
}

// The layers of the job that another example trains, as a server puts them in.
void TakeTrained(v1::JobSpec& spec) {
  if (!spec.network().has_from()) return;
  ASSERT_EQ(spec.network().from().model(), "jobs/first-half");
  const v1::JobSpec source = ReadExample("fashion_mnist_transfer_source");
  const v1::Dataset dataset = DatasetOf(source.data());
  FieldErrors::Root errors;
  TakeLayers(ResolveJob(source, &dataset, 2, errors.scope())->spec.network(), *spec.mutable_network(), errors.scope());
  ASSERT_TRUE(errors.ok()) << errors.ToStatus();
  spec.mutable_initial_weights()->set_model("jobs/first-half");
}

class ExamplesTest : public testing::TestWithParam<std::string> {};

TEST_P(ExamplesTest, IsAccepted) {
  std::ifstream file(fs::path(SourcePath("examples")) / (GetParam() + ".textproto"));
  std::stringstream text;
  text << file.rdbuf();
  v1::JobSpec spec = JobFromText(text.str());
  TakeTrained(spec);

  FieldErrors::Root errors;
  if (spec.has_data()) {
    const v1::Dataset dataset = DatasetOf(spec.data());
    const ResolvedJob job = *ResolveJob(spec, &dataset, /*max_threads=*/2, errors.scope());
    CheckWarnings(job.warnings, WantedWarnings(text.str()));
    ASSERT_GT(job.description.layers_size(), 0) << errors.ToStatus();
    const int64_t wanted = spec.data().targets() == v1::TARGET_SOURCE_INPUT ? 28 * 28 : dataset.num_classes();
    EXPECT_EQ(job.description.layers().rbegin()->output_shape(0), wanted) << "one output for each class, or pixel";
  } else {  // A network to describe and to probe.
    v1::DescribeNetworkRequest request;
    *request.mutable_network() = spec.network();
    EXPECT_GT(DescribeNetwork(request, errors.scope())->parameters(), 0);
  }
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
}

INSTANTIATE_TEST_SUITE_P(Examples, ExamplesTest, testing::ValuesIn(ExampleNames()), [](const auto& example) {
  return absl::StrReplaceAll(example.param, {{"/", "_"}});
});

}  // namespace
}  // namespace traind::core

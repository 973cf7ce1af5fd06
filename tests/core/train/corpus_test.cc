// The bad job specs of tests/corpus/configs (see the README there) and the good ones of examples/.
#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/job/resolve.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/paths.h"
#include "tests/support/bytes.h"
#include "tests/support/datasets.h"
#include "tests/support/job_text.h"

namespace traind::core {
namespace {

constexpr uint32_t kMaxThreads = 4;

struct Expectation {
  std::string path;
  std::string message;  // A part of it.
};

struct Case {
  std::string name;  // With the file's.
  std::vector<Expectation> expected;
  std::string spec;  // Text format.
};

std::vector<std::filesystem::path> Files(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(SourcePath(folder))) {
    if (entry.path().extension() == ".textproto") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<Case> LoadCases() {
  std::vector<Case> cases;
  for (const auto& file : Files("/tests/corpus/configs")) {
    for (const std::string& line : std::vector<std::string>(absl::StrSplit(ReadBytes(file), '\n'))) {
      absl::string_view rest = line;
      if (absl::ConsumePrefix(&rest, "# case: ")) {
        cases.push_back({absl::StrCat(file.filename().string(), ": ", rest), {}, ""});
      } else if (absl::ConsumePrefix(&rest, "# expect: ")) {
        const std::pair<std::string, std::string> parts = absl::StrSplit(rest, absl::MaxSplits(": ", 1));
        cases.back().expected.push_back({parts.first, parts.second});
      } else if (!cases.empty()) {
        absl::StrAppend(&cases.back().spec, line, "\n");
      }
    }
  }
  return cases;
}

void Check(const Case& one) {
  const v1::JobSpec spec = JobFromText(one.spec);
  FieldErrors::Root errors;
  const auto dataset = FindTestDataset(spec.data().dataset());
  static_cast<void>(ResolveJob(spec, dataset ? &*dataset : nullptr, kMaxThreads, errors.scope()));

  const absl::Status status = errors.ToStatus();
  ASSERT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  rpc::BadRequest details;
  const auto payload = status.GetPayload(std::string(kBadRequestUrl));
  ASSERT_TRUE(payload.has_value());
  ASSERT_TRUE(details.ParseFromString(std::string(*payload)));

  std::vector<std::string> paths, expected_paths;
  for (const auto& violation : details.field_violations()) paths.push_back(violation.field());
  for (const Expectation& expectation : one.expected) expected_paths.push_back(expectation.path);
  EXPECT_THAT(paths, testing::UnorderedElementsAreArray(expected_paths)) << status.message();
  for (const Expectation& expectation : one.expected) {
    EXPECT_TRUE(std::any_of(details.field_violations().begin(), details.field_violations().end(),
                            [&](const auto& violation) {
                              return violation.field() == expectation.path &&
                                     absl::StrContains(violation.description(), expectation.message);
                            }))
        << "wanted \"" << expectation.message << "\" in:\n"
        << status.message();
  }
}

TEST(Corpus, EveryBadSpecGetsItsViolationsAndNoOther) {
  const std::vector<Case> cases = LoadCases();
  EXPECT_GE(cases.size(), 250u);
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    Check(one);
  }
}

TEST(Corpus, EveryExampleResolvesCleanly) {
  const auto files = Files("/examples");
  EXPECT_GE(files.size(), 3u);
  for (const auto& file : files) {
    SCOPED_TRACE(file.filename().string());
    const v1::JobSpec spec = JobFromText(ReadBytes(file));
    if (absl::EndsWith(spec.data().dataset(), "-half")) continue;  // Of five classes: examples_test.cc has it.
    FieldErrors::Root errors;
    if (spec.has_data()) {
      v1::Dataset dataset = FindTestDataset(spec.data().dataset()).value_or(*FindTestDataset("images"));
      dataset.set_name("datasets/" + spec.data().dataset());
      const ResolvedJob job = *ResolveJob(spec, &dataset, kMaxThreads, errors.scope());
      EXPECT_THAT(job.warnings, testing::IsEmpty());
    } else {  // A network to probe or describe.
      v1::ProbeNetworkRequest request;
      *request.mutable_network() = spec.network();
      ResolveProbe(request, nullptr, errors.scope());
    }
    EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  }
}

}  // namespace
}  // namespace traind::core

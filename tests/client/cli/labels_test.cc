#include "client/cli/labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "traind/v1/job.pb.h"

namespace traind::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

TEST(LabelsTest, WordsAreNamesAndChanges) {
  const auto words = ParseLabelWords({"a", "team=vision=2", "b", "stage-", "empty="});
  ASSERT_TRUE(words.ok());
  EXPECT_THAT(words->names, ElementsAre("a", "b"));
  Labels labels;
  labels["stage"] = "draft";
  labels["other"] = "stays";
  ApplyLabels(words->changes, labels);
  EXPECT_THAT(labels, UnorderedElementsAre(Pair("team", "vision=2"), Pair("empty", ""), Pair("other", "stays")));
  EXPECT_EQ(FormatLabels(labels), "empty=, other=stays, team=vision=2");
}

TEST(LabelsTest, WordsThatChangeNothingOrNameNothingAreRefused) {
  EXPECT_THAT(ParseLabelWords({"a", "b"}).status().message(), HasSubstr("KEY=VALUE sets a label"));
  EXPECT_THAT(ParseLabelWords({"team=vision"}).status().message(), HasSubstr("a name is missing"));
}

// Somebody else labels the job between the read and the write.
TEST(LabelsTest, AChangeMeanwhileIsKept) {
  v1::Job job;
  job.set_etag("1");
  int updates = 0;
  const auto get = [&](const std::string&) -> absl::StatusOr<v1::Job> { return job; };
  const auto update = [&](const v1::Job& changed) -> absl::StatusOr<v1::Job> {
    if (++updates == 1) {
      job.set_etag("2");
      (*job.mutable_labels())["theirs"] = "x";
    }
    if (changed.etag() != job.etag()) return absl::AbortedError("the etag");
    job = changed;
    return job;
  };
  const auto changed = ChangeLabels<v1::Job>("jobs/a", {{.key = "ours", .value = "y"}}, get, update);
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_EQ(updates, 2);
  EXPECT_EQ(FormatLabels(changed->labels()), "ours=y, theirs=x");
}

TEST(LabelsTest, AResourceThatNeverRestsIsGivenUp) {
  int updates = 0;
  const auto changed = ChangeLabels<v1::Job>(
      "jobs/a", {{.key = "k", .value = "v"}}, [](const std::string&) -> absl::StatusOr<v1::Job> { return v1::Job(); },
      [&](const v1::Job&) -> absl::StatusOr<v1::Job> {
        ++updates;
        return absl::AbortedError("the etag");
      });
  EXPECT_TRUE(absl::IsAborted(changed.status()));
  EXPECT_EQ(updates, 5);
}

}  // namespace
}  // namespace traind::client

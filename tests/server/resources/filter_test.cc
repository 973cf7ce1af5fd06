#include "server/resources/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "traind/v1/checkpoint.pb.h"
#include "traind/v1/job.pb.h"
#include "traind/v1/operation.pb.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const Fields& JobFields() {
  static const Fields kFields{
      {v1::Job::descriptor(),
       {"name", "state", "display_name", "labels", "priority", "create_time", "end_time", "last_sequence", "trained"}}};
  return kFields;
}

v1::Job Job() {
  v1::Job job;
  job.set_name("jobs/a");
  job.set_state(v1::JOB_STATE_RUNNING);
  job.set_display_name("LeNet on \"digits\"");
  (*job.mutable_labels())["team"] = "vision";
  (*job.mutable_labels())["my.key-1"] = "x";
  (*job.mutable_labels())["empty"] = "";
  job.set_priority(-3);
  job.mutable_create_time()->set_seconds(1'795'687'200);  // 2026-11-26T10:00:00Z
  job.mutable_create_time()->set_nanos(500'000'000);
  job.mutable_trained()->set_seconds(90);
  return job;
}

// The violation of a text, or nothing.
std::string Violation(const std::string& text) {
  core::FieldErrors::Root errors;
  Filter::Parse(text, JobFields(), errors.scope().At("filter"));
  return errors.ok() ? "" : std::string(errors.ToStatus().message());
}

bool Matches(const std::string& text, const v1::Job& job = Job()) {
  core::FieldErrors::Root errors;
  const Filter filter = Filter::Parse(text, JobFields(), errors.scope().At("filter"));
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  const google::protobuf::Message* const parts[] = {&job};
  return filter.Matches(parts);
}

TEST(FilterTest, ComparesEveryKindOfField) {
  for (const char* text : {
           "",
           "  ",
           "name = jobs/a",
           "name=\"jobs/a\"",
           "name = 'jobs/a'",
           "name != jobs/b",
           "name < jobs/b",
           "state = RUNNING",
           "state = JOB_STATE_RUNNING",
           "state:RUNNING",
           "state != FAILED",
           "display_name = \"LeNet on \\\"digits\\\"\"",
           "display_name = 'LeNet on \"digits\"'",
           "display_name:lenet",
           "display_name:\"ON \\\"D\"",
           "labels:team",
           "labels:\"team\"",
           "labels.team = \"vision\"",
           "labels.team:*",
           "labels.team:vis",
           "labels.my.key-1 = x",
           "labels.\"my.key-1\" = x",
           "labels:my.key-1",
           "labels:empty",
           "labels.empty = \"\"",
           "labels.empty:*",
           "labels.other != vision",
           "priority = -3",
           "priority<0",
           "priority >= -3",
           "priority <= -3",
           "priority > -4",
           "create_time > 2026-11-26T10:00:00Z",
           "create_time >= \"2026-11-26T11:00:00.5+01:00\"",
           "create_time = 2026-11-26T10:00:00.5Z",
           "create_time < 2026-11-27",
           "create_time > 2026-11-26",
           "create_time:*",
           "NOT end_time:*",
           "end_time != 2026-11-26",
           "trained = 90s",
           "trained < 1m31s",
           "trained > 0.5s",
           "last_sequence = 0",
       }) {
    EXPECT_TRUE(Matches(text)) << text;
  }
  for (const char* text : {
           "name = jobs/b",         "name = jobs/",
           "state = FAILED",        "state != RUNNING",
           "display_name:nets",     "labels:tea",
           "labels:vision",         "labels.team = Vision",
           "labels.other = \"\"",   "labels.other:*",
           "labels.team != vision", "priority = 3",
           "priority > -3",         "create_time > 2026-11-26T10:00:00.6Z",
           "end_time < 2027-01-01", "end_time > 2020-01-01",
           "end_time = 1970-01-01", "end_time:*",
           "trained > 90s",         "display_name = \"\"",
       }) {
    EXPECT_FALSE(Matches(text)) << text;
  }
}

TEST(FilterTest, OrBindsTighterThanAnd) {
  const std::string yes = "priority = -3", no = "priority = 1";
  for (const auto& [text, expected] : std::vector<std::pair<std::string, bool>>{
           {yes + " AND " + yes, true},
           {yes + " AND " + no, false},
           {yes + " " + no, false},
           {yes + " " + yes, true},
           {no + " OR " + yes, true},
           {no + " OR " + no, false},
           {yes + " OR " + yes + " AND " + no, false},  // (yes OR yes) AND no.
           {no + " AND " + yes + " OR " + yes, false},  // no AND (yes OR yes).
           {"(" + no + " AND " + yes + ") OR " + yes, true},
           {"NOT " + no, true},
           {"-" + no, true},
           {"- " + yes, false},
           {"NOT (" + yes + " " + no + ")", true},
           {"-(" + no + " OR " + yes + ")", false},
           {"((" + yes + "))AND(" + yes + ")", true},
           {"NOT " + no + " AND NOT " + yes, false},
       }) {
    EXPECT_EQ(Matches(text), expected) << text;
  }
}

TEST(FilterTest, SaysWhatIsWrongAndWhere) {
  for (const auto& [text, expected] : std::vector<std::pair<std::string, std::string>>{
           {"stat = RUNNING",
            "filter: character 1: there is no field \"stat\"; did you mean state? known fields: name, "},
           {"state = RUNING",
            "filter: character 9: \"RUNING\" is no state; did you mean RUNNING? known values: QUEUED, "},
           {"name = \"\xC3\xA4\xC3\xB6\" priority = x",
            "filter: character 24: \"x\" must be a whole number: so is priority"},
           {"priority = 1.5", "filter: character 12: \"1.5\" must be a whole number"},
           {"create_time > yesterday",
            "filter: character 15: \"yesterday\" must be a time like 2026-11-26T10:00:00Z or"},
           {"trained > 90", "filter: character 11: \"90\" must be a duration like 90s"},
           {"state < RUNNING", "filter: character 7: state has no order"},
           {"name == a", "filter: character 7: is one \"=\" too many"},
           {"name", "filter: character 5: a comparison is missing"},
           {"name =", "filter: character 7: a value is missing"},
           {"name = \"a", "filter: character 8: the quote has no end"},
           {"name = a AND", "filter: character 13: a comparison is missing"},
           {"name = a OR ", "filter: character 13: a comparison is missing"},
           {"NOT", "filter: character 4: a comparison is missing"},
           {"AND name = a", "filter: character 1: there is no field \"AND\""},
           {"(name = a", "filter: character 1: \"(\" without \")\""},
           {"name = a)", "filter: character 9: \")\" without \"(\""},
           {"()", "filter: character 2: is no field"},
           {"name.x = a", "filter: character 5: name has no fields of its own"},
           {"labels. = a", "filter: character 7: a key is missing"},
           {"labels = a", "filter: character 8: name a key: labels.team = \"vision\""},
           {"\"RUNNING\"", "filter: character 1: is no field"},
       }) {
    EXPECT_THAT(Violation(text), StartsWith(expected)) << text;
  }
  EXPECT_LT(Violation("x" + std::string(1000, 'y') + " = 1").size(), 300u) << "an excerpt is enough";
}

TEST(FilterTest, IsBounded) {
  EXPECT_EQ(Violation(std::string(Filter::kMaxDepth, '(') + "name = a" + std::string(Filter::kMaxDepth, ')')), "");
  EXPECT_THAT(Violation(std::string(Filter::kMaxDepth + 1, '(') + "name = a" + std::string(Filter::kMaxDepth + 1, ')')),
              HasSubstr("parentheses may be 20 deep"));
  EXPECT_THAT(Violation(std::string(1999, '(')), HasSubstr("parentheses may be 20 deep"));
  std::string groups = "(name=a)";
  while (groups.size() + 8 <= Filter::kMaxBytes) groups += "(name=a)";
  EXPECT_EQ(Violation(groups), "") << "side by side is not deep";
  EXPECT_THAT(Violation(std::string(Filter::kMaxBytes + 1, ' ')), HasSubstr("at most 2000 bytes"));
}

// Whatever comes is taken or refused; nothing ends the program or takes long.
TEST(FilterTest, TakesAnyBytes) {
  std::mt19937 random(7);
  const std::vector<std::string> words = {
      "name", "state", "labels", "priority", "create_time", "=", "!=", "<",       ":",   "(",    ")",  "NOT",    "-",
      "OR",   "AND",   "\"",     "'",        "\\",          "*", ".",  "RUNNING", "90s", "\xC3", "\n", "trained"};
  const v1::Job job = Job();
  const google::protobuf::Message* const parts[] = {&job};
  int taken = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    const bool bytes = i % 2 == 0;
    for (size_t length = random() % 40; length > 0; --length) {
      text += bytes ? std::string(1, static_cast<char>(random())) : words[random() % words.size()];
      if (!bytes && random() % 2 == 0) text += " ";
    }
    core::FieldErrors::Root errors;
    const Filter filter = Filter::Parse(text, JobFields(), errors.scope().At("filter"));
    filter.Matches(parts);
    taken += errors.ok();
  }
  EXPECT_GT(taken, 100) << "some of them make sense";
}

TEST(FilterTest, MatchesAnItemOfSeveralMessages) {
  const Fields fields{{v1::Operation::descriptor(), {"name", "done"}},
                      {v1::OperationMetadata::descriptor(), {"state", "method"}}};
  v1::Operation operation;
  operation.set_done(true);
  v1::OperationMetadata metadata;
  metadata.set_state(v1::OPERATION_STATE_FAILED);
  metadata.set_method("Evaluate");
  core::FieldErrors::Root errors;
  const Filter filter = Filter::Parse("done = true state = FAILED method:eval", fields, errors.scope().At("filter"));
  ASSERT_TRUE(errors.ok()) << errors.ToStatus();
  const google::protobuf::Message* const both[] = {&metadata, &operation};
  EXPECT_TRUE(filter.Matches(both));
  metadata.set_state(v1::OPERATION_STATE_RUNNING);
  EXPECT_FALSE(filter.Matches(both));
}

TEST(FilterTest, ANumberThatIsAbsentOrNoneEqualsNothing) {
  const Fields fields{{v1::Checkpoint::descriptor(), {"step", "evaluation_loss"}}};
  const auto matches = [&](const std::string& text, const v1::Checkpoint& checkpoint) {
    core::FieldErrors::Root errors;
    const Filter filter = Filter::Parse(text, fields, errors.scope().At("filter"));
    EXPECT_TRUE(errors.ok()) << errors.ToStatus();
    const google::protobuf::Message* const parts[] = {&checkpoint};
    return filter.Matches(parts);
  };
  v1::Checkpoint checkpoint;
  checkpoint.set_step(uint64_t{1} << 63);
  EXPECT_TRUE(matches("step > 5 step >= 9223372036854775807", checkpoint)) << "the largest number of a filter";
  EXPECT_FALSE(matches("evaluation_loss < 1 OR evaluation_loss >= 1", checkpoint));
  EXPECT_TRUE(matches("evaluation_loss != 1", checkpoint));
  checkpoint.set_evaluation_loss(std::numeric_limits<double>::quiet_NaN());
  EXPECT_FALSE(matches("evaluation_loss < 1 OR evaluation_loss >= 1 OR evaluation_loss:*", checkpoint));
  checkpoint.set_evaluation_loss(0.5);
  EXPECT_TRUE(matches("evaluation_loss < 1 evaluation_loss > 1e-3 evaluation_loss:*", checkpoint));
}

}  // namespace
}  // namespace traind::server

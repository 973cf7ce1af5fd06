// Etags, records, views, masks, request ids: what all resources have in common.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/base/labels.h"
#include "core/base/uid.h"
#include "server/resources/answer_size.h"
#include "server/resources/etag.h"
#include "server/resources/job_record.h"
#include "server/resources/job_view.h"
#include "server/resources/request_id.h"
#include "server/resources/update_mask.h"

namespace traind::server {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

google::protobuf::Timestamp Seconds(int64_t seconds) {
  google::protobuf::Timestamp time;
  time.set_seconds(seconds);
  return time;
}

TEST(EtagTest, ChangesWithEveryChangeButProgress) {
  v1::Job job;
  job.set_name("jobs/a");
  Touch(job, Seconds(1));
  const std::string etag = job.etag();
  EXPECT_THAT(etag, MatchesRegex("[0-9a-f]{8}"));
  job.mutable_progress()->set_step(7);
  job.set_last_sequence(5);
  job.mutable_queue()->set_place(2);
  EXPECT_EQ(EtagOf(job), etag);
  job.set_priority(1);
  EXPECT_NE(EtagOf(job), etag);
  job.set_priority(0);
  Touch(job, Seconds(2));
  EXPECT_NE(job.etag(), etag);
  EXPECT_EQ(job.update_time().seconds(), 2);
}

TEST(EtagTest, DoesNotDependOnTheOrderOfLabels) {
  std::string etags[2];
  for (int order = 0; order < 2; ++order) {
    v1::Model model;
    for (int i = 0; i < 50; ++i) (*model.mutable_labels())["key" + std::to_string(order == 0 ? i : 49 - i)] = "x";
    etags[order] = EtagOf(model);
  }
  EXPECT_EQ(etags[0], etags[1]);
}

TEST(EtagTest, IsCheckedWhenItIsGiven) {
  EXPECT_TRUE(CheckEtag("", "abc", "jobs/a").ok());
  EXPECT_TRUE(CheckEtag("abc", "abc", "jobs/a").ok());
  const absl::Status status = CheckEtag("abd", "abc", "jobs/a");
  EXPECT_TRUE(absl::IsAborted(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("jobs/a was changed meanwhile: its etag is abc"));
}

TEST(JobRecordTest, BeginsWithWhatTheSpecSays) {
  v1::Job job;
  job.set_name("jobs/a");
  job.mutable_spec()->set_display_name("LeNet");
  job.mutable_spec()->set_priority(3);
  (*job.mutable_spec()->mutable_labels())["team"] = "vision";
  job.mutable_resolved_spec()->mutable_data()->set_dataset("datasets/digits");
  v1::Job old = job;
  job.mutable_resolved_spec()->set_last_batch(v1::LAST_BATCH_KEEP);
  BeginRecord(job, Seconds(5));
  EXPECT_THAT(job.uid(), MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_EQ(job.display_name(), "LeNet");
  EXPECT_EQ(job.priority(), 3);
  EXPECT_EQ(job.labels().at("team"), "vision");
  EXPECT_EQ(job.dataset(), "datasets/digits");
  EXPECT_EQ(job.update_time().seconds(), 5);
  EXPECT_EQ(job.etag(), EtagOf(job));

  // A record of an older traind gets the same, each time it is read.
  *old.mutable_create_time() = Seconds(1);
  *old.mutable_end_time() = Seconds(9);
  v1::Job again = old;
  CompleteRecord(old);
  CompleteRecord(again);
  EXPECT_EQ(old.uid(), again.uid());
  EXPECT_THAT(old.uid(), MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_NE(old.uid(), job.uid());
  EXPECT_EQ(old.priority(), 3);
  EXPECT_EQ(old.update_time().seconds(), 9);
  EXPECT_EQ(old.etag(), EtagOf(old));
  EXPECT_EQ(old.resolved_spec().last_batch(), v1::LAST_BATCH_DROP);
  v1::Job newer = job;
  CompleteRecord(newer);
  EXPECT_EQ(newer.SerializeAsString(), job.SerializeAsString());
}

TEST(UidTest, IsNewOrDerived) {
  EXPECT_NE(core::NewUid(), core::NewUid());
  EXPECT_EQ(core::DerivedUid("a"), core::DerivedUid("a"));
  EXPECT_NE(core::DerivedUid("a"), core::DerivedUid("b"));
  EXPECT_EQ(core::DerivedUid("a").size(), 36u);
}

TEST(JobViewTest, ShowsASpecAtATime) {
  v1::Job job;
  job.mutable_spec()->set_seed(1);
  job.mutable_resolved_spec()->set_seed(2);
  const auto shown = [&](v1::JobView view, v1::JobView standard) {
    v1::Job answer = job;
    ApplyView(view, standard, answer);
    return std::string(answer.has_spec() ? "s" : "") + (answer.has_resolved_spec() ? "r" : "");
  };
  EXPECT_EQ(shown(v1::JOB_VIEW_BASIC, v1::JOB_VIEW_SPEC), "");
  EXPECT_EQ(shown(v1::JOB_VIEW_SPEC, v1::JOB_VIEW_BASIC), "s");
  EXPECT_EQ(shown(v1::JOB_VIEW_RESOLVED, v1::JOB_VIEW_BASIC), "r");
  EXPECT_EQ(shown(v1::JOB_VIEW_UNSPECIFIED, v1::JOB_VIEW_SPEC), "s");
  EXPECT_EQ(shown(v1::JOB_VIEW_UNSPECIFIED, v1::JOB_VIEW_BASIC), "");
  core::FieldErrors::Root errors;
  CheckView(static_cast<v1::JobView>(9), errors.scope().At("view"));
  EXPECT_THAT(std::string(errors.ToStatus().message()), HasSubstr("view: is not a view"));
}

TEST(JobViewTest, RefusesWhatNoAnswerCanHold) {
  const auto violation = [](size_t given, size_t resolved) {
    v1::Job job;
    job.mutable_spec()->set_display_name(std::string(given, 'x'));
    job.mutable_resolved_spec()->set_display_name(std::string(resolved, 'x'));
    core::FieldErrors::Root errors;
    CheckViews(job, errors.scope().At("spec"));
    return errors.ok() ? "" : std::string(errors.ToStatus().message());
  };
  constexpr size_t kFits = (7 << 19) - 100, kTooMuch = 7 << 19;
  EXPECT_EQ(violation(kFits, kFits), "");
  EXPECT_THAT(violation(kTooMuch, 0), HasSubstr("spec: takes 3.5 MiB, and no answer may hold more than 3.5; write"));
  EXPECT_THAT(violation(0, kTooMuch), HasSubstr("with its blocks expanded"));
}

TEST(AnswerSizeTest, RefusesWhatADefaultClientCannotRead) {
  v1::Job job;
  job.set_display_name(std::string(4 << 20, 'x'));
  const absl::Status status = CheckAnswerSize(job, "ask for less");
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(status.message(), "the answer takes 4.0 MiB, more than the 4 MiB of an answer; ask for less");
  job.set_display_name(std::string((4 << 20) - 10, 'x'));
  EXPECT_TRUE(CheckAnswerSize(job, "").ok());
}

TEST(UpdateMaskTest, NamesEveryPathThatMayNotChange) {
  google::protobuf::FieldMask mask;
  core::FieldErrors::Root empty;
  CheckUpdateMask(mask, {"labels", "priority"}, empty.scope().At("update_mask"));
  EXPECT_THAT(std::string(empty.ToStatus().message()), HasSubstr("update_mask: is required: of labels, priority"));
  for (const char* path : {"state", "labels", "label"}) mask.add_paths(path);
  core::FieldErrors::Root errors;
  CheckUpdateMask(mask, {"labels", "priority"}, errors.scope().At("update_mask"));
  EXPECT_EQ(errors.violations().field_violations_size(), 2);
  EXPECT_EQ(errors.violations().field_violations(1).field(), "update_mask.paths[2]");
  EXPECT_EQ(errors.violations().field_violations(1).description(),
            "\"label\" cannot be changed; did you mean labels? known paths: labels, priority");
  EXPECT_TRUE(Updates(mask, "labels"));
  EXPECT_FALSE(Updates(mask, "priority"));
}

TEST(LabelsTest, HaveBounds) {
  const auto violations = [](const std::string& key, const std::string& value, int more = 0) {
    core::Labels labels;
    labels[key] = value;
    for (int i = 0; i < more; ++i) labels["k" + std::to_string(i)] = "";
    core::FieldErrors::Root errors;
    core::CheckLabels(labels, errors.scope().At("labels"));
    return errors.violations().field_violations_size();
  };
  for (const char* key : {"a", "team", "a.b-c_d9"}) EXPECT_EQ(violations(key, "any \xC3\xA4 text"), 0) << key;
  EXPECT_EQ(violations(std::string(63, 'a'), std::string(256, 'x')), 0);
  for (const char* key : {"", "A", "9a", "a-", "a b", "\xC3\xA4"}) EXPECT_EQ(violations(key, ""), 1) << key;
  EXPECT_EQ(violations(std::string(64, 'a'), ""), 1);
  EXPECT_EQ(violations("a", std::string(257, 'x')), 1);
  EXPECT_EQ(violations("A", std::string(257, 'x')), 2);
  EXPECT_EQ(violations("a", "", 63), 0);
  EXPECT_EQ(violations("a", "", 64), 1);
}

TEST(RequestIdTest, TheSameCallOrAnother) {
  StoredRequest stored{.request_id = "r", .method = "CreateJob", .resource = "jobs/a", .uid = "u", .fingerprint = "f"};
  EXPECT_TRUE(CheckRepeated(stored, "CreateJob", "f").ok());
  for (const absl::Status& status :
       {CheckRepeated(stored, "CreateJob", "g"), CheckRepeated(stored, "UploadModel", "f")}) {
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_THAT(std::string(status.message()), HasSubstr("request_id: was used before"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("jobs/a"));
  }
  stored.delete_time = absl::FromUnixSeconds(0);
  const absl::Status deleted = CheckRepeated(stored, "CreateJob", "f");
  EXPECT_TRUE(absl::IsFailedPrecondition(deleted));
  EXPECT_THAT(std::string(deleted.message()), HasSubstr("jobs/a, which this request made, was deleted at 1970-01-01T"));
  stored.fingerprint.clear();
  stored.delete_time = absl::InfiniteFuture();
  EXPECT_TRUE(CheckRepeated(stored, "CreateJob", "g").ok()) << "of an older traind, which kept none";
}

}  // namespace
}  // namespace traind::server

// `trainctl findings` and `explain`, and what a watch makes of findings.
#include "client/cli/finding_view.h"
#include "client/cli/job_view.h"
#include "client/cli/live_view.h"
#include "client/cli/plain_view.h"
#include "gmock/gmock.h"
#include "tests/client/cli/app_fixture.h"
#include "tests/support/text_proto.h"

namespace traind::client {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kFindings[] = R"(
  findings {
    id: "no_symmetry_breaking/hidden" rule: "no_symmetry_breaking" layer: "hidden" severity: SEVERITY_WARNING
    state: STATE_OPEN cause: "all its weights start equal" fix { words: "use kaiming" }
  }
  findings {
    id: "loss_not_falling" rule: "loss_not_falling" severity: SEVERITY_CRITICAL state: STATE_OPEN first_step: 60
    last_step: 100 cause: "the loss\x1b[2J does not fall" root: "no_symmetry_breaking/hidden"
    evidence { quantity: "fall" value: 0.01 threshold: 0.05 relation: RELATION_BELOW seen: 3 windows: 5 }
  })";

class FindingsTest : public AppTest {
 protected:
  void Give(const std::string& findings) {
    server_.training.list_findings = [this, findings](const v1::ListFindingsRequest& request,
                                                      v1::ListFindingsResponse* response) {
      asked_ = request;
      *response = FromText<v1::ListFindingsResponse>(findings);
      return grpc::Status::OK;
    };
  }
  v1::ListFindingsRequest asked_;
};

TEST_F(FindingsTest, AreATableWithCausesFirst) {
  Give(kFindings);
  width_ = 200;
  EXPECT_EQ(Run({"findings", "cnn"}), 0) << err_.str();
  EXPECT_EQ(asked_.parent(), "jobs/cnn");
  EXPECT_FALSE(asked_.with_resolved());
  for (const char* text : {"no_symmetry_breaking/hidden", "WARNING", "use kaiming", "  loss_not_falling", "CRITICAL",
                           "60-100", "fall 0.0100 < 0.0500, 3 of 5", "see no_symmetry_breaking/hidden"}) {
    EXPECT_THAT(out_.str(), HasSubstr(text));
  }
  EXPECT_THAT(out_.str(), Not(HasSubstr("\x1b"))) << "what a server says does not steer the terminal";
  EXPECT_EQ(Run({"findings", "cnn", "--resolved", "--json"}), 0);
  EXPECT_TRUE(asked_.with_resolved());
  EXPECT_THAT(out_.str(), HasSubstr("\"rule\":\"loss_not_falling\""));
}

TEST_F(FindingsTest, FailOnSaysSoWithTheExitCode) {
  Give(kFindings);
  EXPECT_EQ(Run({"findings", "cnn", "--fail-on", "critical"}), 1);
  Give("findings { id: 'a' severity: SEVERITY_WARNING state: STATE_OPEN }");
  EXPECT_EQ(Run({"findings", "cnn", "--fail-on", "critical"}), 0);
  EXPECT_EQ(Run({"findings", "cnn", "--fail-on", "warning"}), 1);
  EXPECT_EQ(Run({"findings", "cnn", "--fail-on", "info"}), 1);
  Give("findings { id: 'a' severity: SEVERITY_CRITICAL state: STATE_RESOLVED }");
  EXPECT_EQ(Run({"findings", "cnn", "--resolved", "--fail-on", "info"}), 0);
  EXPECT_EQ(Run({"findings", "cnn", "--fail-on", "fatal"}), 2);
}

TEST_F(FindingsTest, NothingIsSaidToo) {
  Give("");
  EXPECT_EQ(Run({"findings", "cnn"}), 0);
  EXPECT_THAT(err_.str(), HasSubstr("nothing was found"));
}

TEST_F(FindingsTest, ExplainNeedsNoServerAndKnowsEveryRule) {
  EXPECT_EQ(Run({"explain"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("\nvanishing_gradient\n"));
  EXPECT_EQ(Run({"explain", "dead_relu/hidden"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("never come back"));
  EXPECT_THAT(out_.str(), HasSubstr("most_share: Share of the layer's units"));
  EXPECT_NE(Run({"explain", "dead_rely"}), 0);
  EXPECT_THAT(err_.str(), HasSubstr("dead_relu"));
}

v1::Event FindingEvent(const std::string& finding) {
  v1::Event event;
  event.set_step(70);
  *event.mutable_finding() = FromText<v1::Finding>(finding);
  return event;
}

constexpr char kOpen[] =
    "id: 'dead_relu/a' severity: SEVERITY_CRITICAL state: STATE_OPEN cause: 'dead' fix { words: 'use leaky_relu' }";

TEST(FindingViews, AWatchNotesThemAndTheSummaryHasTheWorst) {
  JobView view(FromText<v1::Job>("name: 'jobs/cnn' state: JOB_STATE_SUCCEEDED"));
  view.Apply(FindingEvent(kOpen));
  ASSERT_EQ(view.notes().size(), 1u);
  EXPECT_EQ(view.notes().back().text, "CRITICAL dead_relu/a: dead; use leaky_relu");
  EXPECT_THAT(RenderSummary(view, false), HasSubstr("\nCRITICAL dead_relu/a: dead; use leaky_relu\n"));
  EXPECT_THAT(RenderSummary(view, false), HasSubstr("trainctl findings cnn"));
  view.Apply(FindingEvent("id: 'dead_relu/a' severity: SEVERITY_CRITICAL state: STATE_RESOLVED"));
  EXPECT_EQ(view.notes().back().text, "resolved: dead_relu/a");
  EXPECT_THAT(RenderSummary(view, false), Not(HasSubstr("CRITICAL")));
}

TEST(FindingViews, WhatWasWarnedOfIsNotSaidTwice) {
  JobView view(FromText<v1::Job>("name: 'jobs/cnn' state: JOB_STATE_RUNNING"));
  view.Apply(FindingEvent(std::string(kOpen) + " warned: true"));
  EXPECT_TRUE(view.notes().empty());
}

TEST(FindingViews, APlainLineHasItAll) {
  EXPECT_THAT(
      PlainLines(FindingEvent(std::string(kOpen) + " root: 'x' evidence { quantity: 'q' value: 2 threshold: 1 }"),
                 false),
      HasSubstr("step=70 epoch=0.00 finding id=dead_relu/a severity=CRITICAL state=OPEN cause=\"dead\" value=2 "
                "threshold=1 root=x fix=\"use leaky_relu\"\n"));
}

}  // namespace
}  // namespace traind::client

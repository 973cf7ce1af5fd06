// docs/job-life.md is the picture of the tables in job_state.h and job_verb.cc, and says nothing else.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/enum_name.h"
#include "server/resources/job_state.h"
#include "server/resources/job_verb.h"
#include "tests/paths.h"
#include "tests/server/resources/expected_verbs.h"
#include "tests/support/bytes.h"

namespace traind::server {
namespace {

constexpr JobVerb kVerbs[] = {JobVerb::kPause,  JobVerb::kResume, JobVerb::kStop,
                              JobVerb::kExtend, JobVerb::kCancel, JobVerb::kDelete};

constexpr char kBegin[] = R"(# The life of a job

The picture and the table are made from those in `server/resources/job_state.h` and `server/resources/job_verb.cc`, by
`tests/server/resources/job_life_test.cc`.

```mermaid
stateDiagram-v2
  [*] --> QUEUED : CreateJob, ForkJob
)";

constexpr char kMiddle[] = R"(```

Each change is stored, with its STATE event and the reason, before anybody sees it. SUCCEEDED, FAILED and CANCELLED are
terminal: no job leaves them by itself. A server that was killed finds RUNNING and STOPPING jobs and queues them again
(they go on from their newest checkpoint, and those that were STOPPING end well as soon as they run); those that were
PAUSING or CANCELLING are PAUSED or CANCELLED.

What a method does to a job in each state: the state to which it goes, `=` where nothing is left to do (idempotent), and
nothing where it is refused with FAILED_PRECONDITION, which says what to do instead. The other methods do not ask for the
state; StopJob of a job that waits also wants a checkpoint of at least one step, and ForkJob any checkpoint.

)";

std::string Picture() {
  std::string text = kBegin;
  for (const Transition& transition : kTransitions) {
    absl::StrAppend(&text, "  ", core::EnumName(transition.from), " --> ", core::EnumName(transition.to), " : ",
                    std::string(transition.cause), "\n");
  }
  return text + kMiddle;
}

std::string Cell(const VerbRule& rule) {
  switch (rule.effect) {
    case VerbRule::Effect::kMoves:
      return core::EnumName(rule.to);
    case VerbRule::Effect::kNothing:
      return "=";
    case VerbRule::Effect::kDeletes:
      return "deleted";
    case VerbRule::Effect::kRefused:
      return "";
  }
  return "";
}

std::string Table() {
  std::string text = "| |";
  std::string line = "|---|";
  for (JobVerb verb : kVerbs) {
    absl::StrAppend(&text, " ", std::string(MethodOf(verb)), " |");
    absl::StrAppend(&line, "---|");
  }
  absl::StrAppend(&text, "\n", line, "\n");
  for (v1::JobState state : kStates) {
    absl::StrAppend(&text, "| ", core::EnumName(state), " |");
    for (JobVerb verb : kVerbs) absl::StrAppend(&text, " ", Cell(RuleOf(verb, state)), " |");
    absl::StrAppend(&text, "\n");
  }
  return text;
}

TEST(JobLife, IsDrawnInTheDocsAsTheTablesHaveIt) {
  const std::string path = SourcePath("docs/job-life.md");
  const std::string drawn = Picture() + Table();
  if (std::getenv("TRAIND_WRITE_DOCS") != nullptr) WriteBytes(path, drawn);
  EXPECT_EQ(ReadBytes(path), drawn) << "TRAIND_WRITE_DOCS=1 tests/run.sh -R JobLife writes it anew";
}

}  // namespace
}  // namespace traind::server

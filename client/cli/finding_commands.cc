// `trainctl findings` and `trainctl explain`.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands.h"
#include "client/cli/finding_view.h"
#include "client/cli/flags.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"
#include "client/enum_names.h"
#include "client/suggest.h"
#include "proto/commented.h"

namespace traind::client {
namespace {

using google::protobuf::FieldDescriptor;

struct FindingOptions {
  std::string job;
  bool resolved = false;
  std::string fail_on;
};

Table FindingTable(const std::vector<v1::Finding>& findings) {
  Table table({{.title = "finding"},
               {.title = "severity"},
               {.title = "steps", .right = true, .rank = 3},
               {.title = "evidence", .rank = 2},
               {.title = "cause"},
               {.title = "what helps", .rank = 1}});
  for (const v1::Finding& finding : findings) {
    const bool resolved = finding.state() == v1::Finding::STATE_RESOLVED;
    table.Add(
        {{.text = absl::StrCat(finding.root().empty() ? "" : "  ", finding.id()), .style = Style::kBold},
         {.text = resolved ? "RESOLVED" : EnumName(finding.severity()), .style = SeverityStyle(finding)},
         {.text = absl::StrCat(finding.first_step(), "-", finding.last_step())},
         {.text = Printable(DescribeEvidence(finding.evidence()))},
         {.text = Printable(finding.cause())},
         {.text = Printable(finding.root().empty() ? finding.fix().words() : absl::StrCat("see ", finding.root())),
          .style = Style::kDim}});
  }
  return table;
}

int FindingsCommand(const Context& context, const FindingOptions& options) {
  v1::ListFindingsRequest request;
  request.set_parent(JobName(options.job));
  request.set_with_resolved(options.resolved);
  const absl::StatusOr<v1::ListFindingsResponse> response = context.MakeClient().ListFindings(request);
  if (!response.ok()) return context.Fail(response.status());
  const std::vector<v1::Finding> findings(response->findings().begin(), response->findings().end());
  if (context.json) {
    for (const v1::Finding& finding : findings) context.PrintJson(finding);
  } else if (context.quiet) {
    for (const v1::Finding& finding : findings) context.out() << finding.id() << "\n";
  } else if (findings.empty()) {
    context.Note("nothing was found");
  } else {
    context.out() << FindingTable(findings).Render(context.console.width, context.color());
  }
  const bool fails = std::any_of(findings.begin(), findings.end(),
                                 [&](const v1::Finding& finding) { return FailsOn(finding, options.fail_on); });
  return fails ? kFailed : kOk;
}

std::vector<std::string> RuleNames() {
  std::vector<std::string> names;
  const auto* kinds = v1::Rule::descriptor()->FindOneofByName("kind");
  for (int i = 0; i < kinds->field_count(); ++i) names.push_back(kinds->field(i)->name());
  return names;
}

// The comments of the rule's message: they are what docs/insight.md and the schema say, too.
int Explain(const Context& context, const std::string& name) {
  const auto* rule = CommentedFiles().FindMessageTypeByName(v1::Rule::descriptor()->full_name());
  if (name.empty()) {
    for (int i = 0; i < rule->field_count(); ++i) context.out() << rule->field(i)->name() << "\n";
    context.Note("  trainctl explain RULE   what one of them sees, and why that is a fault");
    return kOk;
  }
  const FieldDescriptor* kind = rule->FindFieldByName(name.substr(0, name.find('/')));
  if (kind == nullptr) {
    return context.Fail(absl::NotFoundError(absl::StrCat("\"", name, "\"; ", Known("rules", name, RuleNames()))));
  }
  context.out() << kind->name() << "\n  " << CommentOf(*kind->message_type()) << "\n";
  for (int i = 0; i < kind->message_type()->field_count(); ++i) {
    const FieldDescriptor& field = *kind->message_type()->field(i);
    context.out() << "\n  " << field.name() << ": " << CommentOf(field) << "\n";
  }
  return kOk;
}

}  // namespace

void AddFindingCommands(CLI::App& app, Context& context) {
  CLI::App& findings = *app.add_subcommand("findings", "What is wrong with a job, why, and what helps");
  findings.footer(
      "Examples:\n"
      "  trainctl findings cnn\n"
      "  trainctl findings cnn --fail-on critical       exit code 1 if there is one\n"
      "  trainctl findings cnn --json | jq .fix.patch\n"
      "Causes come first, each followed by what it explains. `trainctl explain RULE` says more of a rule.");
  auto options = std::make_shared<FindingOptions>();
  findings.add_option("JOB", options->job, "Job to look at")->required();
  findings.add_flag("--resolved", options->resolved, "Also what is no longer so");
  AddFailOn(findings, options->fail_on);
  findings.callback(
      [&context, options] { context.action = [&context, options] { return FindingsCommand(context, *options); }; });

  CLI::App& explain = *app.add_subcommand("explain", "What a rule sees, why that is a fault, and its thresholds");
  explain.footer(
      "Examples:\n"
      "  trainctl explain                               the names of all rules\n"
      "  trainctl explain dead_relu\n"
      "  trainctl explain dead_relu/hidden              the rule of a finding");
  auto rule = std::make_shared<std::string>();
  explain.add_option("RULE", *rule, "Its name, or the id of a finding; none: all rules");
  explain.callback([&context, rule] {
    context.needs_server = false;
    context.action = [&context, rule] { return Explain(context, *rule); };
  });
}

}  // namespace traind::client

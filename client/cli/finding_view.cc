#include "client/cli/finding_view.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/cli/text.h"
#include "client/enum_names.h"

namespace traind::client {

std::string DescribeFinding(const v1::Finding& finding) {
  if (finding.state() == v1::Finding::STATE_RESOLVED) return absl::StrCat("resolved: ", finding.id());
  const std::string text = absl::StrCat(EnumName(finding.severity()), " ", finding.id(), ": ", finding.cause());
  if (!finding.root().empty()) return absl::StrCat(text, ", because of ", finding.root());
  return absl::StrCat(text, finding.fix().words().empty() ? "" : "; ", finding.fix().words());
}

std::string DescribeEvidence(const v1::Evidence& evidence) {
  if (evidence.relation() == v1::Evidence::RELATION_UNSPECIFIED) return evidence.quantity();
  std::string text = absl::StrCat(evidence.quantity(), " ", FormatNumber(evidence.value()),
                                  evidence.relation() == v1::Evidence::RELATION_ABOVE ? " > " : " < ",
                                  FormatNumber(evidence.threshold()));
  if (evidence.windows() > 0) absl::StrAppend(&text, ", ", evidence.seen(), " of ", evidence.windows());
  return text;
}

Style SeverityStyle(const v1::Finding& finding) {
  if (finding.state() == v1::Finding::STATE_RESOLVED) return Style::kPlain;
  return finding.severity() == v1::Finding::SEVERITY_CRITICAL  ? Style::kBad
         : finding.severity() == v1::Finding::SEVERITY_WARNING ? Style::kWarning
                                                               : Style::kPlain;
}

void AddFailOn(CLI::App& command, std::string& severity) {
  command.add_option("--fail-on", severity, "Exit code 1 if a finding is open that is at least so bad")
      ->check(CLI::IsMember({"info", "warning", "critical"}))
      ->type_name("SEVERITY");
}

bool FailsOn(const v1::Finding& finding, const std::string& severity) {
  if (severity.empty() || finding.state() != v1::Finding::STATE_OPEN) return false;
  return absl::AsciiStrToLower(EnumName(finding.severity())) == severity ||
         finding.severity() == v1::Finding::SEVERITY_CRITICAL ||
         (severity == "info" && finding.severity() == v1::Finding::SEVERITY_WARNING);
}

}  // namespace traind::client

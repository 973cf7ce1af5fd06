#include "client/cli/context.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/flags.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"

namespace traind::client {
namespace {

// What a person can do about a server that does not answer.
std::string NoServer(const std::string& server, absl::string_view reason) {
  return absl::StrCat("no traind server answers at ", server, " (", reason,
                      ")\nstart one with `traind`, or name another with --server or TRAIND_SERVER");
}

// "--sort: there is no field "age""; a field that no option sets stands in the file, or goes by its own name.
std::string Explain(const FieldViolation& violation, const JobFile* file) {
  const bool of_file = file != nullptr && absl::StrContains(violation.field, '.');
  const std::string flag = of_file ? "" : FlagOf(violation.field);
  if (!flag.empty()) return absl::StrCat(flag, ": ", violation.description);
  if (file != nullptr) return file->Explain(violation);
  return violation.field.empty() ? violation.description : absl::StrCat(violation.field, ": ", violation.description);
}

}  // namespace

Client Context::MakeClient(RetryObserver on_retry) const {
  ClientOptions options;
  options.server = server;
  options.on_retry = std::move(on_retry);
  if (timeout_seconds > 0) {
    options.call_timeout = absl::Seconds(timeout_seconds);
    options.long_call_timeout = absl::Seconds(timeout_seconds);
  }
  return Client(std::move(options));
}

int Context::Fail(const absl::Status& status, const JobFile* file) const {
  const std::vector<FieldViolation> violations = FieldViolations(status);
  if (json) {
    nlohmann::json error = {{"code", absl::StatusCodeToString(status.code())},
                            {"message", std::string(status.message())}};
    for (const FieldViolation& violation : violations) {
      nlohmann::json entry = {{"field", violation.field}, {"description", violation.description}};
      if (file != nullptr) entry["place"] = file->Explain(violation);
      error["violations"].push_back(std::move(entry));
    }
    err() << nlohmann::json({{"error", error}}).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
    return kFailed;
  }
  const auto say = [&](absl::string_view text) {
    err() << StyledLine().Add("error: ", Style::kBad).Render(80, color()) << " " << text << "\n";
  };
  if (!violations.empty()) {
    for (const FieldViolation& violation : violations) {
      say(Explain(violation, file));
    }
  } else if (absl::IsUnavailable(status)) {
    say(NoServer(server, Printable(status.message())));
  } else if (absl::IsDeadlineExceeded(status)) {
    say(absl::StrCat(server, " did not answer in time; --timeout allows more"));
  } else {
    say(status.message().empty() ? absl::StatusCodeToString(status.code()) : std::string(status.message()));
  }
  return kFailed;
}

absl::StatusOr<std::string> Context::ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  if (!status.ok()) return absl::InternalError(absl::StrCat("this cannot be printed as JSON: ", status.ToString()));
  return text;
}

void Context::PrintJson(const google::protobuf::Message& message) const {
  absl::StatusOr<std::string> text = ToJson(message);
  if (!text.ok()) {
    unprinted = true;
    err() << "error: " << text.status().message() << "\n";
    text = nlohmann::json({{"error", {{"message", std::string(text.status().message())}}}}).dump();
  }
  out() << *text << std::endl;  // Flushed: a reader of a stream wants each line at once.
}

void Context::Say(absl::string_view key, absl::string_view value) const {
  constexpr int kKeyWidth = 14;
  constexpr int kWide = 10000;  // Nothing is cut: the terminal may wrap.
  out() << StyledLine().Add(PadRight(key, kKeyWidth), Style::kDim).Add(Printable(value)).Render(kWide, color()) << "\n";
}

void Context::Note(absl::string_view text) const {
  if (!quiet && !json) err() << text << "\n";
}

void Context::Warnings(const google::protobuf::RepeatedPtrField<std::string>& warnings) const {
  for (const std::string& warning : warnings) {
    Note(StyledLine().Add("warning: ", Style::kWarning).Add(Printable(warning)).Render(10000, color()));
  }
}

int ApplyAssignments(const Context& context, const std::vector<std::string>& assignments, JobFile& file) {
  for (const std::string& assignment : assignments) {
    if (absl::Status status = file.Set(assignment); !status.ok()) {
      context.Fail(status);
      return kUsage;
    }
  }
  return kOk;
}

std::optional<JobFile> ReadJobFile(const Context& context, const std::string& path,
                                   const std::vector<std::string>& assignments, int& code) {
  absl::StatusOr<JobFile> file = JobFile::Read(path);
  code = file.ok() ? ApplyAssignments(context, assignments, *file) : context.Fail(file.status());
  if (code != kOk) return std::nullopt;
  return *std::move(file);
}

}  // namespace traind::client

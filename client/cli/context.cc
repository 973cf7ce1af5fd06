#include "client/cli/context.h"

#include <google/protobuf/util/json_util.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/cli/flags.h"
#include "client/cli/styled.h"
#include "client/cli/text.h"
#include "client/errors.h"

namespace traind::client {
namespace {

// What a person can do about a server that does not answer.
std::string NoServer(const std::string& server, bool tls, absl::string_view reason) {
  // Of gRPC's and OpenSSL's words.
  const std::string lower = absl::AsciiStrToLower(reason);
  const auto says = [&](absl::string_view words) { return absl::StrContains(lower, words); };
  const char* help = "start one with `traind`, or name another with --server or TRAIND_SERVER";
  if (says("certificate verify failed") || says("hostname verification") || says("not in peer certificate")) {
    help = "its certificate is none of this name that --tls-ca (by default the system's authorities) trusts";
  } else if (says("wrong version number")) {
    help = "it does not speak TLS: leave --tls and --tls-ca out, or start it with --tls-cert and --tls-key";
  } else if (says("certificate required") || (tls && says("socket closed"))) {
    help = "perhaps it wants a certificate of yours: --tls-cert and --tls-key";
  } else if (!tls && says("socket closed")) {
    help = "perhaps it speaks TLS: say --tls or --tls-ca FILE";
  }
  return absl::StrCat("no traind server answers at ", server, " (", reason, ")\n", help);
}

// What the kind of an error is to a script.
ExitCode CodeOf(const absl::Status& status) {
  if (!IsOfCall(status)) return kFailed;
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return kNotFound;
    case absl::StatusCode::kUnavailable:
      return RetryDelay(status).has_value() ? kRefused : kNoServer;
    case absl::StatusCode::kDeadlineExceeded:
      return kNoServer;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnimplemented:
      return kRefused;
    default:
      return kFailed;
  }
}

// "; try again in 2s" where the server says when.
std::string WhenAgain(const absl::Status& status) {
  const std::optional<absl::Duration> delay = RetryDelay(status);
  return delay ? absl::StrCat("; try again in ", absl::FormatDuration(absl::Ceil(*delay, absl::Seconds(1)))) : "";
}

// "--sort: there is no field "age""; a field that no option sets stands in the file, or goes by its own name.
std::string Explain(const FieldViolation& violation, const MessageFile* file) {
  const bool of_file = file != nullptr && absl::StrContains(violation.field, '.');
  const std::string flag = of_file ? "" : FlagOf(violation.field);
  if (!flag.empty()) return absl::StrCat(flag, ": ", violation.description);
  if (file != nullptr) return file->Explain(violation);
  return violation.field.empty() ? violation.description : absl::StrCat(violation.field, ": ", violation.description);
}

}  // namespace

absl::Status Context::Connect() {
  auto chosen = ChooseServer(flags, std::getenv);
  if (!chosen.ok()) return chosen.status();
  server = chosen->server;
  auto read = ReadCredentials(chosen->files);
  if (!read.ok()) {
    const std::string of = chosen->context.empty() ? "" : absl::StrCat("context ", chosen->context, ": ");
    return absl::Status(read.status().code(), absl::StrCat(of, read.status().message()));
  }
  credentials = *std::move(read);
  return absl::OkStatus();
}

Client Context::MakeClient(RetryObserver on_retry) const {
  ClientOptions options;
  options.server = server;
  options.credentials = credentials;
  options.on_retry = std::move(on_retry);
  if (timeout_seconds > 0) {
    options.call_timeout = absl::Seconds(timeout_seconds);
    options.long_call_timeout = absl::Seconds(timeout_seconds);
  }
  return Client(std::move(options));
}

int Context::Fail(const absl::Status& status, const MessageFile* file) const {
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
    return CodeOf(status);
  }
  const auto say = [&](absl::string_view text) {
    err() << StyledLine().Add("error: ", Style::kBad).Render(80, color()) << " " << text << "\n";
  };
  if (!violations.empty()) {
    for (const FieldViolation& violation : violations) {
      say(Explain(violation, file));
    }
  } else if (absl::IsUnavailable(status) && CodeOf(status) == kNoServer) {
    say(NoServer(server, credentials.tls, Printable(status.message())));
  } else if (absl::IsUnauthenticated(status)) {
    say(absl::StrCat(Printable(status.message()), credentials.token.empty() ? "; give --token-file FILE" : ""));
  } else if (absl::IsDeadlineExceeded(status) && IsOfCall(status)) {
    say(absl::StrCat(server, " did not answer in time; --timeout allows more"));
  } else {
    say(absl::StrCat(status.message().empty() ? absl::StatusCodeToString(status.code()) : status.message(),
                     WhenAgain(status)));
  }
  return CodeOf(status);
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

// What every command of trainctl shares: the global options, the outputs, errors as people (or --json) see them.
#pragma once

#include <google/protobuf/message.h>

#include <functional>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/server_contexts.h"
#include "client/client.h"
#include "client/job_file.h"

namespace CLI {
class Option;
}

namespace traind::client {

// The program's exit codes, which --help documents.
enum ExitCode : int {
  kOk = 0,
  kFailed = 1,        // A file is wrong, or cannot be read or written; or the server has a fault.
  kUsage = 2,         // The command line is wrong; nothing was changed at the server.
  kNotFound = 3,      // There is no such job, dataset, model ...
  kRefused = 4,       // The server says no: the request is wrong, does not fit, or comes at the wrong time.
  kNoServer = 5,      // Nobody answers, or not in time.
  kJobFailed = 6,     // The job or operation ended FAILED.
  kJobCancelled = 7,  // The same with CANCELLED.
  kDetached = 130,    // Ctrl-C; the job or operation goes on.
};

// Where trainctl writes. The streams must outlive it.
struct Console {
  std::ostream& out;
  std::ostream& err;
  bool out_is_terminal = false;  // One that can be drawn on.
  bool err_is_terminal = false;
  bool color = false;  // Both streams.
  int width = 100;     // Of tables; the terminal's, or unlimited where there is none.
};

struct Context {
  explicit Context(const Console& outputs) : console(outputs) {}

  Console console;
  ServerFlags flags;         // As they were given.
  bool needs_server = true;  // Of the subcommand that was chosen.
  std::string server;        // Set by Connect, with the next.
  Credentials credentials;
  double timeout_seconds = 0;  // 0: the library's defaults.
  bool json = false;
  bool no_color = false;
  bool quiet = false;
  std::function<int()> action;     // Of the subcommand that was chosen.
  mutable bool unprinted = false;  // PrintJson failed.
  // What options can be, beside those whose check says it: for completion.
  std::map<const CLI::Option*, std::vector<std::string>> option_values;

  std::ostream& out() const { return console.out; }
  std::ostream& err() const { return console.err; }
  bool color() const { return console.color && !no_color; }

  // Finds out which server is meant, and reads the files that it takes. Before the action.
  absl::Status Connect();
  Client MakeClient(RetryObserver on_retry = nullptr) const;
  // Says what went wrong, with the option or the place in `file` for each field that the error names, and gives the
  // exit code of its kind.
  int Fail(const absl::Status& status, const MessageFile* file = nullptr) const;
  // One line of JSON with the proto's field names. INTERNAL: an extension whose message this program was not linked
  // with.
  static absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message);
  // The same, with a line end. What cannot be printed so makes the command fail when it ends.
  void PrintJson(const google::protobuf::Message& message) const;
  // A line "key  value" of a resource that is shown by itself.
  void Say(absl::string_view key, absl::string_view value) const;
  // Something beside the result: to the error stream, not with --quiet or --json.
  void Note(absl::string_view text) const;
  void Warnings(const google::protobuf::RepeatedPtrField<std::string>& warnings) const;
};

// Applies the --set assignments; kUsage, after it said what is wrong, else kOk.
int ApplyAssignments(const Context& context, const std::vector<std::string>& assignments, JobFile& file);

// Reads a job file and applies the --set assignments. Nullopt: it has said what is wrong, and `code` is the exit code.
std::optional<JobFile> ReadJobFile(const Context& context, const std::string& path,
                                   const std::vector<std::string>& assignments, int& code);

}  // namespace traind::client

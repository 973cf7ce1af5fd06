// Options that several commands have, and what of a request each option sets. Pure functions but for the declarations.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "client/cli/context.h"
#include "client/client.h"

namespace traind::client {

struct ListFlags {
  std::string filter;
  std::vector<std::string> labels;  // "team=vision", or a key alone.
  std::vector<std::string> sort;    // "priority", "priority,desc".
  int64_t limit = 0;
  mutable std::set<std::string> unreachable;  // Where the answer to the list names what the server cannot read.
};

struct ListFlagsOf {
  const char* fields;  // What filter and order know, for the help.
  bool labels = false;
  bool sort = true;
};

void AddListFlags(CLI::App& command, ListFlags& flags, const ListFlagsOf& of);
// All conditions together, `more` (may be empty) among them.
ListOptions ToListOptions(const ListFlags& flags, const std::string& more = "");
// Says what of the list the server could not read.
void NoteUnreachable(const Context& context, const ListOptions& options);

// --set of a command that reads a job file.
void AddSet(CLI::App& command, std::vector<std::string>& assignments);
// --label of a command that makes something.
void AddLabel(CLI::App& command, std::vector<std::string>& labels);
// --async of a command that waits for an operation.
void AddAsync(CLI::App& command, bool& async);
// A command that does the same to each of the names it is given, and goes on after an error.
struct Verb {
  const char* verb;
  const char* help;
  const char* footer;                                   // With an example.
  const char* kind;                                     // "JOB", for help and completion.
  std::string (*full_name)(absl::string_view);          // Of what was typed.
  int (*run)(const Context&, const std::string& name);  // For a full name. Returns the exit code.
};
// The command, for more options.
CLI::App& AddVerb(CLI::App& app, Context& context, const Verb& verb);
// The same for jobs, which may be chosen by --filter and --label instead of names; then with --yes only.
CLI::App& AddJobVerb(CLI::App& app, Context& context, const Verb& verb);

std::string JobName(absl::string_view text);
std::string DatasetName(absl::string_view text);
std::string ModelName(absl::string_view text);
std::string UploadName(absl::string_view text);
std::string OperationName(absl::string_view text);
std::string SweepName(absl::string_view text);
// "widths/3" and "widths/best" are trials of sweeps/widths; a sweep alone stays one.
std::string TrialName(absl::string_view text);

inline constexpr char kWeightsHelp[] = "JOB, JOB/STEP, JOB/best, or models/ID";

// Does it for each name, going on after an error but not after Ctrl-C. The first code that is not kOk.
int ForEach(const std::vector<std::string>& names, absl::FunctionRef<int(const std::string&)> act);

// The option that sets the field of a request, for errors: "--sort" for "order_by", "--image-size" for
// "splits[0].images.height". Empty: none.
std::string FlagOf(absl::string_view field);

}  // namespace traind::client

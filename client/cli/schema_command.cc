// `trainctl schema`.
#include "client/cli/commands.h"
#include "client/cli/job_schema.h"

namespace traind::client {

void AddSchemaCommand(CLI::App& app, Context& context) {
  CLI::App& command = *app.add_subcommand("schema", "The JSON Schema of a job file, for editors and checks");
  command.footer(
      "Examples:\n"
      "  trainctl schema > traind-job.schema.json\n"
      "and in a job file's first line, for editors with the YAML language server:\n"
      "  # yaml-language-server: $schema=traind-job.schema.json\n"
      "It is of this trainctl and asks no server. It knows names, types, choices, and the ranges that one field has "
      "for\n"
      "itself; everything else is checked by `trainctl submit FILE --validate-only`.");
  command.callback([&context] {
    context.needs_server = false;
    context.action = [&context] {
      context.out() << JobSchema();
      return kOk;
    };
  });
}

}  // namespace traind::client

// `trainctl run --auto-fix`.
#pragma once

#include <string>

#include "client/cli/context.h"
#include "client/cli/watch.h"

namespace traind::client {

// Watches the job "jobs/{id}" as WatchJob does. When a finding opens that is a cause, costs something and has a fix
// that a program can apply, the job is paused, the fix tried as `trainctl fix --verify` does, and the job with it goes
// on in its place where it helps, else the job itself. At most `most` fixes are tried, none twice; the end says which,
// and what they did. Returns the exit code of the job that ended last. For the main thread.
int WatchAndFix(const Context& context, const std::string& name, const WatchOptions& options, int most);

}  // namespace traind::client

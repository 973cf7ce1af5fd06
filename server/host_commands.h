// Commands of the program traind that run no server: `traind dev-cert`, `token`, `user`, `backup`,
// `restore`.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace traind::server {

// Runs the command that the first of `arguments` (without the program's name) names, and returns the exit code: 0, 1
// for an error, 2 for a wrong command line. Nothing: it names none, and a server is wanted.
std::optional<int> RunHostCommand(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err);

}  // namespace traind::server

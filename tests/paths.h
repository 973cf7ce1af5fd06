// Where the tests find the source tree and the programs. Compiled once with the paths in it, so that the rest of a test
// program is the same in every checkout.
#pragma once

#include <string>

namespace traind {

std::string SourcePath(const std::string& relative);  // Below the root of the source tree.
std::string ProgramPath(const std::string& program);  // Of a program of this build.

}  // namespace traind

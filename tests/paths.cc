#include "tests/paths.h"

namespace traind {

std::string SourcePath(const std::string& relative) { return TRAIND_SOURCE_DIR "/" + relative; }
std::string ProgramPath(const std::string& program) { return TRAIND_BINARY_DIR "/" + program; }

}  // namespace traind

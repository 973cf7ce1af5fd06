// Fields in protobuf text format, found by their looks alone. Pure.
#pragma once

#include <string>

namespace traind::client {

// Overwrites with blanks the field at a place, or the one whose value is there, with its value and the separator behind
// it; lines and columns of the rest stay. `line` and `column` count from 0, tabs end at multiples of 8. False, and the
// text is as before: there is no field, as in a list.
bool BlankField(int line, int column, std::string& text);

}  // namespace traind::client

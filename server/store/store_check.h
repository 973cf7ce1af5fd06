// Damage to the structure of the store's file, which checksums of records do not see: above all an index that leads to
// the wrong rows, or to none.
#pragma once

#include <sqlite3.h>

#include <string>

namespace traind::server {

// Looks the file over, in about a second at most; a larger file it leaves. Indexes that are damaged are made anew. What
// is damaged and cannot be mended is said in the log, and the rest is served. What was found, one fault a line; empty:
// nothing.
std::string CheckStructure(sqlite3* connection);

}  // namespace traind::server

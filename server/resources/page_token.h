// Page tokens: where a list goes on, and of which list. Opaque to clients; any bytes may come back from one. Pure
// functions.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "server/resources/order_by.h"

namespace traind::server {

// `list` says which list it is: collection, filter, order and whatever else decides what is in it.
std::string MakePageToken(absl::string_view list, const Position& last);

// The position in a token of the same list, with `size` values; nothing for whatever else.
std::optional<Position> ParsePageToken(absl::string_view token, absl::string_view list, size_t size);

}  // namespace traind::server

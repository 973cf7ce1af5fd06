// Pages of a List method: how many items, for all of them alike. Pure functions.
#pragma once

#include <cstdint>

#include "core/base/errors.h"

namespace traind::server {

// A violation of the field page_size in `request` when it is negative.
void CheckPageSize(int32_t page_size, const core::FieldErrors& request);

// How many items a page has at most; 0 leaves it to the server.
int PageSize(int32_t page_size);

}  // namespace traind::server

#include "server/resources/paging.h"

#include <algorithm>

namespace traind::server {
namespace {

// As the .proto files say.
constexpr int kDefaultPageSize = 50;
constexpr int kMaxPageSize = 500;

}  // namespace

void CheckPageSize(int32_t page_size, const core::FieldErrors& request) {
  if (page_size < 0) request.At("page_size").Add("must not be negative");
}

int PageSize(int32_t page_size) { return page_size == 0 ? kDefaultPageSize : std::min(page_size, kMaxPageSize); }

}  // namespace traind::server

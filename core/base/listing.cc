#include "core/base/listing.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace traind::core {

std::string Listing(absl::Span<const std::string> names, size_t most) {
  const std::string listed = absl::StrJoin(names.subspan(0, most), ", ");
  return names.size() > most ? absl::StrCat(listed, " and ", names.size() - most, " more") : listed;
}

}  // namespace traind::core

#include "server/resources/order_by.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/utf8.h"
#include "server/resources/suggest.h"

namespace traind::server {
namespace {

// Far above use: a collection has fewer fields.
constexpr size_t kMaxOrderBytes = 500;

}  // namespace

OrderBy OrderBy::Parse(absl::string_view text, const Fields& fields, bool newest_first,
                       const core::FieldErrors& error) {
  OrderBy order;
  order.newest_first_ = newest_first;
  if (text.size() > kMaxOrderBytes) error.Add(absl::StrCat("must have at most ", kMaxOrderBytes, " bytes"));
  if (text.size() > kMaxOrderBytes || absl::StripAsciiWhitespace(text).empty()) return order;
  const std::vector<std::string> known = fields.ordered_names();
  for (const absl::string_view term : absl::StrSplit(text, ',')) {
    const std::vector<absl::string_view> words = absl::StrSplit(term, absl::ByAnyChar(" \t\n"), absl::SkipEmpty());
    const absl::string_view name = words.empty() ? absl::string_view() : words.front();
    const absl::string_view before = text.substr(0, (words.empty() ? term : name).data() - text.data());
    const std::string place = absl::StrCat("character ", core::Characters({before.data(), before.size()}) + 1, ": ");
    const bool direction = words.size() == 2 && (words[1] == "asc" || words[1] == "desc");
    if (words.size() != 1 && !direction) {
      error.Add(absl::StrCat(place, "must be a field, and \"desc\" behind it for downwards"));
      return order;
    }
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      error.Add(absl::StrCat(place, "there is no order by \"", core::Excerpt({name.data(), name.size()}), "\"; ",
                             KnownWords("fields", name, known)));
      return order;
    }
    order.terms_.push_back({fields.Find(name), direction && words[1] == "desc"});
  }
  return order;
}

Position OrderBy::PositionOf(Parts item, Value key) const {
  Position position;
  for (const Term& term : terms_) position.push_back(ValueOf(*term.field, item));
  position.push_back(std::move(key));
  return position;
}

bool OrderBy::Before(const Position& a, const Position& b) const {
  for (size_t i = 0; i < terms_.size(); ++i) {
    if (a[i] != b[i]) return terms_[i].descending ? b[i] < a[i] : a[i] < b[i];
  }
  return newest_first_ ? b.back() < a.back() : a.back() < b.back();
}

}  // namespace traind::server

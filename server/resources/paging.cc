#include "server/resources/paging.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "server/resources/page_token.h"

namespace traind::server {

ListQuery ListQuery::Parse(const ListRequest& request, const Collection& collection, const core::FieldErrors& errors) {
  ListQuery query;
  if (request.page_size < 0) errors.At("page_size").Add("must not be negative");
  query.page_size_ = request.page_size == 0 ? collection.default_page_size : std::min(request.page_size, kMaxPageSize);
  query.filter_ = Filter::Parse(request.filter, collection.fields, errors.At("filter"));
  const std::string wanted(absl::StripAsciiWhitespace(request.order_by));
  query.own_order_ = wanted.empty() || wanted == collection.default_order;
  query.order_ =
      OrderBy::Parse(query.own_order_ ? "" : wanted, collection.fields, collection.newest_first, errors.At("order_by"));
  query.list_ = absl::StrJoin({collection.name, request.parent, request.filter, query.own_order_ ? "" : wanted}, "\n");
  if (request.page_token.empty()) return query;
  query.after_ = ParsePageToken(request.page_token, query.list_, query.order_.size());
  if (!query.after_.has_value()) {
    errors.At("page_token").Add("is not the next_page_token of a response to the same filter and order_by");
  }
  return query;
}

std::string ListQuery::TokenAfter(const Position& last) const { return MakePageToken(list_, last); }

}  // namespace traind::server

// The language of `order_by` in List requests: "display_name, create_time desc". What is absent comes first, and last
// with desc. Immutable and thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "core/base/errors.h"
#include "server/resources/fields.h"

namespace traind::server {

// Where an item stands in a list: the values by which it is ordered, then its key, which no other item has.
using Position = std::vector<Value>;

class OrderBy {
 public:
  // Items that are equal in all fields go by their keys, downwards with `newest_first`. What is wrong with the text is
  // a violation of `error` with the place in it. `fields` outlives the order.
  static OrderBy Parse(absl::string_view text, const Fields& fields, bool newest_first, const core::FieldErrors& error);

  Position PositionOf(Parts item, Value key) const;
  bool Before(const Position& a, const Position& b) const;
  // Of its positions, keys included.
  size_t size() const { return terms_.size() + 1; }

 private:
  struct Term {
    const google::protobuf::FieldDescriptor* field;
    bool descending;
  };
  std::vector<Term> terms_;
  bool newest_first_ = false;
};

}  // namespace traind::server

// What every List method does alike: which items, in which order, and how many of them on one page. A page goes by the
// position of the last item on the page before, so that items may come and go meanwhile: one that stays is missed on no
// page, and comes on one only, as long as the values by which the list is ordered stay.
//
//   const ListQuery query = ListQuery::Parse(ListRequestOf(request), kCollection, errors.scope());
//   Page<v1::Model> page(query, caller);
//   for (...) page.Offer(model, model.name());
//   page.MoveTo(*response.mutable_models(), *response.mutable_next_page_token());
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/errors.h"
#include "google/protobuf/repeated_field.h"
#include "server/resources/caller.h"
#include "server/resources/fields.h"
#include "server/resources/filter.h"
#include "server/resources/order_by.h"

namespace traind::server {

// What can be listed. Lives as long as the process.
struct Collection {
  std::string name;                // "jobs".
  Fields fields;                   // Of the filter, and of the order where they have one.
  std::string default_order = {};  // The order_by of a request that has none; empty: by key.
  bool newest_first = false;       // Among equal ones, higher keys come first.
  int default_page_size = 50;      // As the .proto files say; at most kMaxPageSize.
};

inline constexpr int kMaxPageSize = 500;

// What the List requests have in common.
struct ListRequest {
  int32_t page_size = 0;
  std::string page_token = {};
  std::string filter = {};
  std::string order_by = {};
  std::string parent = {};
};

template <class Request>
ListRequest ListRequestOf(const Request& request) {
  ListRequest list{.page_size = request.page_size(), .page_token = request.page_token(), .filter = request.filter()};
  if constexpr (requires { request.order_by(); }) list.order_by = request.order_by();
  if constexpr (requires { request.parent(); }) list.parent = request.parent();
  return list;
}

// A checked request. Immutable and thread-safe.
class ListQuery {
 public:
  // Violations of page_size, filter, order_by and page_token go to `errors`, the request's scope. `collection` outlives
  // the query.
  static ListQuery Parse(const ListRequest& request, const Collection& collection, const core::FieldErrors& errors);

  const Filter& filter() const { return filter_; }
  const OrderBy& order() const { return order_; }
  int page_size() const { return page_size_; }
  // Of the last item on the page before.
  const std::optional<Position>& after() const { return after_; }
  // The key of that item, when the list is in the collection's own order: a source in that order need begin no earlier.
  const Value* after_key() const { return own_order_ && after_.has_value() ? &after_->back() : nullptr; }
  bool own_order() const { return own_order_; }
  std::string TokenAfter(const Position& last) const;

 private:
  Filter filter_;
  OrderBy order_;
  int page_size_ = 0;
  std::optional<Position> after_;
  bool own_order_ = false;
  std::string list_;  // Names the list in its tokens.
};

// Whole answers stay below what clients take by default (4 MiB).
inline constexpr size_t kMaxPageBytes = 3 << 20;

template <class Resource>
concept Owned = requires(const Resource& resource) {
  resource.owner();
};
template <class Resource>
concept Shared = Owned<Resource> && requires(const Resource& resource) {
  resource.sharing();
};

// Gathers one page out of items that come in any order, in the room of one page. Thread-compatible.
template <class Resource>
class Page {
 public:
  // `query` outlives the page. What has an owner is left out where the caller may not read it.
  explicit Page(const ListQuery& query) requires(!Owned<Resource>) : query_(query) {}
  Page(const ListQuery& query, Caller caller) : query_(query), caller_(std::move(caller)) {}

  // Takes the item if it belongs on the page as far as is known by now. False: it lies behind the page's end, and so
  // does whatever comes after it in the list. `parts`: the messages with its fields, where that is not the item alone.
  bool Offer(Resource item, Value key, const std::vector<const google::protobuf::Message*>& parts = {}) {
    if constexpr (Shared<Resource>) {
      if (!MayRead(caller_, item.owner(), item.sharing())) return true;
    } else if constexpr (Owned<Resource>) {
      if (!MayRead(caller_, item.owner(), {})) return true;
    }
    const std::vector<const google::protobuf::Message*> alone = {&item};
    const Parts fields = parts.empty() ? Parts(alone) : Parts(parts);
    if (!query_.filter().Matches(fields)) return true;
    Position position = query_.order().PositionOf(fields, std::move(key));
    const auto before = [this](const Position& a, const Position& b) { return query_.order().Before(a, b); };
    if (query_.after().has_value() && !before(*query_.after(), position)) return true;
    if (end_.has_value() && !before(position, *end_)) return false;
    const auto place =
        std::upper_bound(entries_.begin(), entries_.end(), position,
                         [&](const Position& added, const Entry& entry) { return before(added, entry.position); });
    const size_t bytes = item.ByteSizeLong() + 8;  // A tag and a length, too.
    entries_.insert(place, Entry{.position = std::move(position), .bytes = bytes, .item = std::move(item)});
    Trim();
    return true;
  }

  void MoveTo(google::protobuf::RepeatedPtrField<Resource>& items, std::string& next_page_token) {
    if (end_.has_value()) next_page_token = query_.TokenAfter(entries_.back().position);
    for (Entry& entry : entries_) *items.Add() = std::move(entry.item);
    entries_.clear();
  }

 private:
  struct Entry {
    Position position;
    size_t bytes = 0;
    Resource item;
  };

  // Drops what is too much.
  void Trim() {
    size_t bytes = 0, kept = 0;
    for (; kept < entries_.size() && kept < static_cast<size_t>(query_.page_size()); ++kept) {
      bytes += entries_[kept].bytes;
      if (kept > 0 && bytes > kMaxPageBytes) break;
    }
    if (kept == entries_.size()) return;
    end_ = std::move(entries_[kept].position);
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(kept), entries_.end());
  }

  const ListQuery& query_;
  const Caller caller_;
  std::vector<Entry> entries_;   // In the order of the list.
  std::optional<Position> end_;  // Of the first item behind the page, when there is one.
};

}  // namespace traind::server

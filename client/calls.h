// The shapes that the calls of Client have: named, tagged, repeated, listed page by page. For its sources alone.
#pragma once

#include <google/protobuf/empty.pb.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "client/client.h"
#include "client/connection.h"

namespace traind::client {

// The API's most.
inline constexpr int64_t kLargestPage = 500;

template <typename Request>
Request Named(const std::string& name) {
  Request request;
  request.set_name(name);
  return request;
}

template <typename Request>
Request Tagged(const std::string& name, const std::string& etag) {
  Request request = Named<Request>(name);
  request.set_etag(etag);
  return request;
}

// Makes the call and repeats it when `repeat`.
template <typename Request, typename Response>
absl::StatusOr<Response> CallWith(Connection& connection, bool repeat, Connection::Method<Request, Response> method,
                                  const Request& request) {
  const absl::Duration timeout = connection.options().call_timeout;
  return repeat ? connection.Idempotent(method, request, timeout) : connection.Once(method, request, timeout);
}

// A call that is safe to repeat because its request id makes it so.
template <typename Request, typename Response>
absl::StatusOr<Response> Make(Connection& connection, Connection::Method<Request, Response> method, Request request) {
  if (request.request_id().empty()) request.set_request_id(NewRequestId());
  return CallWith(connection, true, method, request);
}

template <typename Request>
absl::Status Delete(Connection& connection, Connection::Method<Request, google::protobuf::Empty> method,
                    const std::string& name, const std::string& etag) {
  return CallWith(connection, false, method, Tagged<Request>(name, etag)).status();
}

// Follows the page tokens of a List method. `items` takes the repeated field out of a response.
template <typename Request, typename Response, typename Items>
auto AllPages(Connection& connection, Connection::Method<Request, Response> method, Request request,
              const ListOptions& options, Items items) {
  using Item = typename std::decay_t<decltype(items(std::declval<Response&>()))>::value_type;
  using All = absl::StatusOr<std::vector<Item>>;
  std::vector<Item> all;
  if constexpr (requires { request.set_filter(options.filter); }) request.set_filter(options.filter);
  if constexpr (requires { request.set_order_by(options.order_by); }) request.set_order_by(options.order_by);
  do {
    const int64_t wanted = options.limit - static_cast<int64_t>(all.size());
    request.set_page_size(static_cast<int32_t>(options.limit > 0 ? std::min(wanted, kLargestPage) : kLargestPage));
    absl::StatusOr<Response> page = CallWith(connection, true, method, request);
    if (!page.ok()) return All(page.status());
    for (Item& item : items(*page)) all.push_back(std::move(item));
    if constexpr (requires { page->unreachable(); }) {
      if (options.unreachable != nullptr)
        options.unreachable->insert(page->unreachable().begin(), page->unreachable().end());
    }
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty() && (options.limit == 0 || static_cast<int64_t>(all.size()) < options.limit));
  return All(std::move(all));
}

}  // namespace traind::client

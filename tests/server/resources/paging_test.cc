#include "server/resources/paging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/resources/page_token.h"
#include "traind/v1/checkpoint.pb.h"

namespace traind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Collection& Models() {
  static const Collection kModels{
      .name = "models",
      .fields = {{v1::Model::descriptor(), {"name", "labels", "size_bytes", "create_time"}}},
      .default_order = "name"};
  return kModels;
}

using Items = std::map<std::string, v1::Model>;

void Add(Items& items, const std::string& name, int64_t size) {
  v1::Model& model = items[name];
  model.set_name(name);
  model.set_size_bytes(size);
  (*model.mutable_labels())["parity"] = size % 2 == 0 ? "even" : "odd";
}

// One page, its items offered in an order of no meaning.
std::vector<std::string> PageOf(const Items& items, ListRequest& request) {
  core::FieldErrors::Root errors;
  const ListQuery query = ListQuery::Parse(request, Models(), errors.scope());
  EXPECT_TRUE(errors.ok()) << errors.ToStatus();
  Page<v1::Model> page(query, Caller());
  std::vector<const v1::Model*> shuffled;
  for (const auto& [name, item] : items) shuffled.push_back(&item);
  static std::mt19937 random(1);
  std::shuffle(shuffled.begin(), shuffled.end(), random);
  for (const v1::Model* item : shuffled) page.Offer(*item, item->name());
  google::protobuf::RepeatedPtrField<v1::Model> on_page;
  request.page_token.clear();
  page.MoveTo(on_page, request.page_token);
  std::vector<std::string> names;
  for (const v1::Model& model : on_page) names.push_back(model.name());
  return names;
}

std::string Violation(const ListRequest& request) {
  core::FieldErrors::Root errors;
  ListQuery::Parse(request, Models(), errors.scope());
  return errors.ok() ? "" : std::string(errors.ToStatus().message());
}

TEST(PagingTest, OrdersByFieldsAndThenByTheKey) {
  Items items;
  for (const auto& [name, size] : std::map<std::string, int>{{"a", 2}, {"b", 1}, {"c", 2}, {"d", 3}})
    Add(items, name, size);
  ListRequest request;
  EXPECT_THAT(PageOf(items, request), ElementsAre("a", "b", "c", "d"));
  request.order_by = "size_bytes";
  EXPECT_THAT(PageOf(items, request), ElementsAre("b", "a", "c", "d"));
  request.order_by = "size_bytes desc, name desc";
  EXPECT_THAT(PageOf(items, request), ElementsAre("d", "c", "a", "b"));
  request.order_by = " size_bytes asc ,name  desc ";
  EXPECT_THAT(PageOf(items, request), ElementsAre("b", "c", "a", "d"));
  request.filter = "labels.parity = even";
  EXPECT_THAT(PageOf(items, request), ElementsAre("c", "a"));
  items["b"].mutable_create_time()->set_seconds(1);
  request = {.order_by = "create_time desc"};
  EXPECT_THAT(PageOf(items, request), ElementsAre("b", "a", "c", "d")) << "what is absent comes first, last with desc";
}

TEST(PagingTest, SaysWhatIsWrongWithAnOrder) {
  EXPECT_THAT(
      Violation({.order_by = "size_byte"}),
      HasSubstr("order_by: character 1: there is no order by \"size_byte\"; did you mean size_bytes? known fields: "
                "name, size_bytes, create_time"));
  EXPECT_THAT(Violation({.order_by = "name, labels"}),
              HasSubstr("order_by: character 7: there is no order by \"labels\""));
  EXPECT_THAT(Violation({.order_by = "name, "}), HasSubstr("order_by: character 6: must be a field"));
  EXPECT_THAT(Violation({.order_by = "name down"}), HasSubstr("order_by: character 1: must be a field"));
  EXPECT_THAT(Violation({.order_by = std::string(501, 'x')}), HasSubstr("at most 500 bytes"));
  EXPECT_THAT(Violation({.page_size = -1}), HasSubstr("page_size: must not be negative"));
}

// Items come and go between the pages: one that stays is on exactly one of them.
TEST(PagingTest, MissesNoneThatStaysAndShowsNoneTwice) {
  std::mt19937 random(3);
  for (const char* order : {"", "name desc", "size_bytes", "size_bytes desc, name", "create_time"}) {
    Items items;
    std::set<std::string> staying;
    for (int i = 0; i < 300; ++i) {
      const std::string name = absl::StrCat("m", random() % 100'000);
      Add(items, name, random() % 7);
      if (i % 3 != 0) staying.insert(name);
    }
    ListRequest request{.page_size = 7, .order_by = order};
    std::map<std::string, int> seen;
    do {
      for (const std::string& name : PageOf(items, request)) ++seen[name];
      for (int change = 0; change < 5; ++change) {
        Add(items, absl::StrCat("new", random() % 100'000), random() % 7);
        auto victim = items.begin();
        std::advance(victim, random() % items.size());
        if (staying.count(victim->first) == 0) items.erase(victim);
      }
    } while (!request.page_token.empty());
    for (const std::string& name : staying) EXPECT_EQ(seen[name], 1) << name << " by " << order;
    for (const auto& [name, times] : seen) EXPECT_EQ(times, 1) << name << " by " << order;
  }
}

TEST(PagingTest, CutsPagesByBytes) {
  Items items;
  for (const char* name : {"a", "b", "c", "d"}) {
    Add(items, name, 1);
    (*items[name].mutable_labels())["large"] =
        std::string(name[0] == 'c' ? kMaxPageBytes + 1 : kMaxPageBytes / 2 - 100, 'x');
  }
  ListRequest request;
  EXPECT_THAT(PageOf(items, request), ElementsAre("a", "b"));
  EXPECT_THAT(PageOf(items, request), ElementsAre("c")) << "one comes, however large";
  EXPECT_THAT(PageOf(items, request), ElementsAre("d"));
  EXPECT_EQ(request.page_token, "");
}

TEST(PagingTest, ATokenBelongsToItsList) {
  Items items;
  for (const char* name : {"a", "b", "c"}) Add(items, name, 1);
  ListRequest request{.page_size = 1, .filter = "size_bytes = 1"};
  PageOf(items, request);
  ASSERT_NE(request.page_token, "");
  EXPECT_EQ(Violation(request), "");
  ListRequest other = request;
  other.page_size = 500;
  EXPECT_EQ(Violation(other), "") << "the size of a page may change";
  other.order_by = "name";
  EXPECT_EQ(Violation(other), "") << "the default order, said";
  other.order_by = "name desc";
  EXPECT_THAT(Violation(other), HasSubstr("page_token: is not the next_page_token of a response to the same filter"));
  other = request;
  other.filter = "size_bytes = 2";
  EXPECT_THAT(Violation(other), HasSubstr("page_token"));
  other = request;
  other.parent = "jobs/a";
  EXPECT_THAT(Violation(other), HasSubstr("page_token"));
}

TEST(PageTokenTest, CarriesEveryValue) {
  const Position position = {Value(),
                             Value(std::make_pair(int64_t{-5}, int32_t{999'999'999})),
                             Value(-0.1),
                             Value(std::numeric_limits<double>::infinity()),
                             Value(std::string()),
                             Value(std::string("\0 \xFF\n", 4)),
                             Value(std::make_pair(std::numeric_limits<int64_t>::max(), int32_t{0}))};
  const std::string token = MakePageToken("list", position);
  const auto parsed = ParsePageToken(token, "list", position.size());
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(*parsed, position);
  EXPECT_FALSE(ParsePageToken(token, "another", position.size()).has_value());
  EXPECT_FALSE(ParsePageToken(token, "list", position.size() - 1).has_value());
}

TEST(PageTokenTest, TakesAnyBytes) {
  std::mt19937 random(5);
  const std::string good = MakePageToken("list", {Value(0.5), Value(std::string("jobs/a"))});
  std::string inside;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(good, &inside));
  for (int i = 0; i < 20'000; ++i) {
    std::string token;
    if (i % 2 == 0) {
      for (size_t length = random() % 60; length > 0; --length) token += static_cast<char>(random());
    } else {
      std::string changed = inside;
      changed[random() % changed.size()] = static_cast<char>(random());
      token = absl::WebSafeBase64Escape(changed);
    }
    const auto parsed = ParsePageToken(token, "list", 2);
    if (parsed.has_value()) {
      EXPECT_EQ(MakePageToken("list", *parsed), token);
    }
  }
}

}  // namespace
}  // namespace traind::server

#include "server/resources/caller.h"

#include <gtest/gtest.h>

#include <string>

namespace traind::server {
namespace {

Ownership Of(const std::string& owner, bool is_public = false, const std::string& reader = "") {
  Ownership of{.owner = owner, .sharing = {}};
  of.sharing.set_public_(is_public);
  if (!reader.empty()) of.sharing.add_readers(reader);
  return of;
}

TEST(Caller, ReadsWhatIsItsOwnOrShared) {
  const Caller ada{.user = "ada", .role = v1::ROLE_USER};
  EXPECT_TRUE(MayRead(ada, Of("ada")));
  EXPECT_FALSE(MayRead(ada, Of("bob")));
  EXPECT_FALSE(MayRead(ada, Of("")));
  EXPECT_TRUE(MayRead(ada, Of("bob", true)));
  EXPECT_TRUE(MayRead(ada, Of("bob", false, "ada")));
  EXPECT_FALSE(MayRead(ada, Of("bob", false, "eve")));
}

TEST(Caller, ChangesItsOwnOnly) {
  const Caller ada{.user = "ada", .role = v1::ROLE_USER};
  EXPECT_TRUE(MayChange(ada, Of("ada")));
  EXPECT_FALSE(MayChange(ada, Of("bob", true, "ada")));
  EXPECT_FALSE(MayChange(ada, Of("")));
  const Caller viewer{.user = "ada", .role = v1::ROLE_VIEWER};
  EXPECT_FALSE(MayChange(viewer, Of("ada"))) << "made when she was a user";
  EXPECT_TRUE(MayRead(viewer, Of("ada")));
}

TEST(Caller, AnAdministratorDoesEverything) {
  for (const Caller& caller : {Caller{.user = "ada", .role = v1::ROLE_ADMIN}, Caller()}) {
    EXPECT_TRUE(MayRead(caller, Of("bob")));
    EXPECT_TRUE(MayChange(caller, Of("bob")));
    EXPECT_TRUE(MayChange(caller, Of("")));
  }
}

// One that nobody has made must not be taken for what nobody owns.
TEST(Caller, ANamelessOneOwnsNothing) {
  const Caller nobody{.user = "", .role = v1::ROLE_USER};
  EXPECT_FALSE(MayRead(nobody, Of("")));
  EXPECT_FALSE(MayChange(nobody, Of("")));
}

TEST(Caller, SharingIsBounded) {
  const auto violations = [](const v1::Sharing& sharing) {
    core::FieldErrors::Root errors;
    CheckSharing(sharing, errors.scope("sharing"));
    return errors.ok();
  };
  v1::Sharing sharing;
  for (int i = 0; i < 100; ++i) sharing.add_readers("u" + std::to_string(i));
  EXPECT_TRUE(violations(sharing));
  sharing.add_readers("one-more");
  EXPECT_FALSE(violations(sharing));
  sharing.Clear();
  sharing.add_readers("not a name");
  EXPECT_FALSE(violations(sharing));
}

TEST(Caller, RequestIdsOfTwoUsersNeverMeet) {
  const Caller ada{.user = "ada", .role = v1::ROLE_USER}, bob{.user = "bob", .role = v1::ROLE_USER};
  EXPECT_NE(RequestIdOf(ada, "x"), RequestIdOf(bob, "x"));
  EXPECT_EQ(RequestIdOf(ada, ""), "");
  EXPECT_EQ(RequestIdOf(Caller(), "x"), "x") << "as before there were accounts";
}

}  // namespace
}  // namespace traind::server

/** Who is let in: all users for administrators, and one from near, which may be oneself. */
import {User} from "messages";
import {account, Account, isAdmin, roleText} from "web/app/account";
import {shortLimit} from "web/app/limits";
import {errorBox} from "web/app/notice";
import {address, go, Route} from "web/app/route";
import {Scope} from "web/app/scope";
import {button, Child, h, name, replace, tabs} from "web/dom";
import {ago, count, idOf} from "web/format";
import {call} from "web/rpc/call";
import {figureOf, loading, table} from "web/views/parts";
import {isBytes, quotaFigures, quotas} from "web/views/quota";
import {noUsers} from "web/views/sharing";
import {issueToken, tokenList} from "web/views/tokens";
import {editUser} from "web/views/user_edit";

export function usersView(route: Route, root: HTMLElement, scope: Scope) {
  replace(root, h("h1", {}, "Users"), loading());
  void account().then((who) => {
    if (scope.closed) return;
    if (!who.name)
      replace(root, h("h1", {}, "Users"), noUsers());
    else if (route.path.length > 1 || !isAdmin(who))
      oneUser(route.path[1] ?? who.name, who, root, scope);
    else
      allUsers(route, root, scope);
  });
}

function allUsers(route: Route, root: HTMLElement, scope: Scope) {
  const tab = route.params.get("tab") === "tokens" ? "tokens" : "users", body = h("div"),
        choices: [string, string][] = [["users", "Users"], ["tokens", "Tokens"]];
  const add = button(
      "Add a user", () => void editUser(undefined, (made) => Promise.resolve(go(address(["users", made])))),
      {class: "primary"});
  replace(
      root, h("div", {class: "head"}, h("h1", {}, "Users"), h("span", {class: "push"}), add),
      tabs("Users and tokens", choices, tab, (key) => address(["users"], {tab: key === "users" ? "" : key})), body);
  if (tab === "tokens") {
    replace(body, tokenList("", scope).node);
    return;
  }
  replace(body, loading());
  const users: User[] = [];
  const load = (page_token: string): Promise<void> =>
      call("AuthService/ListUsers", {page_size: 200, page_token}, {signal: scope.signal})
          .then(
              (answer) => {
                users.push(...answer.users);
                replace(
                    body, usersTable(users),
                    answer.next_page_token ?
                        h("div", {class: "pager"}, button("More", () => void load(answer.next_page_token))) :
                        null);
              },
              (error: unknown) => {
                if (!scope.closed) replace(body, errorBox(error));
              });
  void load("");
}

/** The limits that are a user's own. */
function ownLimits(user: User): string {
  return quotas.filter(([key]) => user.quota?.[key] !== undefined)
      .map(([key, label]) => `${label}: ${shortLimit(user.quota![key]!, isBytes(key))}`)
      .join(", ");
}

function usersTable(users: User[]): Child {
  return table(
      ["user", "role", "#weight", "limits of their own", "made"],
      users.map(
          (user) =>
              [h("a", {href: address(["users", idOf(user.name)])}, name(idOf(user.name))),
               h("span", {class: `chip ${user.role === "ROLE_ADMIN" ? "good" : ""}`}, roleText(user.role)),
               count(user.weight), ownLimits(user) || h("span", {class: "quiet"}, "the server's"),
               ago(user.create_time)]),
      "Users");
}

function oneUser(id: string, who: Account, root: HTMLElement, scope: Scope) {
  const own = id === who.name, head = h("div", {class: "head"}), facts = h("div"), told = h("div"), used = h("div");
  document.title = `${id} · traind`;
  const tokens = tokenList(id, scope);
  replace(
      root, head, told, facts, h("h2", {}, own ? "What you have" : "What they have"), used, h("h2", {}, "Tokens"),
      tokens.node);
  replace(used, loading());

  async function load() {
    const user = isAdmin(who) ?
        (await call("AuthService/ListUsers", {filter: `name = "users/${id}"`}, {signal: scope.signal})).users[0] :
        own ? (await call("AuthService/WhoAmI", {}, {signal: scope.signal})).user :
              undefined;
    replace(
        head, h("h1", {}, name(id), own ? h("span", {class: "quiet"}, " (you)") : null), h("span", {class: "push"}),
        isAdmin(who) ? h("span", {class: "actions"}, h("a", {class: "button", href: "#/users"}, "All users"),
                         user ?
                             [
                               button("New token", () => void issueToken(id, tokens.load)),
                               button("Change", () => void editUser(user, load), {title: "Role, weight, limits"})
                             ] :
                             null) :
                       null);
    replace(
        facts,
        user &&
            h("div", {class: "figures"}, figureOf("role", roleText(user.role)), figureOf("weight", user.weight),
              figureOf("made", ago(user.create_time)), figureOf("limits of their own", ownLimits(user) || "none")));
    replace(used, quotaFigures(await call("AuthService/GetQuota", {name: `users/${id}`}, {signal: scope.signal})));
    replace(told);
  }
  void scope.every(5000, load, (error) => replace(told, errorBox(error)));
}

/** Tokens: whose they are, how long they let somebody in, and since when they were not used. */
import {Timestamp, Token} from "messages";
import {ask, attempt, errorBox} from "web/app/notice";
import {address} from "web/app/route";
import {Scope} from "web/app/scope";
import {button, Child, h, name, replace, toggle} from "web/dom";
import {ago, dateTime, idOf} from "web/format";
import {call} from "web/rpc/call";
import {field} from "web/views/labels";
import {loading, table} from "web/views/parts";

const time = (at: Timestamp|undefined, none: string) =>
    at ? h("time", {title: dateTime(at)}, ago(at)) : h("span", {class: "quiet"}, none);
function standing(token: Token): Child {
  if (token.revoke_time) return [h("span", {class: "quiet"}, "revoked "), time(token.revoke_time, "")];
  const end = token.expire_time ? dateTime(token.expire_time) : "revoked";
  return token.valid ? [h("span", {class: "chip good"}, "valid"), ` until ${end}`] :
                       h("span", {class: "quiet"}, `expired ${end}`);
}

/** `owner`: of this user alone. */
export function tokenList(owner: string, scope: Scope): {node: HTMLElement; load: () => Promise<void>} {
  const body = h("div"), more = h("div", {class: "pager"});
  let all = false, tokens: Token[] = [];
  replace(body, loading());

  async function load(page_token = "") {
    const filter = [owner && `owner = "${owner}"`, !all && "valid = true"].filter(Boolean).join(" AND ");
    try {
      const answer = await call("AuthService/ListTokens", {page_size: 100, page_token, filter}, {signal: scope.signal});
      tokens = page_token ? [...tokens, ...answer.tokens] : answer.tokens;
      replace(
          body, tokens.length ? show() : h("p", {class: "empty"}, all ? "There is no token." : "No token is valid."));
      replace(more, answer.next_page_token ? button("More", () => void load(answer.next_page_token)) : null);
    } catch (error) {
      if (!scope.closed) replace(body, errorBox(error));
    }
  }
  function show(): Child {
    return table(
        [...owner ? [] : ["user"], "token", "", "what for", "made", "last use", "lets in"],
        tokens.map(
            (token) =>
                [...owner ? [] : [h("a", {href: address(["users", token.owner])}, name(token.owner))],
                 h("code", {}, idOf(token.name)),
                 token.valid ? button("Revoke", () => void revoke(token), {class: "quiet danger"}) : null,
                 h("bdi", {}, token.description), time(token.create_time, "–"), time(token.last_use_time, "never"),
                 standing(token)]),
        "Tokens");
  }
  async function revoke(token: Token) {
    const yes = await ask(
        `Revoke ${idOf(token.name)}?`,
        h("p", {}, `${token.owner} comes in with it no more, from the next call on. It cannot be taken back.`),
        "Revoke it", true);
    if (yes)
      await attempt(async () => {
        await call("AuthService/RevokeToken", {name: token.name});
        await load();
      }, "Revoked");
  }
  void load();
  const box = toggle("Also those that let nobody in any more", all, (on) => {
    all = on;
    void load();
  });
  return {node: h("div", {}, h("div", {class: "controls"}, box), body, more), load: () => load()};
}

/** Makes one, and shows its secret this once. */
export async function issueToken(user: string, done: () => Promise<void>) {
  const description = h("input", {maxlength: 200, placeholder: "laptop"}),
        days = h("input", {type: "number", min: 1, step: 1, value: "365", placeholder: "never"});
  if (!await ask(
          `A token for ${user}`,
          [field("What it is for", description), field("Days until it expires", days, "Empty: it never does.")],
          "Make it"))
    return;
  await attempt(async () => {
    const {secret} = await call("AuthService/IssueToken", {
      user,
      description: description.value.trim(),
      expire_time: days.value ? {seconds: Math.floor(Date.now() / 1000) + days.valueAsNumber * 86400, nanos: 0} :
                                undefined
    });
    await done();
    const box = h("input", {class: "secret", readonly: true, value: secret, "aria-label": "The token"});
    box.addEventListener("focus", () => box.select());
    await ask(
        `The token of ${user}`,
        [h("p", {}, "It is shown now and never again. Whoever has it is ", h("b", {}, user), "."), box], "I have it");
  });
}

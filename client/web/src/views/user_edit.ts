/** Makes a user, or changes the role, the weight or the limits of one. */
import {Quota, Role, User} from "messages";
import {roleText} from "web/app/account";
import {limitOf, limitText} from "web/app/limits";
import {ask, attempt} from "web/app/notice";
import {Child, h} from "web/dom";
import {idOf} from "web/format";
import {call} from "web/rpc/call";
import {Init} from "web/rpc/wire";
import {field} from "web/views/labels";
import {isBytes, quotas} from "web/views/quota";

const roles: [Role, string][] = [
  ["ROLE_NONE", "is locked out"],
  ["ROLE_VIEWER", "reads what is shared"],
  ["ROLE_USER", "makes things, and changes their own"],
  ["ROLE_ADMIN", "does everything, with everything"],
];

export async function editUser(user: User|undefined, done: (name: string) => Promise<void>) {
  const who = h("input", {required: true, maxlength: 64, spellcheck: "false", autocapitalize: "off"});
  const role =
      h("select", {},
        roles.map(
            ([key, text]) =>
                h("option", {value: key, selected: key === (user?.role ?? "ROLE_USER")}, `${roleText(key)}: ${text}`)));
  const weight = h("input", {type: "number", min: 1, max: 1000, value: String(user?.weight || 1), required: true});
  const limits = quotas.map(([key, label]) => {
    const input =
        h("input",
          {value: limitText(user?.quota?.[key], isBytes(key)), placeholder: "the server's", spellcheck: "false"});
    input.addEventListener(
        "input",
        () => input.setCustomValidity(
            limitOf(input.value, isBytes(key)) === undefined ?
                `A number${isBytes(key) ? " of bytes, like 8GiB" : ""}, or none.` :
                ""));
    return {key, label, input, before: input.value};
  });
  const body: Child = [
    user ? null : field("Name", who, "Letters, digits and - _ . @"), field("Role", role),
    field("Weight", weight, "Its share of the threads while several users have jobs that wait."),
    h("details", {open: limits.some(({before}) => before)}, h("summary", {}, "Limits"),
      h("p", {class: "hint"}, "A number, for bytes also 8GiB; \"none\" is no limit; empty is the server's."),
      h("div", {class: "limits"}, limits.map(({label, input}) => field(label, input))))
  ];
  if (!await ask(user ? `Change ${idOf(user.name)}` : "A new user", body, user ? "Change" : "Add")) return;
  const name = user ? idOf(user.name) : who.value.trim(), quota: Init<Quota> = {};
  for (const {key, input, before} of limits)
    if (input.value.trim() !== before) quota[key] = limitOf(input.value, isBytes(key));
  await attempt(async () => {
    await call("AuthService/SetUser", {user: name, role: role.value as Role, weight: weight.valueAsNumber, quota});
    await done(name);
  }, user ? "Changed" : `${name} is let in as soon as there is a token`);
}

/** Who looks at the page, and what they may do. The server decides; the page only leaves out what it would refuse. */
import {Role} from "messages";
import {idOf} from "web/format";
import {call} from "web/rpc/call";

export interface Account {
  name: string;  // Empty: everybody, on a server without users.
  role: Role
}

let known: Promise<Account>|undefined;

/** Asked for once, and again after a login. Where the server does not say it, everything is offered. */
export function account(): Promise<Account> {
  return known ??= call("AuthService/WhoAmI", {})
                       .then(
                           ({user}): Account => ({name: idOf(user?.name ?? ""), role: user?.role ?? "ROLE_ADMIN"}),
                           (): Account => {
                             known = undefined;
                             return {name: "", role: "ROLE_ADMIN"};
                           });
}
export const forgetAccount = () => {
  known = undefined;
};

export const isAdmin = (who: Account) => who.role === "ROLE_ADMIN";
/** Make things of their own. */
export const mayMake = (who: Account) => isAdmin(who) || who.role === "ROLE_USER";
/** Change and delete what this user owns. */
export const mayChange = (who: Account, owner: string) => isAdmin(who) || mayMake(who) && owner === who.name;
export const roleText = (role: Role) => role.replace("ROLE_", "").toLowerCase();

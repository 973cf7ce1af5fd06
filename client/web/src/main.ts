/** The page: navigation, login, theme, and the view that the address names. */
import {account, forgetAccount} from "web/app/account";
import {errorBox, errorText, noticeRegion} from "web/app/notice";
import {address, parseRoute, Route} from "web/app/route";
import {Scope} from "web/app/scope";
import {themeChanged} from "web/charts/colors";
import {button, h, name, replace} from "web/dom";
import {bytes} from "web/format";
import {call, CallError, login} from "web/rpc/call";
import {logIn, logOut} from "web/rpc/session";
import {compareView} from "web/views/compare";
import {datasetView} from "web/views/dataset";
import {datasetsView} from "web/views/datasets";
import {jobView} from "web/views/job";
import {jobsView} from "web/views/jobs";
import {lectureView} from "web/views/lecture";
import {modelView} from "web/views/model";
import {modelsView} from "web/views/models";
import {newJobView} from "web/views/new_job";
import {serverView} from "web/views/server";
import {isSharing, sharingView} from "web/views/sharing";
import {usersView} from "web/views/users";

/** Fills `root`, lives as long as `scope`; gives what to do when only the params of its address change. */
export type View = (route: Route, root: HTMLElement, scope: Scope) => void|((route: Route) => boolean);

/** `one`: of an address with a name behind it. */
const collection = (all: View, one: View): View => (route, root, scope) =>
    (isSharing(route)          ? sharingView :
         route.path.length > 1 ? one :
                                 all)(route, root, scope);

const pages: [string, string, View][] = [
  ["jobs", "Jobs", collection(jobsView, jobView)],
  ["compare", "Compare", compareView],
  ["new", "New job", newJobView],
  ["datasets", "Datasets", collection(datasetsView, datasetView)],
  ["models", "Models", collection(modelsView, modelView)],
  ["lecture", "Lecture", lectureView],
  ["users", "Users", usersView],
  ["server", "Server", serverView],
];

const root = h("main", {id: "view", tabindex: -1});
const links = pages.map(([key, label]) => h("a", {href: `#/${key}`}, label));
const status = h("a", {class: "status", href: "#/server"});
const accountBox = h("span", {class: "account"});

// ---- Theme ----

const themes = ["auto", "light", "dark"];
const darkOutside = matchMedia("(prefers-color-scheme: dark)");

function applyTheme(theme: string) {
  document.documentElement.dataset.theme = theme === "auto" ? (darkOutside.matches ? "dark" : "light") : theme;
  themeChanged();
}

function themeButton(): HTMLElement {
  let at = Math.max(0, themes.indexOf(recall("theme")));
  applyTheme(themes[at]);
  const box = button("", () => {
    at = (at + 1) % themes.length;
    keep("theme", themes[at]);
    show();
    applyTheme(themes[at]);
  }, {class: "quiet icon"});
  const show = () => {
    box.textContent = ["◐", "☀", "☾"][at];
    box.setAttribute("aria-label", `Theme: ${themes[at]}`);
    box.title = `Theme: ${themes[at]}`;
  };
  show();
  darkOutside.addEventListener("change", () => applyTheme(themes[at]));
  return box;
}

function recall(key: string): string {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}
function keep(key: string, value: string) {
  try {
    localStorage.setItem(key, value);
  } catch { /* Only for now, then. */
  }
}

// ---- Login ----

let asking = false;

function askForToken() {
  if (asking) return;
  asking = true;
  const token = h(
      "input", {type: "password", id: "token", autocomplete: "current-password", required: true, spellcheck: "false"});
  const problem = h("div", {role: "alert"});
  const dialog = h("dialog", { class: "dialog", "aria-label": "Log in", oncancel: (event: Event) => event.preventDefault() },
    h("form", {
      onsubmit: (event: Event) => {
    event.preventDefault();
    replace(problem);
    logIn(token.value.trim()).then(() => {
      asking = false;
      dialog.close();
      dialog.remove();
      forgetAccount();
      void whoAmI();
      show(true);
    }, (error: unknown) => replace(problem, errorBox(error)));
      },
    }, h("h2", {}, "Log in"), h("p", {}, "This server has users. Its administrator makes a token for you with ", h("code", {}, "traind token create"), "."),
      h("label", { class: "field", for: "token" }, h("span", {}, "Token"), token), problem,
      h("div", { class: "actions" }, h("button", { class: "primary" }, "Log in"))));
    document.body.append(dialog);
    dialog.showModal();
}
login.needed = askForToken;

async function whoAmI() {
    const {name: user} = await account();
    replace(
        accountBox,
        user ?
            [
              h("a", {href: address(["users", user]), class: "quiet"}, name(user)),
              button("Log out", () => void logOut().then(() => location.reload()), {class: "quiet"})
            ] :
            null);
}

// ---- The server's standing ----

async function standing() {
    const info = await call("ServerService/GetServerInfo", {}), {capacity} = info;
    status.className = `status ${info.ready ? "" : "bad"}`;
    status.title = capacity ?
        `traind ${info.version}; ${bytes(capacity.memory_in_use_bytes)} of ${bytes(capacity.memory_bytes)} in use` :
        "";
    replace(
        status, h("i", {class: "dot"}),
        info.ready ? capacity ? `${capacity.threads_in_use} of ${capacity.threads} threads` : "ready" :
                     info.not_ready_reason);
}

function standingFailed(error: unknown) {
    status.className = "status bad";
    status.title = errorText(error);
    replace(status, h("i", {class: "dot"}), error instanceof CallError ? error.title : "no connection");
}

// ---- The view of the address ----

let current: { path: string; scope: Scope; update?: (route: Route) => boolean } | undefined;

function show(anew = false) {
    const route = parseRoute(location.hash), path = route.path.join("/");
    if (!anew && current?.path === path && current.update?.(route)) return;
    current?.scope.close();
    const page = pages.find(([key]) => key === (route.path[0] ?? "jobs"));
    links.forEach((link, i) => {
      if (pages[i] === page) {
        link.setAttribute("aria-current", "page");
        link.scrollIntoView({block: "nearest", inline: "nearest"});  // On a narrow screen it may be out of sight.
      } else {
        link.removeAttribute("aria-current");
      }
    });
    const scope = new Scope();
    current = {path, scope};
    replace(root);
    window.scrollTo(0, 0);
    document.title = `${page?.[1] ?? "Not found"} · traind`;
    if (page)
      current.update = page[2](route, root, scope) || undefined;
    else
      replace(root, h("h1", {}, "There is no such page"), h("p", {}, h("a", {href: "#/jobs"}, "All jobs")));
}

function start() {
    document.body.append(
        h("a", {
          class: "skip",
          href: "#view",
          onclick: (event: Event) => {
            event.preventDefault();
            root.focus();
          }
        },
          "To the content"),
        h("header", {class: "top"},
          h("a", {class: "brand", href: "#/jobs"}, h("img", {src: "icon.svg", alt: "", width: 22, height: 22}),
            "traind"),
          h("nav", {"aria-label": "Pages"}, links), h("span", {class: "push"}), status, accountBox, themeButton()),
        root, noticeRegion);
    window.addEventListener("hashchange", () => show());
    void whoAmI();
    void new Scope().every(5000, standing, standingFailed);
    show();
}

start();

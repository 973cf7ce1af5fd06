/** Who may read a job, a dataset or a model beside its owner, at an address of its own: #/jobs/cnn/sharing. */
import {Sharing} from "messages";
import {account, Account, isAdmin, mayChange} from "web/app/account";
import {errorBox, notify} from "web/app/notice";
import {address, Route} from "web/app/route";
import {Scope} from "web/app/scope";
import {button, Child, h, name, replace} from "web/dom";
import {idOf} from "web/format";
import {call, Options} from "web/rpc/call";
import {Init} from "web/rpc/wire";
import {loading} from "web/views/parts";

interface Shared {
  name: string;
  etag: string;
  owner: string;
  sharing?: Sharing;
  dataset?: string
}
interface Kind {
  noun: string;
  get: (name: string, options: Options) => Promise<Shared>;
  set: (next: {name: string; etag: string; sharing: Init<Sharing>}) => Promise<Shared>;
}

const update_mask = {
  paths: ["sharing"]
};
const kinds: Record<string, Kind> = {
  jobs: {
    noun: "job",
    get: (of, options) => call("TrainingService/GetJob", {name: of, view: "JOB_VIEW_BASIC"}, options),
    set: (job) => call("TrainingService/UpdateJob", {job, update_mask}),
  },
  datasets: {
    noun: "dataset",
    get: (of, options) => call("DatasetService/GetDataset", {name: of}, options),
    set: (dataset) => call("DatasetService/UpdateDataset", {dataset, update_mask}),
  },
  models: {
    noun: "model",
    get: (of, options) => call("ModelService/GetModel", {name: of}, options),
    set: (model) => call("ModelService/UpdateModel", {model, update_mask}),
  },
};

/** In a few words; empty: nobody else. */
export function sharingText(sharing: Sharing|undefined): string {
  const readers = sharing?.readers ?? [];
  if (sharing?.public) return "everybody reads it";
  return readers.length ? `${readers.slice(0, 3).join(", ")}${readers.length > 3 ? ", …" : ""} read it` :
                          "nobody else reads it";
}

/** A link to the view, on a server with users. */
export const shareLink = (resource: string, who: Account) =>
    who.name ? h("a", {class: "button", href: address([...resource.split("/"), "sharing"])}, "Sharing") : null;

export const isSharing = (route: Route) => route.path.length === 3 && route.path[2] === "sharing";

/** How a server comes to have users. */
export const noUsers = () =>
    h("div", {class: "box"}, "This server has no users: everybody who reaches it reads and changes everything. ",
      "The first user is made on its machine: ", h("code", {}, "traind token create NAME --role admin"), ".");

export function sharingView(route: Route, root: HTMLElement, scope: Scope) {
  const [collection, id] = route.path, kind = kinds[collection], body = h("div");
  document.title = `Sharing of ${id} · traind`;
  replace(
      root,
      h("div", {class: "head"}, h("h1", {}, "Who reads ", name(id)), h("span", {class: "push"}),
        h("a", {class: "button", href: address([collection, id])}, `Back to the ${kind.noun}`)),
      body);
  replace(body, loading());
  Promise.all([kind.get(`${collection}/${id}`, {signal: scope.signal}), account()])
      .then(([resource, who]) => show(body, kind, resource, who, scope), (error: unknown) => {
        if (!scope.closed) replace(body, errorBox(error));
      });
}

function show(body: HTMLElement, kind: Kind, resource: Shared, who: Account, scope: Scope) {
  const data = resource.dataset &&
      h("p", {class: "hint"}, "Who reads a job does not read its data by that: ",
        h("a", {href: address(["datasets", idOf(resource.dataset), "sharing"])},
          `sharing of ${idOf(resource.dataset)}`),
        ".");
  if (!who.name) {
    replace(body, noUsers());
    return;
  }
  const owner =
      h("p", {}, resource.owner ? ["It is ", h("b", {}, name(resource.owner)), "’s. "] : "It is the administrators’. ",
        "Administrators read and change everything.");
  if (!mayChange(who, resource.owner)) {
    replace(
        body, owner, h("p", {}, `Beside them ${sharingText(resource.sharing)}.`),
        h("p", {class: "hint"}, "Only its owner and administrators change this."), data);
    return;
  }
  replace(body, owner, form(kind, resource, who, scope, (next) => show(body, kind, next, who, scope)), data);
}

type Way = "owner"|"readers"|"public";

function form(kind: Kind, resource: Shared, who: Account, scope: Scope, done: (next: Shared) => void): HTMLElement {
  const before = resource.sharing, names = before?.readers ?? [];
  let way: Way = before?.public ? "public" : names.length ? "readers" : "owner";
  const readers = h("textarea", {
    rows: 2,
    spellcheck: "false",
    "aria-label": "Users who read it",
    placeholder: "ada, bob",
    oninput: () => choose("readers")
  });
  readers.value = names.join(", ");
  const known = h("p", {class: "chips"}), told = h("div", {role: "status"}),
        save = h("button", {class: "primary"}, "Save");
  const choice = (key: Way, label: string, text: Child, more: Child = null) =>
      h("div", {class: "choice"},
        h("label", {},
          h("input", {type: "radio", name: "way", value: key, checked: key === way, onchange: () => choose(key)}),
          h("b", {}, label), " ", h("span", {class: "quiet"}, text)),
        more);
  const box: HTMLFormElement =
      h("form", {
        class: "sharing",
        onsubmit: (event: Event) => {
          event.preventDefault();
          void send();
        }
      },
        choice("owner", "Its owner alone", "To everybody else it does not exist."),
        choice("readers", "These users, too", "They read it, and change nothing.", [readers, known]),
        choice("public", "Everybody", "Whoever is let in reads it, and changes nothing."), told,
        h("div", {class: "actions"}, save));
  function choose(next: Way) {
    way = next;
    box.querySelectorAll<HTMLInputElement>("input[name=way]").forEach((one) => {
      one.checked = one.value === next;
    });
  }
  async function send() {
    save.disabled = true;
    const sharing = {
      public: way === "public",
      readers: way !== "owner" ? [...new Set(readers.value.split(/[\s,]+/).filter(Boolean))] : []
    };
    try {
      const next = await kind.set({name: resource.name, etag: resource.etag, sharing});
      notify(`Now ${sharingText(next.sharing)}`);
      if (!scope.closed) done(next);
    } catch (error) {
      replace(told, errorBox(error));
      save.disabled = false;
    }
  }
  if (isAdmin(who)) {
    call("AuthService/ListUsers", {page_size: 100}, {signal: scope.signal})
        .then(
            ({users}) => replace(
                known,
                users.map((user) => idOf(user.name))
                    .filter((one) => one !== resource.owner)
                    .map(
                        (one) => button(
                            `+ ${one}`,
                            () => {
                              if (!readers.value.split(/[\s,]+/).includes(one))
                                readers.value = [readers.value.replace(/[\s,]+$/, ""), one].filter(Boolean).join(", ");
                              choose("readers");
                            },
                            {class: "chip", title: `Let ${one} read it`}))),
            () => {});
  }
  return box;
}

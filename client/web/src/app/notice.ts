/** What a person is told: errors in place, and short notices that go by themselves. */
import {button, Child, h} from "web/dom";
import {CallError} from "web/rpc/call";

const region = h("div", {class: "notices", role: "status", "aria-live": "polite"});
export const noticeRegion = region;

export function notify(text: Child, kind: "good"|"bad" = "good") {
  const notice = h("div", {class: `notice ${kind}`}, text);
  region.append(notice);
  while (region.childElementCount > 4) region.firstElementChild!.remove();
  setTimeout(() => notice.remove(), kind === "bad" ? 12000 : 5000);
}

export function errorText(error: unknown): string {
  if (!(error instanceof CallError)) return error instanceof Error ? error.message : String(error);
  const details = error.violations.map(({field, description}) => `${field}: ${description}`);
  return [error.title, details.length ? details.join("; ") : error.message].filter(Boolean).join(": ");
}

export function errorBox(error: unknown): HTMLElement {
  if (error instanceof CallError && error.violations.length) {
    return h(
        "div", {class: "box bad", role: "alert"}, h("b", {}, error.title),
        h("ul", {},
          error.violations.map(
              ({field, description}) => h("li", {}, field ? h("code", {}, field) : null, " ", description))));
  }
  return h("div", {class: "box bad", role: "alert"}, errorText(error));
}

/** Runs what a person asked for, and tells when it fails. */
export async function attempt(work: () => Promise<unknown>, done = "") {
  try {
    await work();
    if (done) notify(done);
  } catch (error) {
    notify(errorText(error), "bad");
  }
}

/** A question in a dialog of the page; false: no. `body` may hold fields. */
export function ask(title: string, body: Child, yes: string, danger = false): Promise<boolean> {
  return new Promise((resolve) => {
    const dialog: HTMLDialogElement =
        h("dialog", {
          class: "dialog",
          "aria-label": title,
          onclose: () => {
            resolve(dialog.returnValue === "yes");
            dialog.remove();
          }
        },
          h("form", {method: "dialog"}, h("h2", {}, title), h("div", {class: "body"}, body),
            h("div", {class: "actions"}, button("Back", () => dialog.close("no")),
              h("button", {value: "yes", class: danger ? "danger" : "primary"}, yes))));
    document.body.append(dialog);
    dialog.showModal();
  });
}

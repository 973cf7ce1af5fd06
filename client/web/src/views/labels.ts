/** Labels as text, and the dialog that changes them. */
import {ask, attempt} from "web/app/notice";
import {Child, h, toggle} from "web/dom";
import {idOf} from "web/format";

/** "team=vision, urgent" as labels. */
export function labelsOf(text: string): Map<string, string> {
  const labels = new Map<string, string>();
  for (const part of text.split(/[,\n]/).map((one) => one.trim()).filter(Boolean)) {
    const at = part.indexOf("=");
    labels.set(at < 0 ? part : part.slice(0, at).trim(), at < 0 ? "" : part.slice(at + 1).trim());
  }
  return labels;
}

export const labelsText =
    (labels: Map<string, string>) => [...labels].map(([key, value]) => value ? `${key}=${value}` : key).join(", ");

/** A field of a dialog. */
export const field = (label: string, input: HTMLElement, hint: Child = null) =>
    h("label", {class: "field"}, h("span", {}, label), input, hint && h("small", {}, hint));

export const labelsInput = (labels: Map<string, string>) =>
    h("input", {value: labelsText(labels), spellcheck: "false", placeholder: "team=vision, urgent"});

interface Labelled {
  name: string;
  labels: Map<string, string>;
  pinned?: boolean
}

/** Asks for the labels, and of what can be kept from retention whether it is; sends what was changed, no more. */
export async function editLabels(
    of: Labelled, send: (next: {labels: Map<string, string>; pinned?: boolean}, paths: string[]) => Promise<unknown>) {
  let pinned = of.pinned;
  const labels = labelsInput(of.labels);
  const keep = pinned === undefined ? null : toggle("Kept: no rule of retention removes it", pinned, (on) => {
    pinned = on;
  });
  if (!await ask(`Change ${idOf(of.name)}`, h("div", {}, field("Labels", labels), keep), "Change")) return;
  const next = labelsOf(labels.value);
  const paths = [labelsText(next) !== labelsText(of.labels) && "labels", pinned !== of.pinned && "pinned"].filter(
      (path): path is string => !!path);
  if (paths.length) await attempt(() => send({labels: next, pinned}, paths), "Changed");
}

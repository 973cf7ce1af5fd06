/** Elements from code. Text becomes text nodes and attributes are set one by one, so that nothing a person has named
 *  can become markup; there is no other way of making elements in this page. */

export type Child = Node|string|number|null|undefined|false|Child[];
type Handler = (event: never) => void;
export interface Props {
  [name: string]: string|number|boolean|Handler|undefined
}

function apply(element: Element, props: Props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue;
    if (typeof value === "function")
      element.addEventListener(name.replace(/^on/, ""), value as EventListener);
    else if (name.startsWith("--"))
      (element as HTMLElement).style.setProperty(name, String(value));
    else if (name === "value" || name === "checked" || name === "indeterminate")
      (element as unknown as Record<string, unknown>)[name] = value;
    else
      element.setAttribute(name, value === true ? "" : String(value));
  }
}

export function append(parent: Node, ...children: Child[]) {
  for (const child of children) {
    if (Array.isArray(child))
      append(parent, ...child);
    else if (child instanceof Node)
      parent.appendChild(child);
    else if (child !== null && child !== undefined && child !== false)
      parent.appendChild(document.createTextNode(String(child)));
  }
}

/** An element. Props that begin with "on" are listeners, with "--" variables of its style, all others attributes. */
export function h<K extends keyof HTMLElementTagNameMap>(
    tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  apply(element, props);
  append(element, ...children);
  return element;
}

/** An element of SVG. */
export function s<K extends keyof SVGElementTagNameMap>(
    tag: K, props: Props = {}, ...children: Child[]): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  apply(element, props);
  append(element, ...children);
  return element;
}

export function replace(parent: Element, ...children: Child[]) {
  const fragment = document.createDocumentFragment();
  append(fragment, ...children);
  parent.replaceChildren(fragment);
}

/** A name that somebody chose: it cannot turn the direction of what stands around it. */
export function name(text: string, props: Props = {}): HTMLElement {
  return h("bdi", {class: "name", title: text, ...props}, text);
}

export function button(label: Child, onclick: () => void, props: Props = {}): HTMLButtonElement {
  return h("button", {type: "button", onclick, ...props}, label);
}

export function select(
    label: string, choices: [string, string][], value: string, onchange: (value: string) => void): HTMLElement {
  const box: HTMLSelectElement =
      h("select", {"aria-label": label, onchange: () => onchange(box.value)},
        choices.map(([key, text]) => h("option", {value: key, selected: key === value}, text)));
  return h("label", {class: "field"}, h("span", {}, label), box);
}

export function toggle(label: string, on: boolean, onchange: (on: boolean) => void): HTMLElement {
  const box: HTMLInputElement = h("input", {type: "checkbox", checked: on, onchange: () => onchange(box.checked)});
  return h("label", {class: "toggle"}, box, label);
}

export function slider(
    label: string, min: number, max: number, step: number, value: number, text: (value: number) => string,
    oninput: (value: number) => void): HTMLElement {
  const shown = h("output", {}, text(value));
  const box: HTMLInputElement = h("input", {
    type: "range",
    min,
    max,
    step,
    "aria-label": label,
    "aria-valuetext": text(value),
    oninput: () => {
      shown.textContent = text(box.valueAsNumber);
      box.setAttribute("aria-valuetext", text(box.valueAsNumber));
      oninput(box.valueAsNumber);
    },
  });
  box.value = String(value);
  return h("label", {class: "field slider"}, h("span", {}, label, " ", shown), box);
}

/** A row of choices, of which one is on. */
export function tabs(
    label: string, choices: [string, string][], value: string, href: (key: string) => string): HTMLElement {
  return h(
      "nav", {class: "tabs", "aria-label": label},
      choices.map(
          ([key, text]) => h("a", {href: href(key), "aria-current": key === value ? "page" : undefined}, text)));
}

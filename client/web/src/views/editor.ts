/** A text field for job files: colours, line numbers, marks where something is wrong, completion by keys. */
import {Catalogue} from "web/app/catalogue";
import {Scope} from "web/app/scope";
import {h, replace} from "web/dom";
import {findType} from "web/rpc/wire";
import {Choice, complete, cursorIn} from "web/text/complete";
import {highlight} from "web/text/highlight";
import {Problem} from "web/text/parse";

const root = "traind.v1.JobSpec", mostShown = 40;

export class Editor {
  readonly area = h("textarea", {
    class: "code",
    spellcheck: "false",
    autocapitalize: "off",
    autocomplete: "off",
    "aria-label": "Job file",
    wrap: "off",
    "aria-autocomplete": "list"
  });
  private readonly shade = h("pre", {class: "code shade", "aria-hidden": "true"});
  private readonly gutter = h("pre", {class: "gutter", "aria-hidden": "true"});
  private readonly list = h("ul", {class: "completion", role: "listbox", id: "completion", hidden: true});
  private readonly about = h("p", {class: "about", role: "status"});
  readonly node = h(
      "div", {class: "editor"}, this.gutter, h("div", {class: "sheet"}, this.shade, this.area, this.list), this.about);
  private choices: Choice[] = [];
  private at = 0;
  private from = 0;
  private problems: Problem[] = [];
  catalogue: Catalogue|undefined;
  values: (field: string) => string[] = () => [];

  constructor(scope: Scope, private readonly changed: () => void) {
    this.area.addEventListener("input", () => {
      this.paint();
      this.offer(false);
      changed();
    });
    this.area.addEventListener("scroll", () => this.follow());
    this.area.addEventListener("keydown", (event) => this.key(event));
    this.area.addEventListener("blur", () => this.hide());
    this.area.addEventListener("click", () => this.hide());
    const sizes = new ResizeObserver(() => this.follow());
    sizes.observe(this.area);
    scope.onClose(() => sizes.disconnect());
  }

  get text() { return this.area.value; }
  set text(text: string) {
    this.area.value = text;
    this.paint();
    this.changed();
  }
  mark(problems: Problem[]) {
    this.problems = problems;
    this.paint();
  }
  /** Shows a place, and puts the cursor there. */
  reveal(at: number, end: number) {
    this.area.focus();
    this.area.setSelectionRange(at, end);
    const line = this.text.slice(0, at).split("\n").length - 1;
    this.area.scrollTop = Math.max(0, line * this.lineHeight() - this.area.clientHeight / 3);
  }
  private lineHeight() { return parseFloat(getComputedStyle(this.area).lineHeight) || 20; }
  /** Of letters that are all equally wide. */
  private columnWidth() { return 0.602 * parseFloat(getComputedStyle(this.area).fontSize); }

  private paint() {
    const source = this.text, bad = new Set(this.problems.map(({at}) => source.slice(0, at).split("\n").length));
    replace(this.shade, highlight(source), "\n");
    replace(
        this.gutter,
        source.split("\n").map((_, i) => h("span", {class: bad.has(i + 1) ? "bad" : undefined}, `${i + 1}\n`)));
    this.follow();
  }
  private follow() {
    this.shade.scrollTop = this.area.scrollTop;
    this.shade.scrollLeft = this.area.scrollLeft;
    this.gutter.scrollTop = this.area.scrollTop;
  }

  private key(event: KeyboardEvent) {
    if ((event.ctrlKey || event.metaKey) && event.key === " ") {
      event.preventDefault();
      this.offer(true);
      return;
    }
    if (this.list.hidden) {
      // Tab leaves the field, as it does everywhere else; indenting is by Enter.
      if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) this.newLine(event);
      return;
    }
    const move: Record<string, number> = {ArrowDown: 1, ArrowUp: -1};
    if (move[event.key]) {
      event.preventDefault();
      this.at = (this.at + move[event.key] + this.choices.length) % this.choices.length;
      this.showList();
    } else if (event.key === "Enter" || event.key === "Tab") {
      event.preventDefault();
      this.accept(this.choices[this.at]);
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.hide();
    }
  }

  /** A new line as far in as the one before; between braces it opens them. */
  private newLine(event: KeyboardEvent) {
    event.preventDefault();
    const {selectionStart: at, selectionEnd: end} = this.area, line = /[^\n]*$/.exec(this.text.slice(0, at))![0],
                                             indent = /^\s*/.exec(line)![0];
    const opens = /\{\s*$/.test(line), closes = /^\s*\}/.test(this.text.slice(end));
    const inner = opens ? `${indent}  ` : indent;
    this.insert(
        at - (opens ? /\s*$/.exec(line)![0].length : 0),
        end + (opens && closes ? /^ */.exec(this.text.slice(end))![0].length : 0),
        `\n${inner}${opens && closes ? `\n${indent}` : ""}`, 1 + inner.length);
  }
  private insert(from: number, to: number, text: string, cursor: number) {
    this.area.setRangeText(text, from, to, "end");
    this.area.setSelectionRange(from + cursor, from + cursor);
    this.paint();
    this.changed();
  }

  /** Completion for what has been typed; asked for by Ctrl-Space also before anything is. */
  private offer(asked: boolean) {
    const at = this.area.selectionStart, found = complete(this.text, at, root, this.values);
    const word = found ? at - found.from : 0;
    if (!found || !found.choices.length ||
        !asked && (!word || found.choices.length === 1 && found.choices[0].label.length === word)) {
      this.hide();
      return;
    }
    this.choices = found.choices.slice(0, mostShown);
    this.from = found.from;
    this.at = 0;
    this.showList();
  }
  private showList() {
    const before = this.text.slice(0, this.from), line = before.split("\n").length - 1,
          column = before.length - before.lastIndexOf("\n") - 1;
    this.list.style.setProperty("--top", `${(line + 1) * this.lineHeight() - this.area.scrollTop + 12}px`);
    this.list.style.setProperty(
        "--left",
        `${
            Math.min(
                column * this.columnWidth() - this.area.scrollLeft + 12, Math.max(0, this.area.clientWidth - 260))}px`);
    replace(
        this.list,
        this.choices.map(
            (choice, i) =>
                h("li", {
                  role: "option",
                  id: `choice-${i}`,
                  "aria-selected": String(i === this.at),
                  onmousedown: (event: Event) => {
                    event.preventDefault();
                    this.accept(choice);
                  }
                },
                  h("span", {}, choice.label), h("small", {}, choice.detail))));
    this.list.hidden = false;
    this.list.children[this.at]?.scrollIntoView({block: "nearest"});
    this.area.setAttribute("aria-activedescendant", `choice-${this.at}`);
    const choice = this.choices[this.at], type = findType(choice.message)?.byName.get(choice.field)?.type ?? "";
    this.about.textContent = this.catalogue?.about(choice.message, choice.field, type) ?? "";
  }
  private hide() {
    this.list.hidden = true;
    this.area.removeAttribute("aria-activedescendant");
  }
  private accept(choice: Choice) {
    this.hide();
    this.insert(this.from, this.area.selectionStart, choice.insert, cursorIn(choice.insert));
  }
}

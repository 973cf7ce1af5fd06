/** What all charts have: a caption, a canvas that follows its size and theme, a description for those who do not see
 *  it, and a way to take it along as SVG or CSV. */
import {Scope} from "web/app/scope";
import {color, onTheme} from "web/charts/colors";
import {CanvasPainter, Painter, SvgPainter} from "web/charts/painter";
import {append, button, Child, h} from "web/dom";

/** Gives the person a file. */
export function download(fileName: string, type: string, content: BlobPart) {
  const url = URL.createObjectURL(new Blob([content], {type}));
  h("a", {href: url, download: fileName}).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

export const fileName = (title: string) =>
    title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "chart";

export abstract class Chart {
  readonly node: HTMLElement;
  protected readonly canvas = h("canvas");
  protected readonly area: HTMLElement;
  protected readonly readout = h("span", {class: "readout"});
  private waiting = 0;
  private seen = true;

  constructor(readonly title: string, readonly scope: Scope, height: number, extra: Child = null) {
    this.area = h("div", {class: "plot", tabindex: 0, role: "img", "--height": `${height}px`}, this.canvas);
    this.node =
        h("figure", {class: "chart"},
          h("figcaption", {}, h("bdi", {class: "title"}, title), this.readout, extra,
            h("span", {class: "tools"},
              button(
                  "SVG", () => download(`${fileName(title)}.svg`, "image/svg+xml", this.svg()),
                  {"aria-label": `${title} as SVG`}),
              button(
                  "CSV", () => download(`${fileName(title)}.csv`, "text/csv", this.csv()),
                  {"aria-label": `${title} as CSV`}))),
          this.area);
    const sizes = new ResizeObserver(() => this.refresh());
    sizes.observe(this.area);
    const views = new IntersectionObserver(([entry]) => {
      this.seen = entry.isIntersecting;
      if (this.seen) this.refresh();
    }, {rootMargin: "200px"});
    views.observe(this.area);
    scope.onClose(() => {
      sizes.disconnect();
      views.disconnect();
      cancelAnimationFrame(this.waiting);
      this.canvas.width = 0;
    });
    scope.onClose(onTheme(() => this.refresh()));
  }

  protected abstract draw(painter: Painter): void;
  abstract csv(): string;
  /** One sentence with what the chart shows. */
  protected abstract describe(): string;
  /** After each drawing on the screen. */
  protected drawn(): void {}

  get width() { return this.area.clientWidth; }
  get height() { return this.area.clientHeight; }
  resize(height: number) { this.area.style.setProperty("--height", `${height}px`); }

  /** Draws again with the next frame, when somebody can see it. */
  refresh() {
    if (this.waiting || this.scope.closed || !this.seen) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      if (this.width < 2 || this.height < 2) return;
      this.draw(new CanvasPainter(this.canvas, this.width, this.height));
      this.area.setAttribute("aria-label", `${this.title}. ${this.describe()}`);
      this.drawn();
    });
  }
  svg(): string {
    const painter = new SvgPainter(Math.max(this.width, 200), Math.max(this.height, 80), this.title, color("--paper"));
    this.draw(painter);
    return painter.finish();
  }
  protected under(...children: Child[]) { append(this.node, ...children); }
}

/** What was found in a job: marks for the strip of its layers, and a list. */
import {Finding} from "messages";
import {JobFeed} from "web/app/feed";
import {errorBox} from "web/app/notice";
import {Scope} from "web/app/scope";
import {layerOf, severityOf} from "web/charts/marks";
import {button, Child, h, replace} from "web/dom";
import {count} from "web/format";
import {call} from "web/rpc/call";

export class Findings {
  readonly node = h("section", {class: "findings", "aria-label": "Findings", hidden: true});
  all: Finding[] = [];
  private heard = 0;  // Newest event with a finding that was looked at.
  private asked = false;

  /** `changed` is called when there are others; `open` when a person wants to see the layer. */
  constructor(
      private readonly feed: JobFeed, private readonly scope: Scope, private readonly changed: () => void,
      private readonly open: (layer: string) => void) {
    feed.listen((change) => {
      if (change === "events") void this.read();
    }, scope);
    void this.read();
  }

  /** Asks the server again when the events tell of something new. */
  private async read() {
    const newest = this.feed.events.reduce((last, event) => event.finding ? event.sequence : last, 0);
    if (this.asked && newest <= this.heard) return;
    this.asked = true;
    this.heard = newest;
    try {
      const {findings} = await call(
          "TrainingService/ListFindings", {parent: this.feed.name, with_resolved: true}, {signal: this.scope.signal});
      this.all = findings;
      this.node.hidden = !findings.length;
      replace(this.node, h("h2", {}, "Findings"), h("ol", {}, findings.map((finding) => this.line(finding))));
      this.changed();
    } catch (error) {
      if (this.scope.closed) return;
      this.heard = -1;  // The next event asks again.
      this.node.hidden = false;
      replace(this.node, errorBox(error));
    }
  }

  private line(finding: Finding): Child {
    const layer = layerOf(finding), severity = severityOf(finding);
    const steps =
        finding.first_step ? `steps ${count(finding.first_step)} to ${count(finding.last_step)}` : "from the start";
    return h(
        "li", {class: severity, "data-finding": finding.id, tabindex: -1}, h("span", {class: "kind"}, severity),
        layer === undefined ?
            h("bdi", {class: "name"}, finding.id) :
            button(h("bdi", {}, finding.id), () => this.open(layer), {class: "link", title: "Show the layer"}),
        h("span", {class: "step"}, steps), h("bdi", {class: "text"}, finding.cause),
        h("bdi", {class: "text hint"},
          finding.root ? `Because of ${finding.root}.` :
              finding.fix?.words ? `What helps: ${finding.fix.words}` :
                                   ""));
  }

  /** Brings the finding of this id before the person's eyes. */
  show(id: string) {
    const line = [...this.node.querySelectorAll<HTMLElement>("[data-finding]")].find(
        (element) => element.dataset.finding === id);
    line?.scrollIntoView({behavior: "smooth", block: "nearest"});
    line?.focus({preventScroll: true});
  }
}

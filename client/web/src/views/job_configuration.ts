/** The configuration as it was submitted, and with every default filled in; what nobody said is pale. */
import {Job, JobSpec} from "messages";
import {Catalogue, catalogue} from "web/app/catalogue";
import {JobFeed} from "web/app/feed";
import {errorBox} from "web/app/notice";
import {remember, Route} from "web/app/route";
import {Scope} from "web/app/scope";
import {download} from "web/charts/chart";
import {button, Child, h, replace} from "web/dom";
import {idOf, shape, stateText} from "web/format";
import {call} from "web/rpc/call";
import {defaultOf, isDefault} from "web/text/defaults";
import {flatten, origins, pathsOf} from "web/text/differences";
import {highlight} from "web/text/highlight";
import {printLines, printText} from "web/text/print";
import {loading, table} from "web/views/parts";

const spec = "traind.v1.JobSpec";

export function configurationTab(feed: JobFeed, root: HTMLElement, scope: Scope, route: Route) {
  let show = route.params.get("show") ?? "resolved";
  replace(root, loading());
  const get = (view: "JOB_VIEW_SPEC"|"JOB_VIEW_RESOLVED") =>
      call("TrainingService/GetJob", {name: feed.name, view}, {signal: scope.signal});
  Promise.all([get("JOB_VIEW_SPEC"), get("JOB_VIEW_RESOLVED")])
      .then(
          ([one, two]) => {
            const submitted = one.spec!, resolved = two.resolved_spec!, body = h("div");
            const tabsOf: [string, string, () => Child][] = [
              ["resolved", "Resolved", () => resolvedText(submitted, resolved)],
              [
                "submitted", "As submitted",
                () => h("pre", {class: "source", tabindex: 0}, highlight(printText(submitted, spec)))
              ],
              ["differences", "Only what was said", () => saidTable(submitted, resolved)],
              ["facts", "What the server decided", () => factsTable(two)],
            ];
            const bar = h("div", {class: "chips", role: "group", "aria-label": "Which"});
            const draw = () => {
              replace(bar, tabsOf.map(([key, label]) => button(label, () => {
                                        show = key;
                                        remember({show: key === "resolved" ? "" : key});
                                        draw();
                                      }, {class: "chip", "aria-pressed": String(key === show)})));
              replace(body, (tabsOf.find(([key]) => key === show) ?? tabsOf[0])[2]());
            };
            replace(
                root,
                h("div", {class: "controls"}, bar, h("span", {class: "push"}),
                  h("a", {class: "button quiet", href: `#/new?from=${encodeURIComponent(idOf(feed.name))}`},
                    "Use for a new job"),
                  button(
                      "Download",
                      () => download(
                          `${idOf(feed.name)}.textproto`, "text/plain",
                          printText(show === "submitted" ? submitted : resolved, spec)),
                      {class: "quiet"})),
                body);
            draw();
          },
          (error: unknown) => {
            if (!scope.closed) replace(root, errorBox(error));
          });
}

function resolvedText(submitted: JobSpec, resolved: JobSpec): HTMLElement {
  const said = pathsOf(submitted, spec), lines = printLines(resolved, spec);
  return h(
      "div", {}, h("p", {class: "hint"}, "Bright: as submitted. Pale: filled in by the server, a default."),
      h("pre", {class: "source", tabindex: 0},
        lines.map(
            ({text, path}) =>
                h("span", {class: said.has(path) ? "line said" : "line default"}, highlight(text), "\n"))));
}

/** Beside each value its default, as the field's comment tells it, once the catalogue is there. */
function saidTable(submitted: JobSpec, resolved: JobSpec): HTMLElement {
  const said = flatten(submitted, spec), all = flatten(resolved, spec), where = origins(submitted, spec),
        holder = h("div");
  const draw = (known?: Catalogue) => replace(
      holder,
      table(
          ["field", "submitted", "default", "in effect"], [...said].map(([path, value]) => {
            const effect = all.get(path), {message, field} = where.get(path)!;
            const standard = defaultOf(known?.about(message, field.name, "") ?? ""), same = isDefault(value, standard);
            return [
              h("code", {}, path), h("bdi", {class: standard && !same ? "differs" : undefined}, value),
              h("bdi", {class: "quiet"}, same ? "as said" : standard || "–"),
              effect === value ? h("span", {class: "quiet"}, "the same") : h("bdi", {}, effect ?? "expanded")
            ];
          }),
          "What was said"));
  draw();
  catalogue().then(draw, () => {});
  return h(
      "div", {},
      h("p", {class: "hint"},
        "Everything else in the resolved configuration is a default. Bright is what differs from its own; a field without one is “–”."),
      holder);
}

function factsTable(job: Job): HTMLElement {
  const data = job.trained_on, rows: Child[][] = [
    ["threads", job.threads],
    ["memory reserved", `${(job.memory_bound_bytes / 2 ** 20).toFixed(1)} MiB`],
    ["attempts", job.attempts],
    ["restarts", job.restarts],
    ["uid", h("code", {}, job.uid)],
    [
      "trained on",
      data ? `${data.dataset}, examples ${shape(data.example_shape)}, ${
                 data.splits.map((split) => `${split.name}: ${split.num_examples}`).join(", ")}` :
             "not known"
    ],
    ...job.algorithms.map(
        (one): Child[] => [`kernels of ${one.layer}`, stateText(one.algorithm.replace("CONVOLUTION_ALGORITHM_", ""))]),
  ];
  return table(["fact", "value"], rows, "What the server decided");
}

/** All jobs, as they are now: what is asked of the list is the server's filter and order, so it holds over all pages. */
import {Job} from "messages";
import {isTerminal} from "web/app/feed";
import {Growing} from "web/app/growing";
import {ask, attempt, errorBox} from "web/app/notice";
import {address, go, remember, Route} from "web/app/route";
import {debounce, Scope} from "web/app/scope";
import {Curve} from "web/charts/curve";
import {button, Child, h, name, replace} from "web/dom";
import {ago, idOf, num, percent, plural} from "web/format";
import {call} from "web/rpc/call";
import {jobTitle, labelChips, loading, progressBar, progressText, queueText, sparkline, stateBadge} from "web/views/parts";

const states: [string, string][] = [
  ["", "all"], ["RUNNING", "running"], ["QUEUED", "queued"], ["PAUSED", "paused"], ["SUCCEEDED", "succeeded"],
  ["FAILED", "failed"], ["CANCELLED", "cancelled"]
];
const pageSize = 50;

/** What a person typed as a filter of the API: words without an operator are looked for in names. */
export function filterOf(text: string, state: string): string {
  const typed = text.trim(), words = typed.split(/\s+/).filter(Boolean);
  const asked = !typed        ? [] :
      /[=<>:()"]/.test(typed) ? [`(${typed})`] :
                                words.map((word) => {
                                  const quoted = `"${word.replace(/["\\]/g, "\\$&")}"`;
                                  return `(name:${quoted} OR display_name:${quoted} OR dataset:${quoted})`;
                                });
  return [...state ? [`state = ${state}`] : [], ...asked].join(" AND ");
}

/** Sparklines: one curve for each job, of which what is new is asked for only while it grows. */
class Sparks {
  private readonly known = new Map < string, {
    growing: Growing;
    step: number;
    at: number
  }
  > ();
  private readonly waiting = new Set<string>();
  constructor(private readonly scope: Scope, private readonly done: (uid: string) => void) {}

  of(job: Job): Curve|undefined {
    const known = this.known.get(job.uid), step = job.progress?.step ?? 0;
    const stale = !known || known.step !== step && (isTerminal(job) || Date.now() - known.at > 6000);
    if (stale && step > 0 && this.waiting.size < 3 && !this.waiting.has(job.uid)) void this.load(job, step);
    return known?.growing.curves.one("QUANTITY_LOSS");
  }
  private async load(job: Job, step: number) {
    this.waiting.add(job.uid);
    const growing = this.known.get(job.uid)?.growing ??
        new Growing(job.name, {quantities: ["QUANTITY_LOSS"], maxPoints: 60}, this.scope);
    try {
      await growing.read();
    } catch { /* What there was stays. */
    }
    this.known.set(job.uid, {growing, step, at: Date.now()});
    if (this.known.size > 500) this.known.delete(this.known.keys().next().value!);
    this.waiting.delete(job.uid);
    this.done(job.uid);
  }
}

interface Row {
  node: HTMLTableRowElement;
  spark: HTMLCanvasElement;
  job: Job;
  text: string
}

export function jobsView(route: Route, root: HTMLElement, scope: Scope) {
  const asked = {
    text: route.params.get("q") ?? "",
    state: route.params.get("state") ?? "",
    sort: route.params.get("sort") ?? "create_time desc"
  };
  const chosen = new Set<string>(), rows = new Map<string, Row>();
  let token = "", before: string[] = [], next = "", withOwner = false, withPriority = false;
  const body = h("tbody"), problem = h("div"), bar = h("div", {class: "selection", hidden: true}),
        pager = h("div", {class: "pager"});
  const empty = h("div", {class: "empty", hidden: true});
  const sparks = new Sparks(scope, (uid) => {
    const row = rows.get(uid);
    if (row) sparkline(row.spark, sparks.of(row.job));
    rows.forEach((other) => sparks.of(other.job));
  });

  const search = h("input", {
    type: "search",
    value: asked.text,
    placeholder: "Name, or a filter: labels.team = \"vision\" AND priority > 1",
    "aria-label": "Filter jobs",
    spellcheck: "false",
    oninput: () => {
      asked.text = search.value;
      fresh();
    },
  });
  const chips =
      h("div", {class: "chips", role: "group", "aria-label": "State"},
        states.map(([key, label]) => button(label, () => {
                     asked.state = key;
                     fresh();
                   }, {class: "chip", "data-state": key})));

  const reload = debounce(250, again);
  /** What went wrong is on the page already. */
  function again() { load().catch(() => {}); }
  function fresh() {
    token = "";
    before = [];
    remember({q: asked.text, state: asked.state, sort: asked.sort === "create_time desc" ? "" : asked.sort});
    reload();
  }

  const head = (label: string, field = "") => {
    if (!field) return h("th", {scope: "col"}, label);
    const cell = h("th", {scope: "col", "data-field": field}, button(label, () => {
                     asked.sort = asked.sort === `${field} desc` ? field : `${field} desc`;
                     fresh();
                   }, {class: "sort"}));
    return cell;
  };
  const all = h("input", {
    type: "checkbox",
    "aria-label": "Choose all",
    onchange: () => {
      rows.forEach(({job, node}) => choose(job.name, all.checked, node));
      showBar();
    }
  });
  const heads =
      h("tr", {}, h("th", {scope: "col", class: "pick"}, all), head("State"), head("Job", "display_name"),
        head("Progress"), head("Loss"), head("Test"), head("Data", "dataset"), head("Labels"), head("Owner", "owner"),
        head("Priority", "priority"), head("Created", "create_time"));

  replace(
      root,
      h("div", {class: "head"}, h("h1", {}, "Jobs"), h("span", {class: "push"}),
        h("a", {class: "button primary", href: "#/new"}, "New job")),
      h("div", {class: "filters"}, search, chips), problem, bar,
      h("div", {class: "scroll jobs"}, h("table", {class: "jobs"}, h("thead", {}, heads), body)), empty, pager);
  if (!rows.size) replace(problem, loading());

  function choose(jobName: string, on: boolean, row: Element) {
    if (on)
      chosen.add(jobName);
    else
      chosen.delete(jobName);
    row.querySelector("input")!.checked = on;
  }
  function showBar() {
    bar.hidden = !chosen.size;
    const each = (verb: "PauseJob"|"ResumeJob"|"CancelJob", done: string) =>
        button(done, () => void attempt(async () => {
                       for (const one of chosen) await call(`TrainingService/${verb}`, {name: one});
                       await load();
                     }, `${done}: ${plural(chosen.size, "job")}`));
    replace(
        bar, h("b", {}, plural(chosen.size, "job")),
        button("Compare", () => go(address(["compare"], {jobs: [...chosen].map(idOf).join(",")})), {class: "primary"}),
        each("PauseJob", "Pause"), each("ResumeJob", "Resume"), each("CancelJob", "Cancel"),
        button("Delete", () => void remove(), {class: "danger"}), button("None", () => {
          rows.forEach(({job, node}) => choose(job.name, false, node));
          showBar();
        }, {class: "quiet"}));
  }

  async function remove() {
    const names = [...chosen],
          yes = await ask(
              `Delete ${plural(names.length, "job")}?`,
              h("p", {}, "Their events and checkpoints go with them, for good: ",
                names.slice(0, 20).map(idOf).join(", "), names.length > 20 ? `, and ${names.length - 20} more.` : "."),
              "Delete them", true);
    if (yes)
      await attempt(async () => {
        for (const one of names) await call("TrainingService/DeleteJob", {name: one});
        await load();
      }, `Deleted: ${plural(names.length, "job")}`);
  }

  async function load() {
    const answer =
        await call(
            "TrainingService/ListJobs",
            {filter: filterOf(asked.text, asked.state), order_by: asked.sort, page_size: pageSize, page_token: token},
            {signal: scope.signal})
            .catch((error: unknown) => {
              if (!scope.closed) replace(problem, errorBox(error));
              throw error;
            });
    replace(
        problem,
        answer.unreachable.length ?
            h("div", {class: "box warn"},
              "These cannot be read, and can only be deleted: ", answer.unreachable.join(", ")) :
            null);
    next = answer.next_page_token;
    show(answer.jobs);
  }

  function show(jobs: Job[]) {
    withOwner = jobs.some((job) => job.owner);
    withPriority = jobs.some((job) => job.priority);
    heads.querySelector<HTMLElement>("[data-field=owner]")!.hidden = !withOwner;
    heads.querySelector<HTMLElement>("[data-field=priority]")!.hidden = !withPriority;
    heads.querySelectorAll("[data-field]").forEach((cell) => {
      const on = asked.sort.split(" ")[0] === cell.getAttribute("data-field");
      if (on)
        cell.setAttribute("aria-sort", asked.sort.endsWith("desc") ? "descending" : "ascending");
      else
        cell.removeAttribute("aria-sort");
    });
    chips.querySelectorAll("button").forEach(
        (chip) => chip.setAttribute("aria-pressed", String(chip.dataset.state === asked.state)));
    const now = new Set(jobs.map((job) => job.uid));
    for (const [uid, row] of rows)
      if (!now.has(uid)) {
        row.node.remove();
        rows.delete(uid);
        chosen.delete(row.job.name);
      }
    jobs.forEach((job, i) => {
      const row = rowOf(job);
      if (body.children[i] !== row.node) body.insertBefore(row.node, body.children[i] ?? null);
      sparkline(row.spark, sparks.of(job));
    });
    empty.hidden = jobs.length > 0;
    replace(empty, asked.text || asked.state ? "No job is like this." : [
      "There is no job yet. ", h("a", {href: "#/new"}, "Write the first one"), "."
    ]);
    replace(pager, before.length ? button("Newer", () => {
              token = before.pop()!;
              again();
            }) : null, next ? button("Older", () => {
              before.push(token);
              token = next;
              again();
            }) : null);
    showBar();
  }

  function rowOf(job: Job): Row {
    const text = JSON.stringify(
        [job, withOwner, withPriority, ago(job.create_time)],
        (_, value: unknown) => value instanceof Map ? [...value] :
            typeof value === "bigint"               ? String(value) :
                                                      value);
    let row = rows.get(job.uid);
    if (!row) rows.set(job.uid, row = {node: h("tr"), spark: h("canvas", {class: "spark"}), job, text: ""});
    row.job = job;
    if (row.text === text) return row;
    row.text = text;
    const {node, spark} = row, pick = h("input", {
                                 type: "checkbox",
                                 "aria-label": `Choose ${idOf(job.name)}`,
                                 checked: chosen.has(job.name),
                                 onchange: () => {
                                   choose(job.name, pick.checked, node);
                                   showBar();
                                 }
                               });
    const cell = (className: string, ...children: Child[]) => h("td", {class: className}, children);
    const p = job.progress;
    node.className = job.state.replace("JOB_STATE_", "").toLowerCase();
    replace(
        node, cell("pick", pick), cell("standing", stateBadge(job)), cell("job", jobTitle(job)),
        cell(
            "progress", progressBar(job),
            h("small", {}, job.state === "JOB_STATE_QUEUED" ? queueText(job) || job.state_reason : progressText(job))),
        cell("loss", spark, h("span", {}, p?.step ? num(p.mean_loss ?? p.loss) : "")),
        cell(
            "test",
            p?.evaluation_accuracy !== undefined ? percent(p.evaluation_accuracy) :
                p?.evaluation_loss !== undefined ? num(p.evaluation_loss) :
                                                   ""),
        cell("data", h("a", {href: address(["datasets", idOf(job.dataset)])}, name(idOf(job.dataset)))),
        cell(
            "labels",
            labelChips(
                job.labels,
                (key, value) => {
                  search.value = asked.text =
                      value ? `labels.${key} = "${value.replace(/["\\]/g, "\\$&")}"` : `labels:${key}`;
                  fresh();
                })),
        withOwner ? cell("owner", name(job.owner)) : null, withPriority ? cell("priority", job.priority || "") : null,
        cell("created", ago(job.create_time)));
    return row;
  }

  void scope.every(2000, () => load(), (error, retryMs) => {
    replace(problem, errorBox(error), h("p", {class: "hint"}, `Trying again in ${Math.round(retryMs / 1000)} s.`));
  });
}

/** Weights: those that somebody brought, and those of the jobs here, whose versions are their checkpoints. */
import {Job, Model} from "messages";
import {account, mayMake} from "web/app/account";
import {errorBox} from "web/app/notice";
import {address, remember, Route} from "web/app/route";
import {debounce, Scope} from "web/app/scope";
import {button, Child, h, name, replace} from "web/dom";
import {ago, bytes, count, idOf, num, percent} from "web/format";
import {call} from "web/rpc/call";
import {jobTitle, labelChips, loading, table} from "web/views/parts";

export const modelAddress = (model: string) => address(["models", idOf(model)]);

/** A list that grows by a page at a time. */
function pages<T>(
    scope: Scope, empty: () => Child,
    get: (token: string) => Promise<{items: T[]; next: string; unreachable: string[]}>,
    show: (items: T[]) => Child): {node: HTMLElement; reload: () => void} {
  const body = h("div"), more = h("div", {class: "pager"}), told = h("div");
  let items: T[] = [], round = 0;
  async function load(token: string) {
    const mine = token ? round : ++round;
    try {
      const answer = await get(token);
      if (mine !== round) return;
      items = token ? [...items, ...answer.items] : answer.items;
      replace(body, items.length ? show(items) : h("p", {class: "empty"}, empty()));
      replace(
          told,
          answer.unreachable.length ?
              h("div", {class: "box warn"},
                `These cannot be read, and can only be deleted: ${answer.unreachable.join(", ")}`) :
              null);
      replace(more, answer.next ? button("More", () => void load(answer.next)) : null);
    } catch (error) {
      if (!scope.closed && mine === round) replace(told, errorBox(error));
    }
  }
  replace(body, loading());
  void load("");
  return {node: h("div", {}, told, body, more), reload: () => void load("")};
}

const quoted = (text: string) => `"${text.replace(/["\\]/g, "\\$&")}"`;

export function modelsView(route: Route, root: HTMLElement, scope: Scope) {
  let text = route.params.get("q") ?? "";
  const words = () => text.trim().split(/\s+/).filter(Boolean).map((word) => `name:${quoted(word)}`);
  const brought = pages<Model>(
      scope, () => text ? "No model is called so." : "Nobody has brought weights yet.", async (page_token) => {
        const answer = await call(
            "ModelService/ListModels",
            {page_size: 50, page_token, order_by: "create_time desc", filter: words().join(" AND ")},
            {signal: scope.signal});
        return {items: answer.models, next: answer.next_page_token, unreachable: answer.unreachable};
      }, modelsTable);
  const trained = pages<Job>(
      scope, () => text ? "No job is called so." : "No job has trained to its end yet.", async (page_token) => {
        const answer = await call(
            "TrainingService/ListJobs", {
              page_size: 50,
              page_token,
              order_by: "end_time desc",
              filter: ["state = SUCCEEDED", ...words()].join(" AND ")
            },
            {signal: scope.signal});
        return {items: answer.jobs, next: answer.next_page_token, unreachable: []};
      }, jobsTable);
  const reload = debounce(250, () => {
    brought.reload();
    trained.reload();
  });
  const search = h("input", {
    type: "search",
    value: text,
    placeholder: "Name",
    "aria-label": "Find models",
    spellcheck: "false",
    oninput: () => {
      text = search.value;
      remember({q: text});
      reload();
    }
  });
  const how = h("p", {class: "hint"});
  replace(
      root, h("div", {class: "head"}, h("h1", {}, "Models")), h("div", {class: "filters"}, search),
      h("h2", {}, "Brought here"), how, brought.node, h("h2", {}, "Trained here"),
      h("p", {class: "hint"}, "Each checkpoint of a job is a version of its weights."), trained.node);
  void account().then((who) => {
    if (mayMake(who))
      replace(
          how, "A browser cannot send large files here: ", h("code", {}, "trainctl model upload NAME FILE"),
          " brings safetensors or ONNX in; ", h("code", {}, "initial_weights"), " of a job begins with them.");
  });
}

function modelsTable(models: Model[]): Child {
  const owned = models.some((one) => one.owner);
  return table(
      ["model", "#size", ...owned ? ["owner"] : [], "labels", "", "brought"],
      models.map(
          (one) =>
              [h("a", {href: modelAddress(one.name)}, name(idOf(one.name))), bytes(one.size_bytes),
               ...owned ? [name(one.owner)] : [], h("span", {class: "chips"}, labelChips(one.labels)),
               one.pinned ? h("span", {class: "chip"}, "kept") : null, ago(one.create_time)]),
      "Models that were brought");
}

function jobsTable(jobs: Job[]): Child {
  return table(
      ["job", "#steps", "#evaluation loss", "#accuracy", "ended", "versions"],
      jobs.map(
          (job) =>
              [jobTitle(job), count(job.progress?.step ?? 0), num(job.progress?.evaluation_loss),
               percent(job.progress?.evaluation_accuracy), ago(job.end_time),
               h("a", {href: address(["jobs", idOf(job.name)], {tab: "checkpoints"})}, "Checkpoints")]),
      "Models that were trained here");
}

/** A new job: an editor with the server's own checks as one types, and beside it what the network is. */
import {Job, JobSpec, NetworkDescription} from "messages";
import {catalogue} from "web/app/catalogue";
import {attempt, errorBox, errorText} from "web/app/notice";
import {address, go, remember, Route} from "web/app/route";
import {debounce, Scope} from "web/app/scope";
import {templates} from "web/app/templates";
import {graph} from "web/charts/graph";
import {HistogramChart, middle} from "web/charts/histograms";
import {button, h, name, replace, select} from "web/dom";
import {big, bytes, count, idOf, num, shape} from "web/format";
import {call, CallError, Code, Violation} from "web/rpc/call";
import {Init} from "web/rpc/wire";
import {parseText, Problem} from "web/text/parse";
import {placeOf} from "web/text/places";
import {printText} from "web/text/print";
import {Editor} from "web/views/editor";
import {figureOf, loading, table} from "web/views/parts";

const specType = "traind.v1.JobSpec";

const draftKey = "draft";
function recall(): string {
  try {
    return sessionStorage.getItem(draftKey) ?? "";
  } catch {
    return "";
  }
}
function keep(text: string) {
  try {
    sessionStorage.setItem(draftKey, text.slice(0, 1 << 20));
  } catch { /* It lives as long as the page. */
  }
}

export function newJobView(route: Route, root: HTMLElement, scope: Scope) {
  const forked = route.params.get("fork"), from = route.params.get("from") ?? forked,
        step = route.params.get("step") ?? "latest";
  const problems = h("div", {class: "problems", role: "status"}), beside = h("div", {class: "beside"}), told = h("div");
  const jobId = h("input", {
    placeholder: "made up by the server",
    "aria-label": "Name of the job",
    spellcheck: "false",
    pattern: "[a-z]([a-z0-9\\-]{0,61}[a-z0-9])?",
    oninput: () => check()
  });
  const submit = button("Train", () => void send(), {class: "primary", disabled: true});
  let part = route.params.get("beside") ?? "layers", spec: JobSpec|undefined, job: Job|undefined,
      datasets: string[] = [];
  const requestId = crypto.randomUUID();  // The same however often it is sent: one job comes of it.

  const check = debounce(350, () => void validate());
  const editor = new Editor(scope, () => {
    if (!from) keep(editor.text);
    check();
  });
  const choose = select(
      "Begin with", [["", "…"], ...templates.map(([key, label]): [string, string] => [key, label])], "", (key) => {
        const template = templates.find(([k]) => k === key);
        if (template) editor.text = template[2](datasets[0] ?? "");
      });
  const parts = h("div", {class: "chips", role: "group", "aria-label": "Beside"});
  const showParts = () => replace(parts, [
    ["layers", "Layers"], ["graph", "Graph"], ["probe", "Before the first step"], ["resolved", "Resolved"]
  ].map(([key, label]) => button(label, () => {
          part = key;
          remember({beside: key === "layers" ? "" : key});
          showParts();
          void showBeside();
        }, {class: "chip", "aria-pressed": String(key === part)})));
  showParts();
  replace(
      root,
      h("div", {class: "head"}, h("h1", {}, forked ? ["Fork of ", name(forked)] : "New job"),
        h("span", {class: "push"}), h("label", {class: "field inline"}, h("span", {}, "Name"), jobId), submit),
      h("div", {class: "controls"},
        forked ?
            h("span", {class: "hint"}, `Begins at checkpoint ${step}: parameters must keep their names and shapes.`) :
            choose,
        h("span", {class: "hint"}, "Ctrl-Space completes; what is wrong is told below as you type.")),
      told, h("div", {class: "compose"}, h("div", {}, editor.node, problems), h("div", {}, parts, beside)));

  catalogue().then(
      (all) => {
        editor.catalogue = all;
      },
      (error: unknown) => {
        told.append(errorBox(error));
      });
  editor.values = (field) => field === "dataset"              ? datasets :
      field === "train_split" || field === "evaluation_split" ? ["train", "test", "val"] :
                                                                [];
  call("DatasetService/ListDatasets", {page_size: 500}, {signal: scope.signal})
      .then(
          (answer) => {
            datasets = answer.datasets.map((one) => idOf(one.name));
          },
          () => {})
      .then(begin);

  function begin() {
    if (scope.closed) return;
    if (!from) {
      editor.text = recall() || templates[0][2](datasets[0] ?? "my-dataset");
      return;
    }
    call("TrainingService/GetJob", {name: `jobs/${from}`, view: "JOB_VIEW_SPEC"}, {signal: scope.signal})
        .then(
            (other) => {
              editor.text = printText(other.spec, specType);
            },
            (error: unknown) => {
              told.append(errorBox(error));
            });
  }

  const request = (validate: boolean) => forked ? call(
                                                      "TrainingService/ForkJob", {
                                                        name: `jobs/${forked}/checkpoints/${step}`,
                                                        spec,
                                                        job_id: jobId.value,
                                                        validate_only: validate,
                                                        request_id: validate ? "" : requestId,
                                                        view: "JOB_VIEW_RESOLVED"
                                                      },
                                                      {signal: scope.signal}) :
                                                  call(
                                                      "TrainingService/CreateJob", {
                                                        spec: spec as Init<JobSpec>,
                                                        job_id: jobId.value,
                                                        validate_only: validate,
                                                        request_id: validate ? "" : requestId,
                                                        view: "JOB_VIEW_RESOLVED"
                                                      },
                                                      {signal: scope.signal});

  let round = 0;
  async function validate() {
    const mine = ++round, parsed = parseText(editor.text, specType);
    submit.disabled = true;
    if (parsed.problems.length) {
      showProblems(parsed.problems);
      return;
    }
    spec = parsed.fields as unknown as JobSpec;
    try {
      const would = await request(true);
      if (mine !== round || scope.closed) return;
      job = would;
      submit.disabled = false;
      editor.mark([]);
      replace(
          problems,
          h("p", {class: "fine"},
            `Good. ${count(job.progress?.total_steps ?? 0)} steps, ${
                count(job.progress?.steps_per_epoch ?? 0)} an epoch; at most ${bytes(job.memory_bound_bytes)} and ${
                job.threads} threads.`),
          job.warnings.map((warning) => h("div", {class: "box warn"}, warning)));
      void showBeside();
    } catch (error) {
      if (mine !== round || scope.closed) return;
      if (error instanceof CallError && error.violations.length)
        showProblems(error.violations.map((one) => asProblem(one, parsed.places)));
      else {
        editor.mark([]);
        replace(problems, errorBox(error));
        if (error instanceof CallError && error.code === Code.unavailable) check();
      }
    }
  }
  const asProblem = ({field, description}: Violation, places: Map<string, {
                       at: number;
                       end: number
                     }>): Problem => {
    const place = placeOf(field, places);
    return {at: place?.at ?? 0, end: place?.end ?? 0, message: `${field.replace(/^spec\./, "")}: ${description}`};
  };
  function showProblems(list: Problem[]) {
    editor.mark(list);
    replace(
        problems,
        h("ul", {class: "faults"},
          list.slice(0, 50).map(
              (one) =>
                  h("li", {},
                    button(
                        `line ${editor.text.slice(0, one.at).split("\n").length}`, () => editor.reveal(one.at, one.end),
                        {class: "quiet"}),
                    " ", one.message))),
        list.length > 50 ? h("p", {class: "hint"}, `and ${list.length - 50} more`) : null);
  }

  async function send() {
    const parsed = parseText(editor.text, specType);
    if (parsed.problems.length) return;
    spec = parsed.fields as unknown as JobSpec;
    submit.disabled = true;
    await attempt(async () => {
      const made = await request(false);
      try {
        sessionStorage.removeItem(draftKey);
      } catch { /* It was not kept. */
      }
      go(address(["jobs", idOf(made.name)]));
    });
    submit.disabled = false;
  }

  let inner: Scope|undefined;
  async function showBeside() {
    const resolved = job?.resolved_spec;
    if (!resolved) return;
    inner?.close();
    const mine = inner = scope.child();
    const network = {
      ...resolved.network,
      input_shape: resolved.network?.input_shape.length ? resolved.network.input_shape : resolved.data?.example_shape
    };
    try {
      if (part === "resolved") {
        replace(beside, h("pre", {class: "source", tabindex: 0}, printText(resolved, specType)));
        return;
      }
      if (part === "probe") {
        replace(beside, loading("Looking into the untrained network…"));
        const probe = await call(
            "TrainingService/ProbeNetwork", {
              network,
              data: resolved.data,
              seed: resolved.seed,
              precision: resolved.precision,
              data_initialization: resolved.data_initialization
            },
            {signal: mine.signal, timeoutMs: 60000});
        if (mine.closed) return;
        replace(
            beside, h("p", {class: "hint"}, "The outputs of each layer for a first minibatch, before any training."),
            probe.warnings.map((warning) => h("div", {class: "box warn"}, warning)),
            h("div", {class: "small-charts"}, probe.statistics!.layers.slice(0, 60).map((layer) => {
              const chart = new HistogramChart(layer.layer, mine, 100);
              chart.show(layer.histogram, middle(layer.histogram ? [layer.histogram] : [], 0.995));
              replace(
                  chart.node.querySelector(".readout")!,
                  h("span", {class: "value"}, "μ ", h("b", {}, num(layer.mean)), "σ ", h("b", {}, num(layer.std))));
              return chart.node;
            })));
        return;
      }
      const described = await call(
          "TrainingService/DescribeNetwork", {
            network,
            batch_size: resolved.batch_size,
            precision: resolved.precision,
            optimizer: resolved.optimizer,
            convolution_algorithm: resolved.convolution_algorithm
          },
          {signal: mine.signal});
      if (!mine.closed)
        replace(
            beside,
            part === "graph" ? graph("Network", described.layers, "", () => location.hash) : describe(described));
    } catch (error) {
      if (!mine.closed) replace(beside, h("div", {class: "box warn"}, errorText(error)));
    }
  }
}

function describe(network: NetworkDescription): HTMLElement {
  return h(
      "div", {},
      h("div", {class: "figures"}, figureOf("parameters", count(network.parameters)),
        figureOf("FLOP for one example", big(network.forward_flops)),
        figureOf("memory in training", bytes(network.training_memory_bytes))),
      network.warnings.map((warning) => h("div", {class: "box warn"}, warning)),
      table(
          ["layer", "kind", "output", "#parameters", "#FLOP"],
          network.layers.slice(0, 500).map(
              (layer) =>
                  [name(layer.name),
                   [layer.kind, layer.activation && layer.activation !== layer.kind ? ` + ${layer.activation}` : ""],
                   shape(layer.output_shape), layer.num_parameters ? count(layer.num_parameters) : "",
                   big(layer.forward_flops)]),
          "Layers"),
      network.layers.length > 500 ? h("p", {class: "hint"}, `The first 500 of ${network.layers.length} layers.`) :
                                    null);
}

/** What a trained network says about its data: a confusion matrix, and what it got wrong with the most confidence. */
import {PredictResponse} from "messages";
import {JobFeed} from "web/app/feed";
import {errorBox} from "web/app/notice";
import {remember, Route} from "web/app/route";
import {Scope} from "web/app/scope";
import {Bars, Confusion} from "web/charts/bars";
import {button, h, name, replace, select} from "web/dom";
import {count, percent} from "web/format";
import {call, CallError, Code} from "web/rpc/call";
import {read} from "web/rpc/lane";
import {finish, metadataOf} from "web/rpc/operations";
import {figureOf, loading, table} from "web/views/parts";
import {originals} from "web/views/pictures";

interface Mistake {
  index: number;
  label: number;
  said: number;
  sure: number
}
const mostPictures = 48, mostMistakes = 60, mostClasses = 200;

/** Counts as predictions come; keeps the surest mistakes of each pair and no example. */
export class Tally {
  readonly cells: number[][];
  right = 0;
  total = 0;
  mistakes: Mistake[] = [];
  constructor(readonly classes: number) {
    this.cells = Array.from({length: classes}, () => new Array<number>(classes).fill(0));
  }

  add(part: PredictResponse) {
    const width = part.shape[1] ?? 0;
    part.labels.forEach((label, i) => {
      const said = part.classes[i],
            // One output for two classes is the probability of the second one.
          sure = width === 1 && part.probabilities.length ? Math.abs(part.probabilities[i] - 1 + said) :
          part.probabilities.length                       ? part.probabilities[i * width + said] :
                                                            part.outputs[i * width + said];
      this.total++;
      if (this.cells[label]?.[said] !== undefined) this.cells[label][said]++;
      if (said === label)
        this.right++;
      else
        this.mistakes.push({index: part.first + i, label, said, sure});
    });
    if (this.mistakes.length > 4000) this.trim();
  }
  /** The surest first. */
  trim(): Mistake[] { return this.mistakes = this.mistakes.sort((a, b) => b.sure - a.sure).slice(0, 2000); }
}

export function evaluationTab(feed: JobFeed, root: HTMLElement, scope: Scope, route: Route) {
  const job = feed.job!, splits = job.trained_on?.splits.map((split) => split.name) ?? [];
  let split = route.params.get("split") ?? "", which = route.params.get("weights") ?? "latest";
  const told = h("div"), result = h("div", {class: "result"});
  const run = button("Evaluate", () => void evaluate(), {class: "primary"});
  replace(
      root,
      h("div", {class: "controls"},
        select(
            "Split", [["", "the job's evaluation split"], ...splits.map((one): [string, string] => [one, one])], split,
            (value) => {
              split = value;
              remember({split});
            }),
        select(
            "Weights", [["latest", "newest checkpoint"], ["best", "best checkpoint"]], which,
            (value) => {
              which = value;
              remember({weights: value === "latest" ? "" : value});
            }),
        run),
      told, result);
  if (!job.progress?.checkpoint_step && !job.progress?.step)
    replace(told, h("p", {class: "hint"}, "There are no weights yet."));
  else
    replace(
        told,
        h("p", {class: "hint"},
          "Runs on the server's threads, beside the jobs; the answer stays on the server for a week."));

  let running: Scope|undefined;
  async function evaluate() {
    running?.close();
    const mine = running = scope.child();
    run.disabled = true;
    replace(told, loading("Asking the server…"));
    replace(result);
    try {
      const full =
          await call("TrainingService/GetJob", {name: feed.name, view: "JOB_VIEW_RESOLVED"}, {signal: mine.signal});
      const operation = await call(
          "ModelService/PredictSplit", {model: {model: `${feed.name}/checkpoints/${which}`}, range: {split}},
          {signal: mine.signal});
      const done = await finish(operation, "traind.v1.PredictSplitResponse", mine.signal, (metadata) => {
        const p = metadata.progress;
        replace(
            told,
            loading(
                metadata.queue_reason || (p?.total ? `Predicting: ${percent(p.done / p.total, 0)}` : "Predicting…")));
      });
      metadataOf(operation)?.warnings.forEach((warning) => told.append(h("div", {class: "box warn"}, warning)));
      const identity = full.trained_on, classes = identity?.num_classes ?? 0;
      if (!classes) {
        replace(
            told,
            h("p", {},
              `${
                  count(
                      done.examples)} examples were predicted. The data has targets, not classes: there is no confusion matrix.`));
        return;
      }
      const tally = new Tally(Math.min(classes, mostClasses));
      for await (const part of read("ModelService/ReadPredictions", {operation: done.operation}, mine.signal))
        tally.add(part);
      replace(told);
      const names = Array.from({length: tally.classes}, (_, i) => identity?.class_names[i] || String(i));
      const data = full.resolved_spec?.data;
      show(tally, names, classes, {
        name: data?.dataset.startsWith("datasets/") ? data.dataset : `datasets/${data?.dataset}`,
        split: split || data?.evaluation_split,
        heldOut: !!(data?.validation_fraction || data?.folds) && (split || data.evaluation_split) === "validation"
      });
    } catch (error) {
      if (!mine.closed) replace(told, errorBox(error));
    } finally {
      run.disabled = false;
    }
  }

  function show(
      tally: Tally, names: string[], classes: number, source: {name: string; split?: string; heldOut: boolean}) {
    const mine = running!, matrix = new Confusion("Confusion matrix", mine, 300),
          bars = new Bars("Wrong, by class", mine, 200), examples = h("div");
    const wrong =
        names.map((label, i) => ({label, value: tally.cells[i].reduce((sum, n, j) => i === j ? sum : sum + n, 0)}))
            .sort((a, b) => b.value - a.value);
    replace(
        result,
        h("div", {class: "figures"}, figureOf("right", percent(tally.right / tally.total, 2)),
          figureOf("wrong", count(tally.total - tally.right)), figureOf("examples", count(tally.total))),
        classes > mostClasses ?
            h("p", {class: "hint"}, `The first ${mostClasses} of ${count(classes)} classes are shown.`) :
            null,
        h("div", {class: "two"}, matrix.node, bars.node), h("h2", {}, "Surest mistakes"), examples);
    matrix.show(names, tally.cells);
    bars.show(wrong);
    const called = (label: number) => names[label] ?? String(label);
    const list = async (mistakes: Mistake[], title: string) => {
      const shown = mistakes.slice(0, mostPictures), hint = h("p", {class: "hint"}, title);
      try {
        const cells = shown.length && !source.heldOut ?
            await originals(
                {name: source.name, split: source.split, examples: shown.map((one) => one.index)}, 0, mine) :
            [];
        if (mine.closed) return;
        if (source.heldOut) {
          replace(
              examples, hint,
              h("p", {class: "hint"},
                "Of what was held out there are numbers alone: its examples stand in the training split."));
          return;
        }
        replace(examples, hint, h("div", {class: "mistakes"}, cells.map((cell, i) => {
                  const {label, said, sure, index} = shown[i];
                  cell.setAttribute("role", "img");
                  cell.setAttribute("aria-label", `example ${index}: ${called(label)}, taken for ${called(said)}`);
                  return h(
                      "figure", {}, cell,
                      h("figcaption", {title: `example ${index}`}, name(called(said)), h("small", {}, percent(sure, 0)),
                        h("small", {}, "is ", name(called(label)))));
                })));
      } catch (error) {
        if (mine.closed) return;
        const noPictures =
            error instanceof CallError && [Code.invalidArgument, Code.unimplemented].includes(error.code);
        replace(
            examples, hint,
            noPictures ? h("p", {class: "hint"}, "There are no pictures of these examples.") : errorBox(error),
            table(
                ["#example", "is", "was taken for", "#sure"],
                mistakes.slice(0, mostMistakes)
                    .map(
                        (one) =>
                            [count(one.index), name(called(one.label)), name(called(one.said)), percent(one.sure)]),
                "Mistakes"));
      }
    };
    const surest = tally.trim();
    void list(surest, "What it is surest of, and wrong. A click on a cell of the matrix shows its mistakes alone.");
    matrix.chosen = (row, column) => void list(
        surest.filter((one) => one.label === row && one.said === column), `${names[row]} taken for ${names[column]}`);
  }
}

/** A dataset: how it looks, how its classes are spread, and what augmentation makes of it. */
import {Augmentation, Dataset, DatasetDescription} from "messages";
import {account, Account, mayChange} from "web/app/account";
import {ask, attempt, errorBox} from "web/app/notice";
import {go, remember, Route} from "web/app/route";
import {debounce, Scope} from "web/app/scope";
import {Bars} from "web/charts/bars";
import {button, h, name, replace, select, slider} from "web/dom";
import {ago, bytes, count, dateTime, idOf, num, percent, shape} from "web/format";
import {call} from "web/rpc/call";
import {finish} from "web/rpc/operations";
import {parseText} from "web/text/parse";
import {editLabels} from "web/views/labels";
import {figureOf, labelChips, loading, table} from "web/views/parts";
import {decodePng, originals} from "web/views/pictures";
import {shareLink, sharingText} from "web/views/sharing";

const isImage = (dataset: Dataset) => dataset.example_shape.length === 3 && [1, 3].includes(dataset.example_shape[0]);

export function datasetView(route: Route, root: HTMLElement, scope: Scope) {
  const id = route.path[1];
  document.title = `${id} · traind`;
  replace(root, loading());
  const load = () =>
      Promise.all([call("DatasetService/GetDataset", {name: `datasets/${id}`}, {signal: scope.signal}), account()])
          .then(([dataset, who]) => {
            if (!scope.closed) show(dataset, who, route, root, scope, load);
          });
  load().catch((error: unknown) => {
    if (!scope.closed) replace(root, h("h1", {}, name(id)), errorBox(error));
  });
}

function show(
    dataset: Dataset, who: Account, route: Route, root: HTMLElement, scope: Scope, load: () => Promise<void>) {
  const change = () => editLabels({name: dataset.name, labels: dataset.labels}, async ({labels}, paths) => {
    await call(
        "DatasetService/UpdateDataset",
        {dataset: {name: dataset.name, etag: dataset.etag, labels}, update_mask: {paths}});
    await load();
  });
  replace(
      root,
      h("div", {class: "head"}, h("h1", {}, name(idOf(dataset.name))), h("span", {class: "push"}),
        h("span", {class: "actions"}, h("a", {class: "button", href: "#/datasets"}, "All datasets"),
          shareLink(dataset.name, who),
          mayChange(who, dataset.owner) ?
              [
                button("Change", () => void change(), {title: "Labels"}),
                button("Delete", () => void remove(dataset), {class: "danger"})
              ] :
              null)),
      facts(dataset), dataset.labels.size ? h("div", {class: "chips"}, labelChips(dataset.labels)) : null,
      ...warnings(dataset),
      isImage(dataset) ? sheets(dataset, scope, route) :
                         h("p", {class: "hint"}, "Pictures are shown of images with one or three channels."),
      description(dataset, scope));
}

function facts(dataset: Dataset): HTMLElement {
  return h(
      "div", {class: "figures"}, figureOf("an example", shape(dataset.example_shape)),
      figureOf(dataset.num_classes ? "classes" : "targets", count(dataset.num_classes || dataset.target_width)),
      dataset.splits.map((split) => figureOf(split.name, count(split.num_examples))),
      figureOf("on disk", bytes(dataset.size_bytes)),
      figureOf("imported", h("time", {title: dateTime(dataset.create_time!)}, ago(dataset.create_time))),
      dataset.owner ? figureOf("owner", name(dataset.owner), sharingText(dataset.sharing)) : null);
}

function warnings(dataset: Dataset): (HTMLElement|null)[] {
  return [
    dataset.notes.length ?
        h("details", {class: "box warn"}, h("summary", {}, `${dataset.notes.length} notes of the import`),
          h("ul", {}, dataset.notes.map((note) => h("li", {}, note)))) :
        null,
    dataset.num_skipped_files ?
        h("details", {class: "box warn"}, h("summary", {}, `${count(dataset.num_skipped_files)} files were left out`),
          table(
              ["split", "file", "why"],
              dataset.skipped_files.slice(0, 200).map((file) => [file.split, name(file.file), file.reason]),
              "Files left out")) :
        null,
  ];
}

async function remove(dataset: Dataset) {
  const yes = await ask(
      `Delete ${idOf(dataset.name)}?`,
      h("p", {}, `Its ${bytes(dataset.size_bytes)} are gone then. A dataset that jobs still need stays.`), "Delete it",
      true);
  if (yes)
    await attempt(async () => {
      await call("DatasetService/DeleteDataset", {name: dataset.name, etag: dataset.etag});
      go("#/datasets");
    }, "Deleted");
}

const examples = `augmentation { horizontal_flip {} }
augmentation { pad_and_crop { padding: 3 } }
augmentation { rotate { max_degrees: 15 } }
augmentation { cutout { size: 8 } }
`;

/** The contact sheet, and beside it a list of augmentations that can be changed. */
function sheets(dataset: Dataset, scope: Scope, route: Route): HTMLElement {
  let split = route.params.get("split") ?? dataset.splits[0]?.name ?? "train",
      seed = Number(route.params.get("seed") ?? 1);
  const explained = h("p", {class: "hint"}, "One example in a row: as it is, then as the network would see it.");
  const canvas = h("canvas", {class: "sheet", role: "img", "aria-label": "Contact sheet"}),
        told = h("div", {role: "status"});
  const source = h(
      "textarea", {class: "code", rows: 6, spellcheck: "false", "aria-label": "Augmentation", oninput: () => later()});
  source.value = route.params.get("augmentation") ?? "";
  let asked: Scope|undefined;

  async function draw() {
    asked?.close();
    const mine = asked = scope.child(), parsed = parseText(source.value, "traind.v1.DataSpec");
    if (parsed.problems.length) {
      replace(told, h("ul", {class: "faults"}, parsed.problems.slice(0, 5).map((one) => h("li", {}, one.message))));
      return;
    }
    const augmentation = (parsed.fields.augmentation ?? []) as unknown as Augmentation[];
    try {
      const request = {name: dataset.name, split, seed: BigInt(seed), augmentation};
      explained.hidden = !augmentation.length;
      if (!augmentation.length) {
        const cells = await originals(
            request, Math.min(64, dataset.splits.find((one) => one.name === split)?.num_examples ?? 64), mine);
        if (!mine.closed) tile(canvas, cells);
        replace(told);
        return;
      }
      const picture = await call(
          "DatasetService/PreviewDataset", {...request, rows: 8, columns: window.innerWidth > 700 ? 14 : 7},
          {signal: mine.signal});
      const bitmap = await decodePng(picture.png);
      if (mine.closed) return;
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
      canvas.getContext("2d")!.drawImage(bitmap, 0, 0);
      canvas.setAttribute("aria-label", `Augmented examples of ${split}`);
      bitmap.close();
      replace(told);
    } catch (error) {
      if (!mine.closed) replace(told, errorBox(error));
    }
  }
  const later = debounce(300, () => {
    remember({augmentation: source.value});
    void draw();
  });
  void draw();
  return h(
      "section", {}, h("h2", {}, "Examples"),
      h("div", {class: "controls"},
        select(
            "Split", dataset.splits.map((one) => [one.name, one.name]), split,
            (value) => {
              split = value;
              remember({split});
              void draw();
            }),
        slider(
            "Seed", 1, 50, 1, seed, String,
            (value) => {
              seed = value;
              remember({seed});
              later();
            }),
        button(
            "Try augmentations",
            () => {
              source.value = examples;
              later();
            })),
      h("div", {class: "two sheet-and-text"}, h("div", {}, h("div", {class: "scroll"}, canvas)),
        h("div", {}, h("label", {class: "field"}, h("span", {}, "Augmentation, as in a job file"), source), told,
          explained)));
}

/** Puts pictures of one size beside and below each other. */
function tile(canvas: HTMLCanvasElement, cells: HTMLCanvasElement[]) {
  const columns = window.innerWidth > 700 ? 16 : 8, [width, height] = [cells[0].width + 4, cells[0].height + 4];
  canvas.width = columns * width;
  canvas.height = Math.ceil(cells.length / columns) * height;
  cells.forEach(
      (cell, i) =>
          canvas.getContext("2d")!.drawImage(cell, (i % columns) * width + 2, Math.floor(i / columns) * height + 2));
  canvas.setAttribute("aria-label", `${cells.length} examples`);
}

function description(dataset: Dataset, scope: Scope): HTMLElement {
  const body = h("div");
  const count_ = button("Count and measure", () => void describe(), {class: "primary"});
  async function describe() {
    count_.disabled = true;
    replace(body, loading("Reading the whole dataset…"));
    try {
      const operation = await call("DatasetService/DescribeDataset", {name: dataset.name}, {signal: scope.signal});
      const done = await finish(operation, "traind.v1.DatasetDescription", scope.signal, ({progress}) => {
        if (progress?.total)
          replace(body, loading(`Reading the whole dataset: ${percent(progress.done / progress.total, 0)}`));
      });
      show(done);
    } catch (error) {
      if (!scope.closed) replace(body, errorBox(error));
    } finally {
      count_.disabled = false;
    }
  }
  function show(what: DatasetDescription) {
    const bars = what.splits.filter((split) => split.class_counts.length).map((split) => {
      const chart = new Bars(`Classes of ${split.name}`, scope, 200);
      chart.show(split.class_counts.map((value, i) => ({label: dataset.class_names[i] || String(i), value})));
      return chart.node;
    });
    replace(
        body, what.warnings.map((warning) => h("div", {class: "box warn"}, warning)),
        table(
            ["split", "#examples", "#mean", "#std", "#min", "#max", "#duplicates", "#also in the first"],
            what.splits.map(
                (split) =>
                    [name(split.name), count(split.num_examples), split.mean.slice(0, 4).map(num).join(", "),
                     split.std.slice(0, 4).map(num).join(", "), num(split.min), num(split.max), count(split.duplicates),
                     count(split.shared_with_first)]),
            "Splits"),
        h("div", {class: "two"}, bars));
  }
  return h("section", {}, h("h2", {}, "Numbers"), h("div", {class: "controls"}, count_), body);
}

/** A model that somebody brought: its tensors, and what can be done with it. */
import {Model} from "messages";
import {Account, account, mayChange} from "web/app/account";
import {ask, attempt, errorBox} from "web/app/notice";
import {go, Route} from "web/app/route";
import {Scope} from "web/app/scope";
import {button, h, name, replace} from "web/dom";
import {ago, bytes, count, dateTime, idOf, plural, shape} from "web/format";
import {call} from "web/rpc/call";
import {editLabels, field} from "web/views/labels";
import {figureOf, labelChips, loading, table} from "web/views/parts";
import {shareLink, sharingText} from "web/views/sharing";
import {downloadOnnx, downloadWeights, largestDownload} from "web/views/weights";

const mostTensors = 1000;

export function modelView(route: Route, root: HTMLElement, scope: Scope) {
  const id = route.path[1];
  document.title = `${id} · traind`;
  replace(root, loading());
  const load = () =>
      Promise.all([call("ModelService/GetModel", {name: `models/${id}`}, {signal: scope.signal}), account()])
          .then(([model, who]) => {
            if (!scope.closed) show(root, model, who, scope, load);
          });
  load().catch((error: unknown) => {
    if (!scope.closed)
      replace(root, h("h1", {}, name(id)), errorBox(error), h("p", {}, h("a", {href: "#/models"}, "All models")));
  });
}

function show(root: HTMLElement, model: Model, who: Account, scope: Scope, load: () => Promise<void>) {
  const id = idOf(model.name), size = (one: {shape: number[]}) => one.shape.reduce((product, n) => product * n, 1);
  const change = () => editLabels(model, async (next, paths) => {
    await call(
        "ModelService/UpdateModel", {model: {name: model.name, etag: model.etag, ...next}, update_mask: {paths}});
    await load();
  });
  replace(
      root,
      h("div", {class: "head"}, h("h1", {}, name(id)), h("span", {class: "push"}),
        h("span", {class: "actions"},
          button(
              "Weights", () => void attempt(() => downloadWeights(model.name, id, scope)),
              {title: "A safetensors file"}),
          button("ONNX", () => void onnx(model, scope), {title: "The whole network, for other programs"}),
          shareLink(model.name, who),
          mayChange(who, model.owner) ?
              [
                button("Change", () => void change(), {title: "Labels, and whether it is kept"}),
                button("Delete", () => void remove(model), {class: "danger"})
              ] :
              null)),
      h("div", {class: "figures"},
        figureOf("parameters", count(model.tensors.reduce((sum, one) => sum + size(one), 0))),
        figureOf("tensors", count(model.tensors.length)), figureOf("on disk", bytes(model.size_bytes)),
        figureOf("brought", h("time", {title: dateTime(model.create_time!)}, ago(model.create_time))),
        model.owner ? figureOf("owner", name(model.owner), sharingText(model.sharing)) : null,
        model.pinned ? figureOf("kept", "from retention") : null),
      model.labels.size ? h("div", {class: "chips"}, labelChips(model.labels)) : null,
      h("p", {class: "hint"}, "A job begins with these weights by ",
        h("code", {}, `initial_weights { model: "${model.name}" }`), "."),
      table(
          ["tensor", "shape", "type", "#numbers"],
          model.tensors.slice(0, mostTensors)
              .map((one) => [name(one.name), shape(one.shape), one.dtype, count(size(one))]),
          "Tensors"),
      model.tensors.length > mostTensors ?
          h("p", {class: "hint"}, `The first ${mostTensors} of ${plural(model.tensors.length, "tensor")}.`) :
          null,
      h("p", {class: "hint"},
        `More than ${bytes(largestDownload)}: trainctl model download ${id} -o weights.safetensors`));
}

/** A file of weights does not say which network they are of: a job does. */
async function onnx(model: Model, scope: Scope) {
  const job = h("input", {required: true, spellcheck: "false", placeholder: "my-job"});
  if (!await ask(
          `${idOf(model.name)} as ONNX`,
          field("Job", job, "Its network and preprocessing go with the weights; the tensors have to be its own."),
          "Download"))
    return;
  await attempt(
      () => downloadOnnx({model: model.name, job: `jobs/${idOf(job.value.trim())}`}, idOf(model.name), scope));
}

async function remove(model: Model) {
  const yes = await ask(
      `Delete ${idOf(model.name)}?`,
      h("p", {}, `Its ${bytes(model.size_bytes)} are gone then. Jobs that began with it keep a copy.`), "Delete it",
      true);
  if (yes)
    await attempt(async () => {
      await call("ModelService/DeleteModel", {name: model.name, etag: model.etag});
      go("#/models");
    }, "Deleted");
}

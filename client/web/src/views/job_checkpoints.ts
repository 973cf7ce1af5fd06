/** Checkpoints of a job: what they are worth, and what can be done with them. */
import {Checkpoint} from "messages";
import {account, Account, mayChange, mayMake} from "web/app/account";
import {JobFeed} from "web/app/feed";
import {ask, attempt, errorBox} from "web/app/notice";
import {address} from "web/app/route";
import {Scope} from "web/app/scope";
import {button, h, replace} from "web/dom";
import {bytes, count, dateTime, idOf, num, percent} from "web/format";
import {call} from "web/rpc/call";
import {loading, table} from "web/views/parts";
import {downloadOnnx, downloadWeights, largestDownload} from "web/views/weights";

export function checkpointsTab(feed: JobFeed, root: HTMLElement, scope: Scope) {
  const body = h("div");
  replace(root, body);
  replace(body, loading());

  async function load() {
    const [{checkpoints}, who] = await Promise.all([
      call(
          "ModelService/ListCheckpoints", {parent: feed.name, order_by: "step desc", page_size: 500},
          {signal: scope.signal}),
      account()
    ]);
    if (!checkpoints.length) {
      replace(body, h("p", {class: "empty"}, "There is no checkpoint yet."));
      return;
    }
    // What the best one is the best by, where that has no column of its own.
    const metric = ["", "loss", "accuracy"].includes(checkpoints[0].best_metric) ? [] : [checkpoints[0].best_metric];
    replace(
        body,
        table(
            ["#step", "saved", "#size", "#evaluation loss", "#accuracy", ...metric.map((one) => `#${one}`), "", ""],
            checkpoints.map(
                (one) =>
                    [count(one.step), dateTime(one.create_time!), bytes(one.size_bytes), num(one.evaluation_loss),
                     percent(one.evaluation_accuracy), ...metric.map(() => num(one.best_metric_value)),
                     one.best ? h("span", {class: "chip good"}, "best") : null, actions(one, who)]),
            "Checkpoints"),
        h("p", {class: "hint"},
          `Weights of more than ${bytes(largestDownload)}: trainctl model download ${
              idOf(feed.name)} -o weights.safetensors`));
  }
  function actions(one: Checkpoint, who: Account) {
    const file = `${idOf(feed.name)}-${one.step}`;
    return h(
        "span", {class: "actions"},
        mayMake(who) ?
            h("a", {class: "button quiet", href: address(["new"], {fork: idOf(feed.name), step: one.step})}, "Fork") :
            null,
        button(
            "Weights", () => void attempt(() => downloadWeights(one.name, file, scope)),
            {class: "quiet", title: "A safetensors file"}),
        button(
            "ONNX", () => void attempt(() => downloadOnnx({model: one.name}, file, scope)),
            {class: "quiet", title: "The whole network, for other programs"}),
        mayChange(who, feed.job?.owner ?? "") ? button("Delete", () => void remove(one), {class: "quiet danger"}) :
                                                null);
  }
  async function remove(one: Checkpoint) {
    if (!await ask(
            `Delete the checkpoint of step ${count(one.step)}?`, h("p", {}, "Its weights are gone then."), "Delete it",
            true))
      return;
    await attempt(async () => {
      await call("ModelService/DeleteCheckpoint", {name: one.name, etag: one.etag});
      await load();
    }, "Deleted");
  }
  const failed = (error: unknown) => {
    if (!scope.closed) replace(body, errorBox(error));
  };
  load().catch(failed);
  feed.listen((change) => {
    if (change === "events") load().catch(failed);
  }, scope);
}

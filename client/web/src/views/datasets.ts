/** Datasets: what there is. */
import {Dataset} from "messages";
import {errorBox} from "web/app/notice";
import {address, Route} from "web/app/route";
import {Scope} from "web/app/scope";
import {button, h, name, replace} from "web/dom";
import {ago, bytes, count, idOf, shape} from "web/format";
import {call} from "web/rpc/call";
import {labelChips, loading} from "web/views/parts";

export function datasetsView(_route: Route, root: HTMLElement, scope: Scope) {
  const body = h("div"), told = h("div");
  replace(root, h("div", {class: "head"}, h("h1", {}, "Datasets")), told, body);
  let token = "", first = true;
  const load = () =>
      call("DatasetService/ListDatasets", {page_size: 50, page_token: token, order_by: "name"}, {signal: scope.signal})
          .then(
              (answer) => {
                if (first && !answer.datasets.length) {
                  replace(
                      body,
                      h("p", {class: "empty"}, "There is no dataset yet: ", h("code", {}, "trainctl dataset upload"),
                        " brings one in."));
                  return;
                }
                if (first) replace(body);
                first = false;
                body.querySelector(".pager")?.remove();
                body.append(h("div", {class: "cards"}, answer.datasets.map(card)));
                if (answer.unreachable.length)
                  told.append(
                      h("div", {class: "box warn"},
                        `These cannot be read, and can only be deleted: ${answer.unreachable.join(", ")}`));
                token = answer.next_page_token;
                if (token) body.append(h("div", {class: "pager"}, button("More", () => void load())));
              },
              (error: unknown) => {
                if (!scope.closed) replace(told, errorBox(error));
              });
  replace(body, loading());
  void load();
}

function card(dataset: Dataset): HTMLElement {
  return h(
      "a", {class: "card", href: address(["datasets", idOf(dataset.name)])}, h("h2", {}, name(idOf(dataset.name))),
      h("p", {},
        `${shape(dataset.example_shape)} ${dataset.element_type === "ELEMENT_TYPE_UINT8" ? "bytes" : "numbers"}, ${
            dataset.num_classes ? `${count(dataset.num_classes)} classes` : `${count(dataset.target_width)} targets`}`),
      h("p", {class: "quiet"},
        dataset.splits.map((split) => `${split.name}: ${count(split.num_examples)}`).join(" · ")),
      h("p", {class: "quiet"},
        [
          `${bytes(dataset.size_bytes)}, ${ago(dataset.create_time)}`,
          dataset.owner ? [", ", name(dataset.owner)] : null
        ]),
      dataset.labels.size ? h("div", {class: "chips"}, labelChips(dataset.labels)) : null);
}

/** The network as boxes and lines: each layer with its shape, parameters and FLOPs. Real SVG, so that every layer is a
 *  link for the keyboard and a screen reader. */
import {LayerDescription} from "messages";
import {download} from "web/charts/chart";
import {color} from "web/charts/colors";
import {csvRow} from "web/charts/curve";
import {around, layout} from "web/charts/layout";
import {SvgPainter, textScale} from "web/charts/painter";
import {button, h, s} from "web/dom";
import {big, shape} from "web/format";

const boxWidth = 256, boxHeight = 44, gapX = 22, gapY = 26, most = 300;

interface Drawn {
  layer: LayerDescription;
  x: number;
  y: number
}

function place(layers: LayerDescription[]): {boxes: Drawn[]; width: number; height: number} {
  const places = layout(layers), rows = [...new Set([...places.values()].map((p) => p.row))].sort((a, b) => a - b);
  const row = new Map(rows.map((value, i) => [value, i]));
  const boxes = layers.map((layer) => {
    const at = places.get(layer.name)!;
    return {layer, x: 8 + at.lane * (boxWidth + gapX), y: 8 + (row.get(at.row)! - 1) * (boxHeight + gapY)};
  });
  return {
    boxes,
    width: Math.max(...boxes.map((b) => b.x), 0) + boxWidth + 8,
    height: Math.max(...boxes.map((b) => b.y), 0) + boxHeight + 8
  };
}

const kindText = (layer: LayerDescription) =>
    layer.kind === layer.activation ? layer.kind : [layer.kind, layer.activation].filter(Boolean).join(" + ");
const sizeText =
    (layer: LayerDescription) => [shape(layer.output_shape),
                                  layer.num_parameters ? `${big(layer.num_parameters)} par.` : "",
                                  layer.forward_flops ? `${big(layer.forward_flops)}FLOP`.replace(/(\d)F/, "$1 F") : ""]
                                     .filter(Boolean)
                                     .join(" · ");

function edgePath(from: Drawn|undefined, to: Drawn): string {
  const x2 = to.x + boxWidth / 2, y2 = to.y, x1 = from ? from.x + boxWidth / 2 : x2,
        y1 = from ? from.y + boxHeight : y2 - gapY + 6, bend = Math.max(12, (y2 - y1) / 2);
  return `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`;
}

const cut = (text: string, room: number) => text.length > room ? `${text.slice(0, room - 1)}…` : text;

/** `href` gives a layer's address. With a chosen layer of a large network, what is near it. */
export function graph(
    title: string, all: LayerDescription[], chosen: string, href: (layer: string) => string): HTMLElement {
  const shown = chosen && all.length > 60 ? around(all, chosen, 4) : all.slice(0, most);
  const {boxes, width, height} = place(shown), byName = new Map(boxes.map((box) => [box.layer.name, box]));
  const picture = s("svg", {
    class: "graph",
    width: width * textScale(),
    height: (height + 16) * textScale(),
    viewBox: `0 -16 ${width} ${height + 16}`,
    role: "group",
    "aria-label": title
  });
  for (const box of boxes)
    for (const input of box.layer.inputs) {
      picture.append(s("path", {class: "edge", d: edgePath(byName.get(input), box)}));
    }
  for (const {layer, x, y} of boxes) {
    picture.append(
        s("a", {
          href: href(layer.name),
          class: layer.name === chosen ? "chosen" : undefined,
          "aria-label": `${layer.name}: ${kindText(layer)}, ${sizeText(layer)}`
        },
          s("rect", {x, y, width: boxWidth, height: boxHeight, rx: 8}),
          s("text", {class: "first", x: x + 10, y: y + 18}, cut(layer.name, 18)),
          s("text", {class: "kind", x: x + boxWidth - 10, y: y + 18, "text-anchor": "end"},
            cut(kindText(layer), 34 - Math.min(18, layer.name.length) - 1)),
          s("text", {class: "size", x: x + 10, y: y + 34}, cut(sizeText(layer), 40))));
  }
  return h(
      "figure", {class: "chart"},
      h("figcaption", {}, h("span", {class: "title"}, title),
        h("span", {class: "readout"},
          shown.length < all.length ?
              `${shown.length} of ${all.length} layers, those ${chosen ? `near ${chosen}` : "that come first"}` :
                                                                         `${all.length} layers`),
        h("span", {class: "tools"},
          button(
              "SVG", () => download("network.svg", "image/svg+xml", graphSvg(title, boxes, width, height)),
              {"aria-label": "Network as SVG"}),
          button("CSV", () => download("network.csv", "text/csv", graphCsv(all)), {"aria-label": "Network as CSV"}))),
      h("div", {class: "scroll graph-box", tabindex: 0}, picture));
}

function graphSvg(title: string, boxes: Drawn[], width: number, height: number): string {
  const painter = new SvgPainter(width, height, title, color("--paper")),
        byName = new Map(boxes.map((box) => [box.layer.name, box]));
  for (const box of boxes)
    for (const input of box.layer.inputs) {
      const from = byName.get(input);
      if (from)
        painter.line([from.x + boxWidth / 2, from.y + boxHeight, box.x + boxWidth / 2, box.y], color("--edge"), 1.5);
    }
  for (const {layer, x, y} of boxes) {
    painter.rect(x, y, boxWidth, boxHeight, color("--panel"));
    painter.line([x, y, x + boxWidth, y, x + boxWidth, y + boxHeight, x, y + boxHeight, x, y], color("--edge"), 1);
    painter.text(x + 10, y + 15, cut(layer.name, 18), {color: color("--ink"), bold: true});
    painter.text(
        x + boxWidth - 10, y + 15, cut(kindText(layer), 33 - Math.min(18, layer.name.length)),
        {color: color("--muted"), anchor: "end"});
    painter.text(x + 10, y + 31, cut(sizeText(layer), 40), {color: color("--muted"), size: 10});
  }
  return painter.finish();
}

function graphCsv(layers: LayerDescription[]): string {
  return csvRow(["layer", "kind", "activation", "inputs", "shape", "parameters", "forward_flops"]) +
      layers
          .map((layer) => csvRow([
                 layer.name, layer.kind, layer.activation, layer.inputs.join(" "), shape(layer.output_shape),
                 layer.num_parameters, layer.forward_flops
               ]))
          .join("");
}

// What charts compute before they draw.
import {Finding} from "messages";
import assert from "node:assert";
import test from "node:test";
import {address, parseRoute} from "web/app/route";
import {Axis} from "web/charts/axis";
import {csvOf, csvRow, Curve, extend, extent, lowerBound, nearest, smooth} from "web/charts/curve";
import {difference, heatGrid, shareOf} from "web/charts/heat";
import {around, layout} from "web/charts/layout";
import {findingText, layerOf, marksOf, severityOf} from "web/charts/marks";
import {escapeXml} from "web/charts/painter";
import {linearTicks, padded, scaleOf} from "web/charts/scale";
import {bytes, duration, milliseconds, num} from "web/format";

const curve = (steps: number[], values: number[], bucket_steps = 1): Curve =>
    ({steps, values, bucket_steps, total: steps.length});

test("Finding in a curve", () => {
  const c = curve([0, 10, 20], [1, 2, 3]);
  assert.equal(lowerBound(c.steps, 11), 2);
  assert.deepEqual([-5, 4, 6, 15, 99].map((step) => nearest(c, step)), [0, 0, 1, 1, 2]);
  assert.equal(nearest(curve([], []), 1), -1);
  assert.deepEqual(extent(curve([0, 1, 2, 3], [NaN, -1, Infinity, 5]), 0, 3), [-1, 5]);
  assert.deepEqual(extent(curve([0, 1, 2], [-1, 0.5, 5]), 0, 3, true), [0.5, 5]);
});

test("A smoothed line has no pull of its beginning, and leaves the curve alone", () => {
  const flat = curve([0, 1, 2, 3, 4], [7, 7, 7, 7, 7]);
  smooth(flat, 10).values.forEach((value) => assert.ok(Math.abs(value - 7) < 1e-12));
  const spike = curve([0, 1, 2], [1, 100, 1]);
  assert.ok(Math.max(...smooth(spike, 5).values) < 100);
  assert.equal(extent(spike, 0, 9)[1], 100);
  assert.deepEqual(smooth(curve([0, 1, 2], [1, NaN, 1]), 1).steps, [0, 2]);
});

test("Of a bucket the smoothed line has one point, in the middle of its extremes", () => {
  assert.deepEqual(
      smooth(curve([0, 3, 4, 7], [0, 2, 4, 6], 4), 1e-9), {steps: [3, 7], values: [1, 5], bucket_steps: 4, total: 4});
});

test("Only what is new extends a curve", () => {
  const c = curve([5], [1]);
  extend(c, 5, 9);
  extend(c, 6, 2);
  assert.deepEqual([c.steps, c.values, c.total], [[5, 6], [1, 2], 2]);
});

test("CSV joins steps, quotes, and writes no formulas", () => {
  assert.equal(
      csvOf([{label: "a", curve: curve([1, 2], [0.5, 0.25])}, {label: "b,c", curve: curve([2, 3], [7, NaN])}]),
      'step,a,"b,c"\n1,0.5,\n2,0.25,7\n3,,NaN\n');
  assert.equal(csvRow(["=1+1", '"', -1]), `'=1+1,"""",-1\n`);
});

test("A heat grid keeps what is farthest from zero, carries on, and shows NaN", () => {
  const grid = heatGrid([curve([0, 1, 50, 99], [1, -3, 2, NaN])], 0, 100, 4, false);
  assert.deepEqual([...grid.values], [-3, -3, 2, NaN]);
  assert.deepEqual([...grid.empty], [0, 0, 0, 0]);
  assert.deepEqual([grid.low, grid.high], [-3, 2]);
  assert.equal(heatGrid([curve([50], [1])], 0, 100, 4, false).empty[0], 1);
  const big = heatGrid(Array.from({length: 1000}, () => curve([0, 10], [1, 2])), 0, 10, 300, true);
  assert.equal(big.values.length, 300000);
});

test("Shares of colours, and differences", () => {
  assert.equal(shareOf(0, {low: -2, high: 1, log: false, divided: true}), 0.5);
  assert.ok(Math.abs(shareOf(10, {low: 1, high: 100, log: true, divided: false}) - 0.5) < 1e-12);
  assert.equal(shareOf(0, {low: 1, high: 100, log: true, divided: false}), 0);
  const [a, b] = [heatGrid([curve([0], [2])], 0, 1, 1, true), heatGrid([curve([0], [8])], 0, 1, 1, true)];
  assert.equal(difference(a, b, true).values[0], 2);
  assert.equal(difference(a, b, false).values[0], 6);
});

test("Scales and their marks", () => {
  assert.deepEqual(linearTicks(0, 1, 5), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.equal(scaleOf(0, 10, 100, 200).at(5), 150);
  assert.ok(Math.abs(scaleOf(1, 100, 0, 2, true).back(1) - 10) < 1e-9);
  assert.deepEqual(scaleOf(1e-6, 1, 0, 1, true, 4).ticks.length > 2, true);
  assert.deepEqual(padded(Infinity, -Infinity, false), [0, 1]);
  assert.ok(padded(3, 3, false)[0] < 3);
});

test("Zoom stays inside, and a zoom to everything is none", () => {
  const axis = new Axis();
  axis.grow(100);
  axis.zoom([90, 300]);
  assert.deepEqual(axis.shown, [90, 100]);
  axis.pan(-1);
  assert.deepEqual(axis.shown, [80, 90]);
  axis.zoom([-5, 500]);
  assert.equal(axis.zoomed, undefined);
});

test("A graph has a row for each distance from the input, and no two layers in one place", () => {
  const layers = [
    {name: "a", inputs: ["input"]}, {name: "b", inputs: ["a"]}, {name: "c", inputs: ["a"]},
    {name: "sum", inputs: ["b", "c", "a"]}
  ];
  const places = layout(layers);
  assert.deepEqual(layers.map(({name}) => places.get(name)!.row), [1, 2, 2, 3]);
  assert.equal(new Set([...places.values()].map(({row, lane}) => `${row}/${lane}`)).size, 5);
  assert.deepEqual(around(layers, "b", 1).map(({name}) => name), ["a", "b", "sum"]);
});

test("Markup stays text in an SVG file", () => {
  assert.equal(escapeXml('<script>"&\u0000'), "&lt;script&gt;&quot;&amp;");
});

test("Addresses", () => {
  assert.equal(address(["jobs", "a/b"], {tab: "layers", layer: ""}), "#/jobs/a%2Fb?tab=layers");
  const route = parseRoute("#/jobs/a%2Fb?tab=layers");
  assert.deepEqual(route.path, ["jobs", "a/b"]);
  assert.equal(route.params.get("tab"), "layers");
  assert.deepEqual(parseRoute("#/%E0%A4%A").path, ["%E0%A4%A"]);
});

test("Numbers for people", () => {
  assert.equal(num(0.00001), "1e−5");
  assert.equal(num(12345678), "1.23e7");
  assert.equal(num(-0.5), "−0.5");
  assert.equal(num(NaN), "NaN");
  assert.equal(bytes(778800), "779 kB");
  assert.equal(duration(158), "2 min 38 s");
  assert.equal(milliseconds(0.04351), "0.0435 ms");
  assert.equal(milliseconds(999), "999 ms");
  assert.equal(milliseconds(1224), "1.22 s");
});

const finding = (id: string, changes: Partial<Finding> = {}): Finding => ({
  id,
  rule: id.split("/")[0],
  severity: "SEVERITY_WARNING",
  state: "STATE_OPEN",
  first_step: 40,
  last_step: 90,
  cause: "<b>dead</b>",
  slide: 26,
  root: "",
  warned: false,
  ...changes
});

test("A finding is marked at its layer, where it was first seen", () => {
  const marks = marksOf(
      [
        finding("dead_relu/b", {layer: "b", severity: "SEVERITY_CRITICAL"}), finding("saturation/a", {layer: "a"}),
        finding("non_finite/a.weight", {tensor: "a.weight", first_step: 100}), finding("loss_diverging"),
        finding("overfitting", {split: "test"}), finding("dead_relu/gone", {layer: "gone"}),
        finding("dead_relu/a", {layer: "a", first_step: 7})
      ],
      ["a", "b"], 20, 100);
  assert.deepEqual(marks.map(({id, row, share, severity}) => [id, row, share, severity]), [
    ["saturation/a", 0, 0.25, "warning"], ["non_finite/a.weight", 0, 1, "warning"], ["dead_relu/b", 1, 0.25, "critical"]
  ]);
  assert.equal(marks[2].text, "CRITICAL dead_relu/b since step 40: <b>dead</b>");
});

test("Two findings of one place are both to be seen, and what is over is grey", () => {
  const [a, b] =
      marksOf([finding("x/a", {layer: "a"}), finding("y/a", {layer: "a", state: "STATE_RESOLVED"})], ["a"], 0, 100);
  assert.deepEqual([a.id, a.severity, b.id], ["y/a", "resolved", "x/a"]);
  assert.ok(a.share > b.share);
  assert.equal(severityOf(finding("x", {severity: "SEVERITY_INFO"})), "info");
  assert.equal(layerOf(finding("x", {tensor: "blocks.1.conv.weight"})), "blocks.1.conv");
  assert.match(findingText(finding("x", {first_step: 0})), /before the first step/);
});

// Job files: read, written, completed, compared.
import assert from "node:assert";
import test from "node:test";
import {decode, encode} from "web/rpc/wire";
import {complete, contextAt, cursorIn} from "web/text/complete";
import {defaultOf, isDefault} from "web/text/defaults";
import {differences, flatten, origins, pathsOf} from "web/text/differences";
import {parseText} from "web/text/parse";
import {placeOf} from "web/text/places";
import {printText, quote} from "web/text/print";

const spec = "traind.v1.JobSpec";
const parse = (source: string) => parseText(source, spec);
const faults = (source: string) => parse(source).problems.map((one) => one.message);

const job = `# A comment
display_name: "a \\"b\\" \\303\\244"
network {
  input_shape: [1, 28, 28]
  layers { name: "conv" conv2d { out_channels: 8 kernel: 3 padding { mode: SAME } bias: false } activation < relu {} > }
  layers: { name: 'out' dense { units: 10, weight_init { normal { std: 1e-2 } } } };
}
data { dataset: "d" preprocessing { scale {} } }
seed: 18446744073709551615
labels { key: "team" value: "vision" }
priority: -3
`;

test("A job file is read", () => {
  const {fields, problems} = parse(job);
  assert.deepEqual(problems, []);
  const read = decode(spec, encode(spec, fields as never));
  assert.equal(read.display_name, 'a "b" ä');
  assert.equal(read.network!.layers[0].conv2d!.padding!.mode, "MODE_SAME");
  assert.deepEqual(read.network!.input_shape, [1, 28, 28]);
  assert.equal(read.network!.layers[1].dense!.weight_init!.normal!.std, 0.01);
  assert.equal(read.seed, 18446744073709551615n);
  assert.equal(read.priority, -3);
  assert.equal(read.labels.get("team"), "vision");
});

test("What is written reads as the same", () => {
  const first = encode(spec, parse(job).fields as never), text = printText(decode(spec, first), spec);
  assert.deepEqual(faults(text), []);
  assert.deepEqual(encode(spec, parse(text).fields as never), first);
});

test("All that is wrong is told at once, with its place", () => {
  const source =
      'epochs: many\nnetwerk { }\nnetwork { layers { nam: "x" } }\nprecision: BF17\nseed: -1\nbatch_size: 1.5';
  const {problems} = parse(source);
  assert.equal(problems.length, 6);
  assert.equal(source.slice(problems[1].at, problems[1].end), "netwerk");
  assert.ok(/did you mean network/.test(problems[1].message));
  assert.ok(/did you mean name/.test(problems[2].message));
  assert.ok(/F32, BF16.*did you mean BF16/.test(problems[3].message));
});

test("Braces, quotes and rivals", () => {
  assert.ok(/never closed/.test(faults("network {")[0]));
  assert.ok(/closes nothing/.test(faults("}")[0]));
  assert.ok(/closing quote/.test(faults('display_name: "x')[0]));
  assert.ok(/one or the other/.test(faults("epochs: 1 steps: 2")[0]));
  assert.ok(/twice/.test(faults("seed: 1 seed: 2")[0]));
  assert.ok(/too deep/.test(faults(
                                "network { layers { " +
                                "block { residual { layers { ".repeat(40))
                                .join()));
});

test("Every cut of a job file ends, and tells something or nothing", () => {
  for (let i = 0; i <= job.length; i++) parse(job.slice(0, i) + "}{]:<");
});

test("A violation finds its place, or that of what is around it", () => {
  const {places} = parse(job), text = (field: string) => {
    const p = placeOf(field, places);
    return p && job.slice(p.at, p.end);
  };
  assert.equal(text("spec.network.layers[1].dense.units"), "units: 10");
  assert.ok(text("network.layers[0].conv2d.dilation")!.startsWith("conv2d {"));
  assert.equal(text("spec.loss"), undefined);
});

test("Names cannot turn the direction of what follows", () => {
  assert.equal(quote("a\u202eb"), '"a\\u202eb"');
  assert.deepEqual(parse(`display_name: ${quote("a\u202eb\n<script>")}`).fields.display_name, "a\u202eb\n<script>");
});

test("Completion knows the message around the cursor", () => {
  const source = 'network { layers { name: "x" dense { uni', at = source.length;
  assert.equal(contextAt(source, at, spec).type?.name, "traind.v1.Dense");
  const found = complete(source, at, spec, () => []);
  assert.deepEqual(found?.choices.map((one) => one.label), ["units"]);
  assert.deepEqual(complete("precision: B", 12, spec, () => [])?.choices.map((one) => one.label), ["BF16"]);
  assert.deepEqual(
      complete("data { dataset: ", 16, spec, (field) => (field === "dataset" ? ["d"] : []))
          ?.choices.map((one) => one.label),
      ['"d"']);
  assert.equal(contextAt("network { } ep", 14, spec).type?.name, spec);
  assert.equal(cursorIn("relu {  }"), 7);
});

test("Configurations side by side", () => {
  const flat = [job, job.replace("units: 10", "units: 12").replace(/ {2}layers \{ name: "conv".*\n/, "")].map(
      (source) => flatten(parse(source).fields, spec));
  assert.deepEqual(
      differences(flat).map((row) => row.path), ["network.layers[conv]", "network.layers[out].dense.units"]);
  assert.ok(pathsOf(parse(job).fields, spec).has("network.layers[0].conv2d.kernel"));
});

test("A default is what a field's comment says of it", () => {
  assert.equal(defaultOf("At least 0. Default 0.9."), "0.9");
  assert.equal(defaultOf("Default: the kernel."), "the kernel");
  assert.equal(defaultOf("Default 40; ranges of a step."), "40");
  assert.equal(defaultOf("Required."), "");
  assert.ok(isDefault("0.00001", "1e-5"));
  assert.ok(isDefault('"train"', '"train"'));
  assert.ok(isDefault("VALID", "valid"));
  assert.ok(!isDefault("0.9", ""));
  assert.ok(!isDefault("0", "none"));
});

test("Every path knows its field", () => {
  const {fields} = parse('network { layers { name: "fc" dense { units: 3 } } } labels { key: "a" value: "b" }');
  const found = origins(fields, spec);
  assert.deepEqual([...found.keys()], [...flatten(fields, spec).keys()]);
  assert.deepEqual(
      [found.get("network.layers[fc].dense.units")?.message, found.get("labels.a")?.field.name],
      ["traind.v1.Dense", "labels"]);
});

// The wire format against bytes that protobuf's own documentation and protoc give.
import assert from "node:assert";
import test from "node:test";
import {errorOf, Frames} from "web/rpc/call";
import {decode, encode} from "web/rpc/wire";

const hex = (bytes: Uint8Array) => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
const unhex = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

test("A varint of two bytes and a text", () => {
  assert.equal(
      hex(encode("traind.v1.ListJobsRequest", {page_size: 150, filter: "testing"})),
      "089601" +
          "2207" +
          "74657374696e67");
});

test("A negative int64 takes ten bytes and comes back", () => {
  const bytes = encode("traind.v1.WatchJobRequest", {after_sequence: -2});
  assert.equal(
      hex(bytes),
      "10" +
          "feffffffffffffffff01");
  assert.equal(decode("traind.v1.WatchJobRequest", bytes).after_sequence, -2);
});

test("A seed keeps all of its 64 bits", () => {
  const bytes = encode("traind.v1.JobSpec", {seed: 0xffffffffffffffffn});
  assert.equal(decode("traind.v1.JobSpec", bytes).seed, 0xffffffffffffffffn);
});

test("Another number beyond 2^53 is refused, not rounded", () => {
  assert.throws(
      () => decode(
          "traind.v1.Event",
          unhex(
              "08" +
              "feffffffffffffff7f")),
      /sequence is beyond 2\^53/);
});

test("The largest int64 is no limit", () => {
  const quota = decode(
      "traind.v1.Quota",
      unhex(
          "18" +
          "ffffffffffffffff7f"));
  assert.equal(quota.threads, Infinity);
});

test("Repeated numbers are read packed and one by one", () => {
  assert.deepEqual(decode("traind.v1.Histogram", unhex("1a03010203")).counts, [1, 2, 3]);
  assert.deepEqual(decode("traind.v1.Histogram", unhex("180118021803")).counts, [1, 2, 3]);
});

test("Of a oneof the last one counts", () => {
  const spec = decode("traind.v1.JobSpec", unhex("40034805"));
  assert.equal(spec.epochs, undefined);
  assert.equal(spec.steps, 5);
});

test("Fields and enum values that are not known are passed over", () => {
  const job = decode(
      "traind.v1.Job",
      unhex(
          "0a016a" +
          "a2f0040178" +
          "2063"));
  assert.equal(job.name, "j");
  assert.equal(job.state, "99");
});

test("What is absent stays absent, a zero that was said does not", () => {
  assert.equal(decode("traind.v1.Dropout", new Uint8Array(0)).rate, undefined);
  assert.equal(decode("traind.v1.Dropout", encode("traind.v1.Dropout", {rate: 0})).rate, 0);
  assert.equal(encode("traind.v1.Job", {name: "", attempts: 0}).length, 0);
});

test("A map comes back, also with a key that JavaScript has plans for", () => {
  const labels = new Map([["__proto__", "x"], ["team", ""]]);
  assert.deepEqual(decode("traind.v1.Job", encode("traind.v1.Job", {labels})).labels, labels);
});

test("A message that ends too early is an error", () => {
  assert.throws(() => decode("traind.v1.Job", unhex("0a05616263")), /middle of a field/);
  assert.throws(() => decode("traind.v1.Job", unhex("08ff")), /middle of a number/);
});

test("Frames come together however the network has cut them", () => {
  const whole = unhex(
      "0000000003616263" +
      "0000000000" +
      "80000000026f6b");
  for (let cut = 1; cut <= whole.length; cut++) {
    const frames = new Frames(), seen: [number, string][] = [];
    for (let at = 0; at < whole.length; at += cut) {
      for (const [flag, content] of frames.push(whole.subarray(at, at + cut)))
        seen.push([flag, new TextDecoder().decode(content)]);
    }
    assert.deepEqual(seen, [[0, "abc"], [0, ""], [128, "ok"]]);
    assert.equal(frames.rest, 0);
  }
});

test("A frame that would fill the memory is refused", () => {
  assert.throws(() => new Frames().push(unhex("00ffffffff")), /is not read/);
});

test("A status brings its violations along", () => {
  const request =
      encode("traind.rpc.BadRequest", {field_violations: [{field: "spec.epochs", description: "must be more"}]});
  const status = encode(
      "traind.rpc.Status",
      {code: 3, message: "no", details: [{type_url: "type.googleapis.com/google.rpc.BadRequest", value: request}]});
  const trailers = new Map([
    ["grpc-status", "3"], ["grpc-message", "not%20good"],
    ["grpc-status-details-bin", btoa(String.fromCharCode(...status))]
  ]);
  const error = errorOf((name) => trailers.get(name))!;
  assert.equal(error.message, "not good");
  assert.deepEqual(error.violations.map((one) => one.field), ["spec.epochs"]);
  assert.equal(errorOf((name) => (name === "grpc-status" ? "0" : null)), undefined);
});

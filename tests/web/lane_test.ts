// One streaming call at a time.
import assert from "node:assert";
import test from "node:test";
import {CallError} from "web/rpc/call";
import {Lane} from "web/rpc/lane";

const never = new AbortController().signal;

test("One is inside, the others follow in their order", async () => {
  const lane = new Lane(), order: string[] = [];
  const one = async (name: string) => {
    const leave = await lane.enter(never);
    order.push(`${name} in`);
    await Promise.resolve();
    order.push(`${name} out`);
    leave();
    leave();  // Once is enough: nobody else is put out.
  };
  await Promise.all(["a", "b", "c"].map(one));
  assert.deepEqual(order, ["a in", "a out", "b in", "b out", "c in", "c out"]);
});

test("Who lasts gives way as soon as another one waits, and comes after it", async () => {
  const lane = new Lane(), order: string[] = [];
  let told = 0;
  const leave = await lane.enter(never, () => {
    told++;
    leave();
    void lane.enter(never).then((out) => {
      order.push("again");
      out();
    });
  });
  assert.equal(told, 0);
  const out = await lane.enter(never);
  order.push("other");
  assert.equal(told, 1);
  out();
  await Promise.resolve();
  assert.deepEqual(order, ["other", "again"]);
  const late = new Lane();
  let asked = false;
  const first = await late.enter(never), second = late.enter(never, () => {
    asked = true;
  });
  const third = late.enter(never);
  first();
  (await second)();  // Somebody waited already when it came in.
  assert.ok(asked);
  (await third)();
});

test("Who is not wanted any more waits no longer", async () => {
  const lane = new Lane(), stop = new AbortController();
  const leave = await lane.enter(never), waiting = lane.enter(stop.signal);
  stop.abort();
  await assert.rejects(waiting, CallError);
  await assert.rejects(lane.enter(stop.signal), CallError);
  leave();
  (await lane.enter(never))();
});

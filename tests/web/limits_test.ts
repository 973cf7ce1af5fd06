// Limits of quotas as people write them.
import assert from "node:assert";
import test from "node:test";
import {limitOf, limitText} from "web/app/limits";
import {decode, encode} from "web/rpc/wire";

test("A limit is a number, of bytes also with a unit", () => {
  assert.equal(limitOf("4", false), 4);
  assert.equal(limitOf(" 0 ", false), 0);
  assert.equal(limitOf("8GiB", true), 8 * 2 ** 30);
  assert.equal(limitOf("8 KiB", true), 8192);
  assert.equal(limitOf("", true), -1);
  assert.equal(limitOf("none", true), Infinity);
  for (const wrong of ["8GiB", "-1", "4.5", "four", "1e3"]) assert.equal(limitOf(wrong, false), undefined, wrong);
  assert.equal(limitOf("999999999999999TiB", true), undefined);
});

test("What is shown can be sent again", () => {
  for (const value of [0, 1, 1000, 1024, 3 * 2 ** 20, 2 ** 40, Infinity])
    assert.equal(limitOf(limitText(value, true), true), value);
  assert.equal(limitText(undefined, true), "");
});

test("No limit travels as the largest number there is", () => {
  const quota = {threads: Infinity, queued_jobs: -1, running_jobs: 0};
  assert.deepEqual({...decode("traind.v1.Quota", encode("traind.v1.Quota", quota))}, quota);
});

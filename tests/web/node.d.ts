// What these tests use of node, which Debian's node-typescript has no types for.
declare module "node:test" { export default function test(name: string, body: () => void|Promise<void>): void; }
declare module "node:assert" {
  const assert: {
    equal(actual: unknown, expected: unknown): void; deepEqual(actual: unknown, expected: unknown): void;
    ok(value: unknown): void;
    throws(body: () => unknown, form: RegExp): void;
  };
  export default assert;
}

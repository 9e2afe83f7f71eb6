import { Buffer } from "node:buffer";
import fc from "fast-check";
import * as args from "../../dev/fuzz/arguments.ts";
import * as resume from "../../dev/fuzz/resume.ts";
import * as jsonl from "../../dev/fuzz/jsonl.ts";
import * as messages from "../../dev/fuzz/messages.ts";
import * as quoting from "../../dev/fuzz/quoting.ts";
import * as results from "../../dev/fuzz/results.ts";
import { bytesOf, type Target } from "../../dev/fuzz/target.ts";
import * as tasks from "../../dev/fuzz/tasks.ts";
import * as units from "../../dev/fuzz/units.ts";
import * as worker from "../../dev/fuzz/worker.ts";
import { EFFORT, lacks, SEED } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const TIMEOUT = { timeout: 600_000 * EFFORT };

/** Generates inputs from tokens, parts of seeds, and random bytes. */
function inputsOf({ tokens, seeds }: Target): fc.Arbitrary<Uint8Array> {
  const part = fc.constantFrom(...seeds.map(bytesOf)).chain((seed) =>
    fc.tuple(fc.nat(seed.length), fc.nat(seed.length)).map(([one, other]) => seed.subarray(one, other))
  );
  const whole = fc.constantFrom(...seeds.map(bytesOf));
  const token = fc.constantFrom(...tokens.map(bytesOf));
  const anything = fc.oneof(
    { arbitrary: token, weight: 8 },
    { arbitrary: part, weight: 3 },
    { arbitrary: fc.uint8Array({ maxLength: 4 }), weight: 1 },
  );
  const between = fc.tuple(whole, fc.nat(), anything, fc.nat(20)).map(([seed, place, inserted, removed]) => {
    const at = place % (seed.length + 1);
    return [seed.subarray(0, at), inserted, seed.subarray(at + removed)];
  });
  return fc.oneof(between, fc.array(anything, { maxLength: 20 })).map((parts) => Buffer.concat(parts));
}

async function fuzz(target: Target, count: number): Promise<void> {
  for (const seed of target.seeds) await target.fuzz(bytesOf(seed));
  const property = fc.asyncProperty(inputsOf(target), async (data) => await target.fuzz(data));
  await fc.assert(property, { numRuns: count * EFFORT, seed: SEED, reporter });
}

/** Reports a counterexample as text, which can be added as a seed. */
function reporter({ failed, counterexample, errorInstance, seed }: fc.RunDetails<[Uint8Array]>): void {
  if (!failed) return;
  const text = new TextDecoder().decode(counterexample![0]);
  throw new Error(`TASKRUNNER_TEST_SEED=${seed}, with ${JSON.stringify(text)}`, { cause: errorInstance });
}

test("readJsonLines() agrees with JSON.parse() for any bytes in chunks of any size", TIMEOUT, async () => {
  await fuzz(jsonl, 200);
});

test("readTasks() accepts exactly the tasks that the table of fields allows", TIMEOUT, async () => {
  await fuzz(tasks, 200);
});

test("parsing any command line succeeds or fails with a single message", TIMEOUT, async () => {
  await fuzz(args, 300);
});

test("parsing durations, sizes and counts agrees with exact arithmetic", TIMEOUT, async () => {
  await fuzz(units, 1000);
});

test("a value in a command behaves like a double-quoted variable, in four shells", TIMEOUT, async () => {
  if (lacks("bash", "busybox", "mksh")) return;
  try {
    await fuzz(quoting, 50);
  } finally {
    quoting.end();
  }
});

test("the fast and the full parser of results agree for any bytes", TIMEOUT, async () => {
  await fuzz(results, 200);
});

test("resuming from any bytes succeeds or names the invalid line", TIMEOUT, async () => {
  await fuzz(resume, 200);
});

test("only a signed report that is due is accepted from a shell", TIMEOUT, async () => {
  await fuzz(worker, 1000);
});

test("only valid NATS messages are accepted", TIMEOUT, async () => {
  await fuzz(messages, 1000);
});

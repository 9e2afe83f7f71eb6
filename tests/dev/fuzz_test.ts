import { test } from "node:test";
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

const TIMEOUT = { timeout: 600_000 * EFFORT };

/** Inputs made of tokens, of pieces of seeds, and of any bytes. */
function inputsOf({ tokens, seeds }: Target): fc.Arbitrary<Uint8Array> {
  const piece = fc.constantFrom(...seeds.map(bytesOf)).chain((seed) =>
    fc.tuple(fc.nat(seed.length), fc.nat(seed.length)).map(([one, other]) => seed.subarray(one, other))
  );
  const whole = fc.constantFrom(...seeds.map(bytesOf));
  const token = fc.constantFrom(...tokens.map(bytesOf));
  const anything = fc.oneof(
    { arbitrary: token, weight: 8 },
    { arbitrary: piece, weight: 3 },
    { arbitrary: fc.uint8Array({ maxLength: 4 }), weight: 1 },
  );
  const between = fc.tuple(whole, fc.nat(), anything, fc.nat(20)).map(([seed, place, inserted, removed]) => {
    const at = place % (seed.length + 1);
    return [seed.subarray(0, at), inserted, seed.subarray(at + removed)];
  });
  return fc.oneof(between, fc.array(anything, { maxLength: 20 })).map((pieces) => Buffer.concat(pieces));
}

async function tryMany(target: Target, count: number): Promise<void> {
  for (const seed of target.seeds) await target.fuzz(bytesOf(seed));
  const property = fc.asyncProperty(inputsOf(target), async (data) => await target.fuzz(data));
  await fc.assert(property, { numRuns: count * EFFORT, seed: SEED, reporter });
}

/** Says what was found as text, which can become a seed. */
function reporter({ failed, counterexample, errorInstance, seed }: fc.RunDetails<[Uint8Array]>): void {
  if (!failed) return;
  const text = new TextDecoder().decode(counterexample![0]);
  throw new Error(`TASKRUNNER_TEST_SEED=${seed}, with ${JSON.stringify(text)}`, { cause: errorInstance });
}

test("JSON Lines of any bytes are read as JSON.parse reads their lines, in pieces of any size", TIMEOUT, async () => {
  await tryMany(jsonl, 200);
});

test("of lines of any bytes those become tasks that are tasks by the table of fields", TIMEOUT, async () => {
  await tryMany(tasks, 200);
});

test("any command line is taken apart, or refused with one message", TIMEOUT, async () => {
  await tryMany(args, 300);
});

test("durations, sizes and counts come to what exact arithmetic gives", TIMEOUT, async () => {
  await tryMany(units, 1000);
});

test("a value in a command does what a variable in double quotes does there, in four shells", TIMEOUT, async () => {
  if (lacks("bash", "busybox", "mksh")) return;
  try {
    await tryMany(quoting, 50);
  } finally {
    quoting.end();
  }
});

test("results of any bytes are read in the short way as in the long one, and can be summed up", TIMEOUT, async () => {
  await tryMany(results, 200);
});

test("a run goes on after the last result of each task, or names the line that is none", TIMEOUT, async () => {
  await tryMany(resume, 200);
});

test("of any bytes that a shell writes, only a signed report that is due is one", TIMEOUT, async () => {
  await tryMany(worker, 1000);
});

test("what is taken for a message of NATS is right wherever it goes, and the rest is refused", TIMEOUT, async () => {
  await tryMany(messages, 1000);
});

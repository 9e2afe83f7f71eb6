/**
 * Parsing of the command line: succeeds or fails with a single message. If `node:util` can parse the arguments in
 * strict mode, the result is the same.
 */

import { parseArgs } from "node:util";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { splitArguments } from "../../cli/args/arguments.ts";
import { spellingsOf } from "../../cli/args/flag.ts";
import { flagsOfAll, parseValues } from "../../cli/command.ts";
import { type CommandLine, parseForOneCommand } from "../../cli/command_line.ts";
import { loadCommands } from "../../cli/commands/mod.ts";
import { readSettings, run, type RunFlags } from "../../cli/commands/run.ts";
import type { RetryOptions } from "../../pool/retry.ts";
import { UsageError } from "../../cli/args/usage_error.ts";
import { parseForAllCommands } from "../../cli/wrong_arguments.ts";
import { assertExpected, textOf } from "./target.ts";

const COMMANDS = await loadCommands();
const ALL_FLAGS = flagsOfAll(COMMANDS);

export const tokens = [
  ...Object.entries(ALL_FLAGS).flatMap(([name, flag]) => spellingsOf(name, flag)),
  ..."\n = - -- --no- --_ -_ _ ::: __proto__ constructor --constructor true false run each 1 0 50% 1e9 -1 1m30s 64K now,fail=1 soon,done=10% shell skip"
    .split(" "),
];

export const seeds = [
  "run\ntasks.jsonl\n-j\n4\n-o\nresults.jsonl\n--resume\n-k",
  "each\necho {}\n-kq0\n--jobs=50%\n--timeout\n1m30s",
  "--retries=3\n--retry-delay\n1s\n--retry-on\ntimeout,not-started\n--halt\nnow,fail=10%\n--max-output\nnone\n--load\n150%\n--memfree\n1G",
  "--nats\nnats://x\n--queue\na\n--ack-wait\n5s\n--nats-replicas\n3",
  "--\n-x\n--jobs",
  "-j-1\n--output\n-\n--dry-run\ntrue\n--_=x",
  "--no-progress\n--no-jobs=3",
  "-k_x\n-_\n-_y",
  "-oa=b\n-ofile\n-j50%\n-kofile\n-o_x",
  "each\necho {}\n-k--jobsq0\n-k-q",
  "-_\n-kq--\nx",
  "-k--",
  "-k\nfalse\n--__proto__\n--constructor=1",
];

export async function fuzz(data: Uint8Array): Promise<void> {
  const args = textOf(data).split("\n");
  const line = await parseForOneCommand(args);
  if (line) {
    const same = await parseForAllCommands(args, args);
    assert(!("error" in same), "only one of the ways to parse reports an error");
    const partsOf = ({ command: { name }, isNamed, given, operands }: CommandLine) => ({
      name,
      isNamed,
      given,
      operands,
    });
    assertEquals(partsOf(line), partsOf(same));
  }
  try {
    const { given, operands, unknown, error } = splitArguments(args, ALL_FLAGS);
    if (error) throw error;
    for (const [name, value] of Object.entries(given)) {
      assert(Object.hasOwn(ALL_FLAGS, name), name);
      const { unit, repeats } = ALL_FLAGS[name]!;
      const type = repeats ? "array" : unit ? "string" : "boolean";
      assertEquals(Array.isArray(value) ? "array" : typeof value, value === false ? "boolean" : type);
    }
    for (const operand of operands) assert(args.includes(operand), operand);
    const theirs = inStrictMode(args);
    if (theirs && unknown === undefined) assertEquals<object>({ given, operands }, theirs);
    const spelled = Object.entries(given).flatMap(([name, value]) =>
      typeof value === "boolean"
        ? [`--${value ? "" : "no-"}${name}`]
        : [value].flat().map((value) => `--${name}=${value}`)
    );
    const again = splitArguments([...spelled, "--", ...operands], ALL_FLAGS);
    assertEquals(again, { given, operands, unknown: undefined, error: undefined });
    const flags = parseValues(given, run, COMMANDS) as RunFlags;
    const { runOptions: { concurrency = 1, retry, timeoutMs = 1, maxLoad = 1 } } = await readSettings(flags, "json");
    const { limit = 0 } = retry as RetryOptions;
    assert(Number.isSafeInteger(concurrency) && concurrency >= 1);
    assert(Number.isSafeInteger(limit) && limit >= 0);
    assert(timeoutMs > 0 && timeoutMs < 2 ** 31 && maxLoad > 0 && maxLoad < Infinity);
  } catch (error) {
    assertExpected(error, UsageError);
  }
}

const OPTIONS = Object.fromEntries(
  Object.entries(ALL_FLAGS).map(([name, { short, unit, repeats = false }]) => {
    return [name, { type: unit ? "string" : "boolean", multiple: repeats, ...(short && { short }) } as const];
  }),
);

/** Parses in strict mode; returns `undefined` if that fails, or treats the `=` of `-j=1` as part of the value. */
function inStrictMode(args: string[]): { given: object; operands: readonly string[] } | undefined {
  if (args.some((arg) => /^-\w+=/.test(arg))) return undefined;
  try {
    const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true });
    return { given: { ...values }, operands: positionals };
  } catch {
    return undefined;
  }
}

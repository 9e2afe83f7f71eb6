/**
 * Tasks of every kind with their expected results. The id contains kind and number, so a result can be checked alone.
 */

import { stat } from "node:fs/promises";
import { excerpt } from "../../text/excerpt.ts";
import type { Task, TaskResult } from "../../mod.ts";

/** The `--max-inline` of the runs. */
export const INLINE_BYTES = 32 * 1024;

/** The flags of the runs. */
export const FLAGS = ["-q", "--max-inline", `${INLINE_BYTES}`, "--kill-after", "200ms"];

interface Kind {
  task: (number: number) => Omit<Task, "id">;
  /** The differences from the result of a successful task without output. */
  result: (number: number) => Partial<TaskResult>;
}

/** All kinds of tasks. */
export const KINDS = {
  plain: { task: (n) => ({ cmd: `echo ${n}` }), result: (n) => ({ stdout: `${n}\n` }) },
  program: { task: (n) => ({ cmd: ["echo", `${n}`, "a b"] }), result: (n) => ({ stdout: `${n} a b\n` }) },
  pipeline: { task: (n) => ({ cmd: `echo ${n} | cat` }), result: (n) => ({ stdout: `${n}\n` }) },
  script: {
    task: (n) => ({ cmd: `for i in 1 2 3; do echo $((${n} + i)); done` }),
    result: (n) => ({ stdout: `${n + 1}\n${n + 2}\n${n + 3}\n` }),
  },
  input: { task: (n) => ({ cmd: "cat", stdin: inputOf(n) }), result: (n) => ({ stdout: inputOf(n) }) },
  inputBytes: {
    task: (n) => ({ cmd: ["cat"], stdin: btoa(inputOf(n)), stdinEncoding: "base64" }),
    result: (n) => ({ stdout: inputOf(n) }),
  },
  inputFile: {
    task: (n) => ({ cmd: `wc -c; echo ${n}`, stdinFile: "/dev/null" }),
    result: (n) => ({ stdout: `0\n${n}\n` }),
  },
  environment: {
    task: (n) => ({ cmd: 'echo "$WORD $PWD"', cwd: "/", env: { WORD: `it's ${n}` } }),
    result: (n) => ({ stdout: `it's ${n} /\n` }),
  },
  bytes: {
    task: (n) => ({ cmd: `printf '\\377%s' ${n}` }),
    result: (n) => ({ stdoutEncoding: "base64", stdout: btoa(`\xff${n}`) }),
  },
  output: {
    task: (n) => ({ cmd: print(part(n) ** 4 * INLINE_BYTES) }),
    result: (n) => ({ stdout: "x".repeat(part(n) ** 4 * INLINE_BYTES) }),
  },
  spilled: {
    task: (n) => ({ cmd: print(spilledBytes(n)) }),
    result: (n) => ({ stdout: "x".repeat(INLINE_BYTES), stdoutBytes: spilledBytes(n) }),
  },
  leavesOthers: { task: (n) => ({ cmd: `sleep 1 & echo ${n}` }), result: (n) => ({ stdout: `${n}\n` }) },
  false: {
    task: (n) => ({ cmd: `echo ${n} >&2; false` }),
    result: (n) => ({ outcome: "failed", status: 1, stderr: `${n}\n` }),
  },
  fails: {
    task: (n) => ({ cmd: `exit ${n % 100 + 1}` }),
    result: (n) => ({ outcome: "failed", status: n % 100 + 1 }),
  },
  succeedsLater: {
    task: () => ({ cmd: "[ $TASKRUNNER_ATTEMPT = 2 ]", retries: 2 }),
    result: () => ({ attempts: 2 }),
  },
  failsAgain: {
    task: () => ({ cmd: "exit 9", retries: 1 }),
    result: () => ({ outcome: "failed", status: 9, attempts: 2 }),
  },
  killed: { task: () => ({ cmd: "kill -9 $$" }), result: () => KILLED },
  killsGroup: { task: () => ({ cmd: "kill -9 0" }), result: () => KILLED },
  /** Not for the process executor, where the parent is the command itself. */
  killsWorker: { task: () => ({ cmd: "kill -9 $PPID" }), result: () => KILLED },
  timeout: {
    task: () => ({ cmd: "sleep 20", timeoutMs: 50 }),
    result: () => ({ outcome: "timeout", status: 124 }),
  },
  ignoresTerm: {
    task: () => ({ cmd: "trap '' TERM; sleep 20", timeoutMs: 50 }),
    result: () => ({ outcome: "timeout", status: 124 }),
  },
  missing: {
    task: (n) => ({ cmd: [`no-such-program-${n}`] }),
    result: () => ({ outcome: "not-started", status: 127 }),
  },
} as const satisfies Record<string, Kind>;

const KILLED: Partial<TaskResult> = { outcome: "killed", status: 137, signal: "SIGKILL" };

/** A kind of task. */
export type KindName = keyof typeof KINDS;

/** Relative frequencies of kinds. */
export type Mixture = Partial<Record<KindName, number>>;

/** The tasks of a typical long run, per 10,000. */
export const USUAL: Mixture = {
  plain: 7_500,
  program: 700,
  pipeline: 200,
  script: 300,
  input: 300,
  environment: 300,
  bytes: 50,
  output: 150,
  spilled: 10,
  leavesOthers: 10,
  false: 150,
  fails: 100,
  succeedsLater: 100,
  failsAgain: 50,
  killed: 40,
  killsGroup: 10,
  killsWorker: 10,
  timeout: 8,
  ignoresTerm: 2,
  missing: 10,
};

/** Mainly outputs that are too large for a result. */
export const LARGE_OUTPUTS: Mixture = { output: 5, spilled: 5, bytes: 1, plain: 5, input: 2 };

/** Mainly tasks that fail. */
export const TROUBLE: Mixture = {
  plain: 10,
  fails: 10,
  failsAgain: 5,
  succeedsLater: 5,
  killed: 10,
  killsGroup: 10,
  killsWorker: 10,
  timeout: 4,
  ignoresTerm: 1,
  missing: 5,
  leavesOthers: 2,
};

/** Returns a function that creates the task with a given number. */
export function tasksOf({ ...mixture }: Mixture, executor: string): (number: number) => Task & { id: string } {
  if (executor === "process") delete mixture.killsWorker;
  const kinds = Object.entries(mixture) as [KindName, number][];
  const sum = kinds.reduce((sum, [, weight]) => sum + weight, 0);
  return (number) => {
    let at = (number * GOLDEN_RATIO % 1) * sum;
    const [name] = kinds.find(([, weight]) => (at -= weight) < 0) ?? kinds[0]!;
    return { id: `${number} ${name}`, ...KINDS[name].task(number) };
  };
}

/** Its multiples modulo 1 are evenly distributed, so any sequence of tasks has the right share of each kind. */
const GOLDEN_RATIO = (Math.sqrt(5) + 1) / 2;

/** Checks a result against the expected one and returns the number of its task. */
export async function checkedNumber(result: TaskResult): Promise<number> {
  const [number, name] = result.id.split(" ");
  const expected: Partial<TaskResult> = {
    outcome: "ok",
    status: 0,
    signal: undefined,
    attempts: 1,
    stdout: "",
    stdoutEncoding: undefined,
    stdoutBytes: undefined,
    stderr: "",
    ...(KINDS[name as KindName] as Kind).result(Number(number)),
  };
  if (expected.outcome === "timeout") delete expected.signal; // SIGTERM or SIGKILL
  for (const key of Object.keys(expected) as (keyof TaskResult)[]) {
    if (result[key] === expected[key]) continue;
    throw new Error(`${key} should be ${excerpt(expected[key])}: ${JSON.stringify(result).slice(0, 2_000)}`);
  }
  if (result.stdoutBytes !== undefined && (await stat(result.stdoutFile!)).size !== result.stdoutBytes) {
    throw new Error(`${result.stdoutFile} does not have ${result.stdoutBytes} bytes`);
  }
  return Number(number);
}

function inputOf(number: number): string {
  return `line of ${number}\n`.repeat(number % 50 + 1);
}

/** Returns a quasi-random number from 0 to 1. */
function part(number: number): number {
  return number * Math.SQRT2 % 1;
}

function spilledBytes(number: number): number {
  return Math.ceil(INLINE_BYTES * (1.1 + part(number) ** 2 * 8));
}

function print(bytes: number): string {
  return `head -c ${Math.floor(bytes)} /dev/zero | tr '\\0' x`;
}

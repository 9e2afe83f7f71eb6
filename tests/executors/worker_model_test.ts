import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import fc from "fast-check";
import { ScratchDirectory } from "../../executors/shell/scratch_directory.ts";
import { workerEnvironment } from "../../executors/shell/environment.ts";
import { type AttemptFiles, attemptScript } from "../../executors/shell/script.ts";
import { ShellWorker } from "../../executors/shell/worker.ts";
import { type FakeShell, FakeShellAdapter } from "../support/fake_shell.ts";
import { EFFORT, SEED, TIMEOUT, unlimitedLocation, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const TIMES = "0m0.00s 0m0.00s\n0m0.00s 0m0.00s\n";

/** An action of a shell that gets an attempt, and the expected outcome. */
interface Action {
  name: string;
  act: (shell: FakeShell, number: number) => void;
  /** The reported status. Otherwise the worker is killed for a violation, or ended by a signal. */
  expected: number | "violation" | "SIGSEGV";
  begins?: boolean;
}

const status = fc.integer({ min: 0, max: 255 });
const noise = fc.oneof(
  fc.string({ unit: "binary", maxLength: 200 }),
  fc.constantFrom(TIMES, "1 0 1\n", "2 0 1\n", "Killed\n", "+ echo 1 0 1\n", "\n\n", "begin 1\n"),
).map((text) => `${text}\n`);

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: status.map((status): Action => ({
      name: `report ${status}`,
      act: (shell, number) => shell.report(number, status),
      expected: status,
    })),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(status, fc.integer({ min: 1, max: 20 })).map(([status, size]): Action => ({
      name: `report ${status} in pieces of ${size}`,
      act: (shell, number) => shell.write(`${TIMES}${shell.token} ${number} ${status} 0\n`, size),
      expected: status,
    })),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(status, noise).map(([status, noise]): Action => ({
      name: `report ${status} after ${JSON.stringify(noise)}`,
      act: (shell, number) => {
        shell.write(noise);
        shell.report(number, status);
      },
      expected: status,
    })),
  },
  {
    weight: 2,
    arbitrary: status.map((status): Action => ({
      name: `begin, report ${status}`,
      act: (shell, number) => {
        shell.write(`${shell.token} begin ${number} \n`);
        shell.report(number, status);
      },
      expected: status,
      begins: true,
    })),
  },
  status.map((status): Action => ({
    name: `report ${status} twice`,
    act: (shell, number) => {
      shell.report(number, status);
      shell.report(number, status);
    },
    expected: status, // the next attempt gets another worker
  })),
  fc.constantFrom(-1, 1, 77).map((off): Action => ({
    name: `report ${off} off`,
    act: (shell, number) => shell.report(number + off, 0),
    expected: "violation",
  })),
  fc.constantFrom("", "x", "1", "begin 99", "0 0 0 0", "1 256 0", "1 0 2", "NaN 0 1").map((text): Action => ({
    name: `a control line with ${JSON.stringify(text)}`,
    act: (shell) => shell.write(`${TIMES}${shell.token} ${text}\n`),
    expected: "violation",
  })),
  status.map((status): Action => ({
    name: "a report without times",
    act: (shell, number) => shell.write(`${shell.token} ${number} ${status} 1\n`),
    expected: "violation",
  })),
  fc.nat(40).map((length): Action => ({
    name: `the first ${length} characters of a report, and the end`,
    act: (shell, number) => {
      shell.write(`${shell.token} ${number} 0 1`.slice(0, length));
      shell.exit({ code: null, signal: "SIGSEGV" });
    },
    expected: "SIGSEGV",
  })),
  fc.uint8Array({ maxLength: 300 }).map((bytes): Action => ({
    name: `the bytes ${bytes}, and the end`,
    act: (shell) => {
      shell.write(bytes);
      shell.exit({ code: null, signal: "SIGSEGV" });
    },
    expected: "SIGSEGV",
  })),
);

test("ShellWorker.run() returns the report of its own attempt or the end of the worker, whatever the shell writes", {
  timeout: TIMEOUT.timeout * EFFORT,
}, async () => {
  await withTempDirectory(async (directory) => {
    const environment = workerEnvironment();
    const files = Object.fromEntries(
      ["stdin", "stdout", "stderr", "execFailure", "inputFailure"].map((name) => [name, join(directory, name)]),
    ) as unknown as AttemptFiles;
    const common = {
      cwd: undefined,
      inputFile: undefined,
      variables: {},
      env: undefined,
      shell: "sh",
      kind: "other",
      usesPipes: false,
      isQueued: false,
    } as const;
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 12 }), async (actions) => {
        const adapter = new FakeShellAdapter();
        const { sendSignal } = adapter;
        const scratch = new ScratchDirectory(undefined, [unlimitedLocation(directory)]);
        const start = async () => {
          const options = { adapter, shell: "sh", directory: scratch.reserve(), environment, sendSignal };
          const worker = await ShellWorker.spawn(options);
          await worker.prepare(environment);
          return { worker, shell: adapter.shells.at(-1)! };
        };
        const workers: ShellWorker[] = [];
        let current: Awaited<ReturnType<typeof start>> | undefined;
        try {
          for (const { act, expected, begins = false, name } of actions) {
            if (!current?.worker.isUsable) workers.push((current = await start()).worker);
            const { worker, shell } = current;
            const number = worker.nextNumber;
            shell.onAttempt = (number) => act(shell, number);
            let begun = 0;
            const script = attemptScript({ ...common, number, cmd: ["true"], files, reportsBegin: begins });
            const outcome = await worker.run(script, { onBegin: () => begun++ });
            const seen = "status" in outcome ? outcome.status : outcome.exit?.signal ?? "violation";
            if (name.endsWith("twice")) await worker.ended; // the second report is a violation, at any time
            assertEquals([name, seen, begun], [name, expected, Number(begins)]);
            if (typeof expected !== "number") assert(!worker.isUsable, name);
          }
        } finally {
          for (const worker of workers) worker.retire();
          await Promise.all(workers.map(({ ended }) => ended));
          await scratch.close();
        }
      }),
      { numRuns: 200 * EFFORT, seed: SEED },
    );
  });
});

import { writeFileSync } from "node:fs";
import { assertEquals } from "@std/assert/equals";
import { resultWithoutOutput } from "../../pool/executor.ts";
import type { AttemptStop, Execution } from "../../mod.ts";
import { type ShellContext, ShellExecution } from "../../executors/shell/execution.ts";
import type { ShellWorker } from "../../executors/shell/worker.ts";
import { SpillDirectory } from "../../executors/spill_directory.ts";
import { withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** An attempt in a free slot. */
const START = { previous: undefined, needsProcess: false };
const ATTEMPT = { task: { cmd: "x" }, id: "1", sequence: 1, number: 1, slot: 1 };

function contextOf(
  directory: string,
  worker: () => ShellWorker | Promise<ShellWorker | undefined>,
): ShellContext {
  return {
    shell: "sh",
    maxInlineBytes: 8,
    maxOutputBytes: 4,
    spillDirectory: new SpillDirectory(directory),
    sendSignal: () => Promise.resolve(true),
    startProcess: () => {
      throw new Error("Unexpected process");
    },
    shells: { worker, busyWorker: () => undefined } as unknown as ShellContext["shells"],
    programs: undefined,
    capabilities: { runsPlainCommands: false } as ShellContext["capabilities"],
    dismiss() {},
    running: [],
  };
}

/** Returns the end of an attempt that exceeds its output limit, and is terminated after the report of its worker. */
async function terminatedAfterReport(directory: string, reason: AttemptStop) {
  const worker = {
    nextNumber: 1,
    nextLine: 1,
    isUsable: true,
    directory: { path: directory, isFull: false },
    hold() {},
    release() {},
    hasSigned: () => false,
    run() {
      writeFileSync(`${directory}/1.out`, "too much");
      return Promise.resolve({ status: 3, stderrIsEmpty: true, messages: "", userMs: 1, systemMs: 2 });
    },
  } as unknown as ShellWorker;
  const callbacks = { onStart() {}, onOutputLimit: () => execution.terminate(reason, 0) };
  const execution: Execution = new ShellExecution(ATTEMPT, callbacks, contextOf(directory, () => worker), START);
  const { ending, stoppedBy, userMs, systemMs } = await execution.ended;
  return { ending, stoppedBy, userMs, systemMs };
}

test("ShellExecution.terminate() after the report has no effect, except for the output limit", async () => {
  await withTempDirectory(async (directory) => {
    const end = { ending: { kind: "exited", status: 3 } as const, userMs: 1, systemMs: 2 };
    assertEquals(await terminatedAfterReport(directory, "canceled"), { ...end, stoppedBy: undefined });
    assertEquals(await terminatedAfterReport(directory, "output-limit"), { ...end, stoppedBy: "output-limit" });
  });
});

test("ShellExecution.terminate() withdraws an attempt that waits for its worker", async () => {
  const never = new Promise<undefined>(() => {});
  const context = contextOf("/", () => never);
  const execution = new ShellExecution(ATTEMPT, { onStart() {}, onOutputLimit() {} }, context, START);
  execution.terminate("canceled", 5);
  execution.terminate("timeout", 0);
  assertEquals(await execution.ended, { ...resultWithoutOutput({ kind: "withdrawn" }), stoppedBy: "canceled" });
});

test("ShellExecution.terminate() reaches the process that replaces the worker", async () => {
  await withTempDirectory(async (directory) => {
    const calls: [reason: AttemptStop, killAfterMs: number][] = [];
    const result = resultWithoutOutput({ kind: "exited", status: 0 });
    const worker = {
      nextNumber: 1,
      nextLine: 1,
      isUsable: true,
      directory: { path: directory, isFull: false },
      hold() {},
      release() {},
      retire() {},
      // The attempt did not begin, because the shell could not create a file.
      run: () => Promise.resolve({ status: 2, stderrIsEmpty: true, messages: "no file", userMs: 0, systemMs: 0 }),
    } as unknown as ShellWorker;
    const context: ShellContext = {
      ...contextOf(directory, () => worker),
      dismiss: () => execution.terminate("canceled", 5), // before the process starts
      startProcess: () => ({
        ended: Promise.resolve(result),
        terminate: (reason, killAfterMs) => void calls.push([reason, killAfterMs]),
      }),
    };
    const execution: Execution = new ShellExecution(ATTEMPT, { onStart() {}, onOutputLimit() {} }, context, START);
    assertEquals([await execution.ended, calls], [result, [["canceled", 5]]]);
  });
});

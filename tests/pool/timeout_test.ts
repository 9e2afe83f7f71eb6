/** Tests that timeouts count from the start of the command, and that a command which has ended does not time out. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { createExecutor } from "../../executors/mod.ts";
import type { Attempt, AttemptCallbacks, Execution, Executor } from "../../pool/executor.ts";
import { run } from "../../mod.ts";
import { RunningAttempt } from "../../pool/running_attempt.ts";
import { UPTIME_STEP_MS } from "../../system/system_uptime.ts";
import { statFields } from "../../system/process_stat.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { FakeExecutor } from "../support/fake_executor.ts";
import { collect, isAlive, waitFor, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** An executor that reports the start of each command. */
class BeginningExecutor extends FakeExecutor {
  readonly reportsStart = true;
}

test("a timeout does not count before the start of the command", async () => {
  const executor = new BeginningExecutor();
  const results = collect(
    run([{ cmd: "a" }, { cmd: "b" }], { executor, concurrency: 2, timeoutMs: 1, keepOrder: true }),
  );
  await waitFor("two attempts", () => executor.executions.length === 2);
  const [waiting, begun] = executor.executions;
  begun!.begin();
  await waitFor("the timeout", () => begun!.terminations.length === 1);
  assertEquals(waiting!.terminations, []);
  waiting!.begin();
  await waitFor("the other timeout", () => waiting!.terminations.length === 1);
  assertEquals((await results).map(({ outcome }) => outcome), ["timeout", "timeout"]);
});

test("a second report of the start, or one after the end, starts no timer", async () => {
  const executor = new BeginningExecutor();
  const results = collect(run([{ cmd: "a" }], { executor, timeoutMs: 1 }));
  await waitFor("the attempt", () => executor.executions.length === 1);
  const [execution] = executor.executions;
  execution!.endsAtOnce = false;
  execution!.begin();
  execution!.begin();
  await waitFor("the timeout", () => execution!.terminations.length === 1);
  execution!.end({ status: 143 });
  assertEquals((await results).map(({ outcome }) => outcome), ["timeout"]);
  execution!.begin();
  await new Promise((resolve) => setTimeout(resolve, 5)); // longer than its timeout
  assertEquals(execution!.terminations.length, 1);
});

test("a command that has ended according to the system does not time out", async () => {
  const executor = new BeginningExecutor();
  const results = collect(
    run([{ cmd: "a" }, { cmd: "b" }], { executor, concurrency: 2, timeoutMs: 1, keepOrder: true }),
  );
  await waitFor("two attempts", () => executor.executions.length === 2);
  const [ended, running] = executor.executions;
  ended!.systemSaysEnded = true;
  running!.systemSaysEnded = false;
  ended!.begin();
  running!.begin();
  await waitFor("the timeout", () => running!.terminations.length === 1);
  assertEquals(ended!.terminations, []);
  ended!.end();
  assertEquals((await results).map(({ outcome }) => outcome), ["ok", "timeout"]);
});

test("an attempt whose end is never reported times out after ten seconds", async () => {
  const clock = new FakeClock();
  await clock.during(async () => {
    const executor = new BeginningExecutor();
    executor.onStart = (execution) => execution.systemSaysEnded = true;
    const result = run([{ cmd: "a" }], { executor, timeoutMs: 100 }).next();
    await clock.advance(0);
    const [execution] = executor.executions;
    execution!.begin();
    await clock.advance(10_000);
    assertEquals(execution!.terminations, []);
    await clock.advance(100);
    assertEquals(execution!.terminations.length, 1);
    assertEquals((await result).value!.outcome, "timeout");
  });
});

/** Waits and blocks the event loop. */
function block(until: () => boolean): void {
  const startedMs = performance.now();
  while (!until()) assert(performance.now() - startedMs < 60_000, "the condition is never met");
}

/** Returns whether a worker waits for its next attempt: it sleeps and has no child. */
function isIdle(pid: number): boolean {
  const isAsleep = statFields(`/proc/${pid}`)[0] === "S";
  return isAsleep && readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1") === "";
}

for (const kind of ["shell", "process"] as const) {
  test(`with the ${kind} executor, a command that has ended does not time out in a busy program`, async () => {
    await withTempDirectory(async (directory) => {
      const [timeoutMs, rounds] = [100, 10];
      const real = createExecutor({ executor: kind });
      let worker = 0;
      const pidFile = join(directory, "pid");
      const blocking: Executor = {
        reportsStart: true,
        discard: (result) => real.discard(result),
        close: () => real.close(),
        start(attempt: Attempt, { onOutputLimit, onStart }: AttemptCallbacks): Execution {
          return real.start(attempt, {
            onOutputLimit,
            // Blocks from the start of the command until its end and its timeout have passed.
            onStart(agoMs) {
              onStart(agoMs);
              const dueMs = performance.now() + timeoutMs + 50;
              block(() => existsSync(join(directory, `end ${attempt.id}`)));
              const pid = Number(readFileSync(pidFile, "latin1"));
              if (kind === "process") block(() => !isAlive(pid));
              else block(() => isIdle(worker));
              block(() => performance.now() > dueMs);
            },
          });
        },
      };
      try {
        for (let round = 0; round < rounds; round++) {
          if (kind === "shell") worker ||= await workerOf(real, directory);
          const cmd = `echo $$ > ${pidFile}; : > '${directory}/end ${round}'`;
          const attempt = { task: { cmd }, id: `${round}`, sequence: 1, number: 1, slot: 1, timeoutMs };
          const { ending, stoppedBy } = await new RunningAttempt(blocking, attempt, 1_000).ended;
          assertEquals([round, ending, stoppedBy], [round, { kind: "exited", status: 0 }, undefined]);
        }
      } finally {
        await real.close();
      }
    });
  });
}

/** Returns the pid of the worker of the first slot. */
async function workerOf(executor: Executor, directory: string): Promise<number> {
  const cmd = `echo $PPID > ${directory}/worker`;
  const attempt = { task: { cmd }, id: "worker", sequence: 1, number: 1, slot: 1 };
  await executor.start(attempt, { onOutputLimit() {}, onStart() {} }).ended;
  return Number(readFileSync(join(directory, "worker"), "latin1"));
}

test("a timeout counts from the start of the command even if the runner is too busy to see it", async () => {
  await withTempDirectory(async (directory) => {
    const [timeoutMs, busyMs] = [1_000, 3_000];
    const begun = join(directory, "begun");
    const executor = createExecutor({ executor: "shell" });
    try {
      const worker = await workerOf(executor, directory);
      process.kill(worker, "SIGSTOP");
      const cmd = `: >'${begun}'; sleep 1000`;
      const attempt = { task: { cmd }, id: "late", sequence: 2, number: 1, slot: 1, timeoutMs };
      const { ended } = new RunningAttempt(executor, attempt, 1_000);
      await new Promise((resolve) => setTimeout(resolve, 100)); // so that the worker gets the script
      process.kill(worker, "SIGCONT");
      block(() => existsSync(begun));
      const startedMs = performance.now();
      block(() => performance.now() - startedMs > busyMs);
      const { stoppedBy, durationMs } = await ended;
      assertEquals(stoppedBy, "timeout");
      assert(durationMs >= busyMs - 2 * UPTIME_STEP_MS, `It lasted ${durationMs} ms`);
    } finally {
      await executor.close();
    }
  });
});

test("the slow start of a worker does not count for the timeout", async () => {
  await withTempDirectory(async (directory) => {
    // The shell waits for the test, which waits for longer than the timeout.
    const gate = join(directory, "gate");
    const shell = join(directory, "slow");
    const { writeFile } = await import("node:fs/promises");
    await writeFile(
      shell,
      `#!/bin/sh\n[ "$1" = -c ] && exec sh "$@"\nwhile ! [ -e '${gate}' ]; do sleep 0.01; done\nexec sh\n`,
      { mode: 0o755 },
    );
    const results = collect(run([{ cmd: "echo a" }, { cmd: "echo b" }], {
      shell,
      concurrency: 2,
      timeoutMs: 500,
      keepOrder: true,
    }));
    await new Promise((resolve) => setTimeout(resolve, 600)); // longer than the timeout
    await writeFile(gate, "");
    assertEquals((await results).map(({ outcome, stdout }) => [outcome, stdout]), [["ok", "a\n"], ["ok", "b\n"]]);
  });
});

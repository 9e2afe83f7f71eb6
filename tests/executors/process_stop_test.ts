import { assertEquals } from "@std/assert/equals";
import type { AttemptStop } from "../../mod.ts";
import { createExecutor } from "../../executors/mod.ts";
import type { ExitStatus, OutputReader, SpawnAdapter } from "../../spawn_adapters/types.ts";
import { test } from "../support/test.ts";

/** A process whose exit and output the test controls. */
class FakeProcess {
  readonly spawned = Promise.withResolvers<void>();
  readonly exit = Promise.withResolvers<ExitStatus>();
  readonly outputEnd = Promise.withResolvers<undefined>();
  readonly adapter: SpawnAdapter = {
    name: "node",
    canSignal: true,
    spawn: () => {
      this.spawned.resolve();
      const reader = (): OutputReader => ({ read: () => this.outputEnd.promise, cancel() {} });
      const { promise: exited } = this.exit;
      return Promise.resolve({ pid: 2 ** 30, stdin: null, stdout: reader(), stderr: reader(), exited });
    },
  };
}

/** Returns the end of an attempt that is terminated between the exit of its process and the end of its output. */
async function terminatedAfterExit(...reasons: AttemptStop[]) {
  const child = new FakeProcess();
  const executor = createExecutor({ executor: "process", spawnAdapter: child.adapter, cleanup: false });
  try {
    const attempt = { task: { cmd: "x" }, id: "1", sequence: 1, number: 1, slot: 1 };
    const execution = executor.start(attempt, { onOutputLimit() {}, onStart() {} });
    await child.spawned.promise;
    child.exit.resolve({ code: 3, signal: null });
    await new Promise((resolve) => setImmediate(resolve)); // so that the executor sees the exit
    for (const reason of reasons) execution.terminate(reason, 0);
    child.outputEnd.resolve(undefined);
    const { ending, stoppedBy } = await execution.ended;
    return [ending, stoppedBy];
  } finally {
    await executor.close();
  }
}

test("Execution.terminate() after the exit has no effect, except for the output limit", async () => {
  const exited = { kind: "exited", status: 3 } as const;
  assertEquals(await terminatedAfterExit("timeout", "canceled"), [exited, undefined]);
  assertEquals(await terminatedAfterExit("timeout", "output-limit"), [exited, "output-limit"]);
});

test("Execution.terminate() before the process starts withdraws the attempt", async () => {
  const child = new FakeProcess();
  const executor = createExecutor({ executor: "process", spawnAdapter: child.adapter, cleanup: false });
  const attempt = { task: { cmd: "x" }, id: "1", sequence: 1, number: 1, slot: 1 };
  const execution = executor.start(attempt, { onOutputLimit() {}, onStart() {} });
  execution.terminate("canceled", 0);
  execution.terminate("timeout", 0);
  const { ending, stoppedBy } = await execution.ended;
  assertEquals([ending, stoppedBy], [{ kind: "withdrawn" }, "canceled"]);
  await executor.close();
});

test("an attempt whose process reports neither status nor signal is lost", async () => {
  const child = new FakeProcess();
  const executor = createExecutor({ executor: "process", spawnAdapter: child.adapter, cleanup: false });
  const attempt = { task: { cmd: "x" }, id: "1", sequence: 1, number: 1, slot: 1 };
  const execution = executor.start(attempt, { onOutputLimit() {}, onStart() {} });
  child.exit.resolve({ code: null, signal: null });
  child.outputEnd.resolve(undefined);
  const reason = "Cannot tell how the task ended: the runtime reported no exit status";
  assertEquals((await execution.ended).ending, { kind: "lost", reason });
  await executor.close();
});

import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { ScratchDirectory } from "../../executors/shell/scratch_directory.ts";
import { workerEnvironment } from "../../executors/shell/environment.ts";
import { attemptScript } from "../../executors/shell/script.ts";
import { ShellWorker } from "../../executors/shell/worker.ts";
import { shellQuote } from "../../text/shell_quote.ts";
import {
  type ChildProcess,
  defaultSpawnAdapter,
  type ExitStatus,
  type SpawnAdapter,
} from "../../spawn_adapters/mod.ts";
import {
  isAlive,
  signalIfThere,
  unlimitedLocation,
  waitFor,
  withTempDirectory,
  writeProgram,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

const adapter = await defaultSpawnAdapter();

/** Starts workers and records which of them get SIGCONT. Removes their directories after the test. */
async function withWorkers(
  use: (start: (shell?: string) => Promise<ShellWorker>, woken: Set<number>, directory: string) => Promise<void>,
): Promise<void> {
  await withTempDirectory(async (directory) => {
    const scratch = new ScratchDirectory(undefined, [unlimitedLocation(directory)]);
    const woken = new Set<number>();
    const workers: ShellWorker[] = [];
    const start = async (shell = "sh") => {
      const environment = workerEnvironment();
      const sendSignal = (pid: number, signal: NodeJS.Signals | 0) => {
        if (signal === "SIGCONT") woken.add(pid);
        return Promise.resolve(signalIfThere(pid, signal as NodeJS.Signals));
      };
      const options = { adapter, shell, directory: scratch.reserve(), environment, sendSignal };
      const worker = await ShellWorker.spawn(options);
      workers.push(worker);
      await worker.prepare(environment);
      return worker;
    };
    try {
      await use(start, woken, directory);
    } finally {
      for (const worker of workers) worker.retire();
      await Promise.all(workers.map(({ ended }) => ended));
      await scratch.close();
    }
  });
}

/** Returns the script of an attempt without output. */
function scriptOf(worker: ShellWorker, cmd: string): string {
  const stderr = join(worker.directory.path, "stderr");
  const files = {
    stdin: "/dev/null",
    stdout: "/dev/null",
    stderr,
    execFailure: "/dev/null",
    inputFailure: "/dev/null",
  };
  const options = {
    cwd: undefined,
    inputFile: undefined,
    variables: { TASKRUNNER_ID: "1" },
    env: undefined,
    shell: "sh",
    kind: "other",
    usesPipes: false,
    reportsBegin: false,
    isQueued: false,
  } as const;
  return attemptScript({ number: worker.nextNumber, cmd, files, ...options });
}

test("ShellWorker.retire() kills a shell that does not lead its group yet", async () => {
  const { promise: exited, resolve } = Promise.withResolvers<ExitStatus>();
  const end = () => resolve({ code: null, signal: "SIGKILL" });
  const child: ChildProcess = {
    pid: 4_000_000,
    stdin: { write() {}, close() {}, abort() {} },
    stdout: { read: () => exited.then(() => undefined), cancel() {} },
    stderr: null,
    exited,
  };
  const starting: SpawnAdapter = { name: "starting", canSignal: true, spawn: () => Promise.resolve(child) };
  const signals: [number, NodeJS.Signals | 0][] = [];
  await withTempDirectory(async (directory) => {
    const scratch = new ScratchDirectory(undefined, [unlimitedLocation(directory)]);
    const environment = workerEnvironment();
    const sendSignal = (pid: number, signal: NodeJS.Signals | 0) => {
      signals.push([pid, signal]);
      if (pid > 0) end();
      return Promise.resolve(pid > 0);
    };
    const options = { adapter: starting, shell: "sh", directory: scratch.reserve(), environment, sendSignal };
    const worker = await ShellWorker.spawn(options);
    const prepared = assertRejects(() => worker.prepare(environment), Error, "it is no longer needed");
    worker.retire();
    await prepared;
    assertEquals(signals, [[-child.pid, "SIGKILL"], [child.pid, "SIGKILL"]]);
  });
});

test("ShellWorker.run() returns the status and CPU time of each attempt", async () => {
  await withWorkers(async (start) => {
    const worker = await start();
    const reports = [];
    for (const cmd of ["exit 7", "head -c 4000000000 /dev/zero", "head -c 50000000 /dev/zero", ":"]) {
      const report = await worker.run(scriptOf(worker, cmd));
      assert("status" in report);
      reports.push(report);
    }
    const [status, much, little] = reports;
    assertEquals(status, { ...status!, status: 7, stderrIsEmpty: true, messages: "" });
    for (const { userMs, systemMs } of reports) assert(userMs >= 0 && systemMs >= 0, `${userMs}, ${systemMs}`);
    assert(much!.systemMs > little!.systemMs, JSON.stringify(reports));
  });
});

test(
  "ShellWorker.run() returns the signal that ended the worker, without waiting for background processes",
  async () => {
    await withWorkers(async (start, _woken, directory) => {
      const worker = await start();
      const file = join(directory, "pid");
      const outcome = await worker.run(`sleep 300 & echo $! > ${shellQuote(file)}; kill -9 $$\n`);
      assert("exit" in outcome);
      assertEquals([outcome.exit?.code, outcome.exit?.signal], [null, "SIGKILL"]);
      const pid = Number(await readFile(file, "utf8"));
      assert(isAlive(pid), "the background process survives");
      assertEquals(await worker.run(scriptOf(worker, ":")), outcome);
      assertEquals(worker.isUsable, false);
      process.kill(pid, "SIGKILL");
    });
  },
);

test("ShellWorker sends SIGCONT only while the worker owes a report or its exit", async () => {
  await withWorkers(async (start, woken) => {
    const [idle, stopped, retired] = [await start(), await start(), await start()];
    const report = retired.run(scriptOf(retired, ":").replace(/\n$/, () => "; kill -STOP $$\n"));
    retired.retire();
    assert("status" in await report);
    const outcome = await stopped.run(scriptOf(stopped, "kill -STOP $PPID"));
    assert("status" in outcome);
    await retired.ended; // after SIGCONT or, on a slow machine, SIGKILL
    assertEquals([idle, stopped, retired].map(({ pid }) => woken.has(pid)), [false, true, true]);
  });
});

test("ShellWorker.prepare() rejects programs that are not shells, and shells with a file size limit", async () => {
  await withWorkers(async (start, _woken, directory) => {
    await assertRejects(() => start("true"), Error, "Cannot use the shell as a worker: it exited");
    const pid = join(directory, "pid");
    const limited = join(directory, "limited");
    await writeProgram(limited, `#!/bin/sh\necho $$ > ${shellQuote(pid)}\nulimit -f 1000\nexec sh "$@"\n`);
    await assertRejects(() => start(limited), Error, "Cannot use the shell as a worker: it limits the size of files");
    const shell = Number(await readFile(pid, "utf8"));
    await waitFor("the end of the shell", () => !isAlive(shell));
    assertEquals((await readdir(directory)).sort(), ["limited", "pid"]);
  });
});

test(
  "the directory of a worker is named after its pid, and exists until it is removed",
  async () => {
    await withWorkers(async (start) => {
      const worker = await start();
      const { directory } = worker;
      assertEquals(directory.path, join(directory.parent, `${worker.pid}`));
      assert(existsSync(directory.path));
      worker.retire();
      worker.retire(); // a second call has no effect
      assertEquals(worker.isUsable, false);
      await worker.ended;
      assert(existsSync(directory.path), "the output is not collected yet");
      directory.remove();
      assertEquals(await readdir(directory.parent), []);
    });
  },
);

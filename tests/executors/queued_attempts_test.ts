/** Tests of attempts that wait in a worker behind another attempt. */

import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { createExecutor, type InternalExecutorOptions } from "../../executors/mod.ts";
import { run, type Task } from "../../mod.ts";
import type { AttemptCallbacks, Execution, Executor } from "../../pool/executor.ts";
import { plainPrograms } from "../../executors/shell/launcher/plain_programs.ts";
import { needsPipes } from "../../executors/shell/needs_pipes.ts";
import { checkTask } from "../../records/task.ts";
import { randomHex } from "../../system/random_hex.ts";
import { shellQuote } from "../../text/shell_quote.ts";
import {
  collect,
  EFFORT,
  isAlive,
  PROJECT,
  RUN_MODULE,
  RUNTIME,
  SEED,
  start,
  TIMEOUT,
  until,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { randomNumbers } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Starts attempts in one slot. */
class Slot {
  readonly executor: Executor;
  #sequence = 0;

  constructor(options: InternalExecutorOptions = {}) {
    this.executor = createExecutor(options);
  }

  start(task: Task, timeoutMs?: number, callbacks: Partial<AttemptCallbacks> = {}): Execution {
    const sequence = ++this.#sequence;
    const attempt = {
      task: checkTask(task, { number: sequence }),
      id: `${sequence}`,
      sequence,
      number: 1,
      slot: 1,
      timeoutMs,
    };
    return this.executor.start(attempt, { onStart() {}, onOutputLimit() {}, ...callbacks });
  }

  /** Starts a worker of each kind. The last attempt replaces the first shell, where there is a launcher. */
  async warm(): Promise<void> {
    for (const cmd of [":", ["true"], ":"]) await this.start({ cmd }).ended;
  }

  close(): Promise<void> {
    return this.executor.close();
  }
}

/** Calls a function with a slot and a directory. */
async function withSlot(use: (slot: Slot, directory: string) => Promise<void>): Promise<void> {
  await withTempDirectory(async (directory) => {
    const slot = new Slot();
    await slot.warm();
    await use(slot, directory);
    await slot.close();
  });
}

/** Returns a task with a script, in a worker of the kind that runs another task. */
function scriptBeside({ cmd }: Task, script: string): Task {
  const isProgram = typeof cmd !== "string" || (plainPrograms(cmd) !== undefined && !needsPipes(cmd));
  return { cmd: isProgram ? ["sh", "-c", script] : script };
}

/** The ways to run a script: in a shell, and as a program. */
const KINDS: ((script: string) => Task["cmd"])[] = [(script) => script, (script) => ["sh", "-c", script]];

/** Commands that a worker runs in different ways, and that create a file. */
const WAYS: ((file: string) => Task["cmd"])[] = [
  (file) => `touch ${shellQuote(file)}`,
  (file) => `echo a >${shellQuote(file)}`,
  (file) => ["touch", file],
  (file) => `for one in a; do touch ${shellQuote(file)}; done`,
  (file) => `touch ${shellQuote(file)} 2>/dev/stdout`,
];

test("a withdrawn attempt never begins, and its worker continues with the next one", async () => {
  for (const [index, way] of WAYS.entries()) {
    for (const fields of [{}, { stdin: "input" }, { cwd: "/" }, { env: { A: "b" } }, { timeoutMs: 60_000 }]) {
      await withSlot(async (slot, directory) => {
        const gate = join(directory, "gate");
        const task: Task = { cmd: way(join(directory, "withdrawn")), ...fields };
        const running = slot.start(scriptBeside(task, until(gate)));
        const withdrawn = slot.start(task, 60_000);
        assertEquals([withdrawn.tryWithdraw!(), withdrawn.tryWithdraw!()], [true, true]);
        const next = slot.start({ cmd: way(join(directory, "next")), ...fields });
        appendFileSync(gate, "");
        assertEquals((await running.ended).ending, { kind: "exited", status: 0 });
        assertEquals((await withdrawn.ended).ending, { kind: "withdrawn" });
        assertEquals((await next.ended).ending, { kind: "exited", status: 0 }, `way ${index}`);
        assertEquals((await readdir(directory)).sort(), ["gate", "next"]);
      });
    }
  }
});

test("an attempt that the worker has begun cannot be withdrawn, even if the runner has not read a report", async () => {
  for (const way of WAYS.slice(0, -1)) { // an attempt with pipes waits in the runner
    await withSlot(async (slot, directory) => {
      const [gate, file] = [join(directory, "gate"), join(directory, "begun")];
      const task: Task = { cmd: way(file) };
      const first = slot.start(scriptBeside(task, until(gate)));
      const second = slot.start(task);
      const other = new Slot();
      await other.warm(); // by then, the worker has both scripts
      await other.close();
      appendFileSync(gate, "");
      while (!existsSync(file)); // no report is read meanwhile
      assertEquals(second.tryWithdraw!(), false);
      first.terminate("canceled", 0); // too late
      assertEquals((await first.ended).ending, { kind: "exited", status: 0 });
      assertEquals((await first.ended).stoppedBy, undefined);
      assertEquals((await second.ended).ending, { kind: "exited", status: 0 });
    });
  }
});

test("an attempt begins in another worker when its own ends with the attempt before", async () => {
  await withSlot(async (slot, directory) => {
    const file = join(directory, "lines");
    for (const script of ["kill -9 $PPID; sleep 60", "sleep 60; :"]) {
      for (const cmdOf of KINDS) {
        const first = slot.start({ cmd: cmdOf(script) });
        let begun = 0;
        const second = slot.start({ cmd: cmdOf(`echo a >>${shellQuote(file)}; sleep 0.01`) }, undefined, {
          onStart: () => begun++,
        });
        if (script === "sleep 60; :") first.terminate("timeout", 1_000);
        assertEquals((await first.ended).ending.kind, "signaled");
        const { ending, durationMs } = await second.ended;
        assertEquals([ending, begun <= 1], [{ kind: "exited", status: 0 }, true]);
        assert(durationMs > 0 && durationMs < Infinity);
      }
    }
    assertEquals(readFileSync(file, "utf8"), "a\n".repeat(4));
  });
});

for (const [kind, cmdOf] of KINDS.entries()) {
  test(`an attempt that its worker cannot begin has another process (${kind})`, () => runsElsewhere(cmdOf));
}

async function runsElsewhere(cmdOf: (script: string) => Task["cmd"]): Promise<void> {
  await withTempDirectory(async (directory) => {
    const temporaryPrefix = `taskrunner-test-${randomHex(8)}`;
    const slot = new Slot({ temporaryPrefix });
    await slot.warm();
    const [begun, gate] = [join(directory, "begun"), join(directory, "gate")];
    const first = slot.start({
      cmd: cmdOf(`touch ${shellQuote(begun)}; until [ -e ${shellQuote(gate)} ]; do sleep 0.01; done`),
    });
    const second = slot.start({ cmd: cmdOf("echo a; sleep 0.01") });
    const other = new Slot();
    await other.warm(); // by then, the worker has both scripts
    await other.close();
    await waitFor("the first attempt", () => existsSync(begun));
    const parents = ["/dev/shm", tmpdir()].filter((parent) => existsSync(parent));
    const scratch = parents.flatMap((parent) => readdirSync(parent).map((name) => join(parent, name)))
      .filter((path) => path.includes(temporaryPrefix));
    for (const path of scratch) {
      for (const worker of readdirSync(path)) rmSync(join(path, worker), { recursive: true });
    }
    appendFileSync(gate, "");
    assertMatch((await first.ended).outputError!, /its file was removed/);
    const { ending, stdout, stoppedBy } = await second.ended;
    assertEquals([ending, stdout.text, stoppedBy], [{ kind: "exited", status: 0 }, "a\n", undefined]);
    await slot.close();
  });
}

test("the timeout and the duration of an attempt count from its turn", async () => {
  await withSlot(async (slot) => {
    for (const cmdOf of KINDS) {
      const first = slot.start({ cmd: cmdOf("sleep 0.3; :") });
      const starts: string[] = [];
      const second = slot.start({ cmd: cmdOf("sleep 0.01; echo a") }, 200, { onStart: () => starts.push("second") });
      const { durationMs } = await first.ended;
      assert(durationMs >= 300);
      const result = await second.ended;
      assertEquals([result.ending, result.stdout.text, starts], [{ kind: "exited", status: 0 }, "a\n", ["second"]]);
    }
  });
});

test("a terminated attempt that waits never begins", async () => {
  await withSlot(async (slot, directory) => {
    for (const cmdOf of KINDS) {
      const first = slot.start({ cmd: cmdOf("sleep 0.1; :") });
      const second = slot.start({ cmd: cmdOf(`touch ${shellQuote(join(directory, "begun"))}; :`) });
      second.terminate("canceled", 1_000);
      assertEquals((await first.ended).ending, { kind: "exited", status: 0 });
      const { ending, stoppedBy } = await second.ended;
      assertEquals([ending, stoppedBy, await readdir(directory)], [{ kind: "withdrawn" }, "canceled", []]);
    }
  });
});

test("a worker whose runner is dead begins no attempt that waits", async () => {
  await withTempDirectory(async (directory) => {
    const script = new URL("../fixtures/queue_and_die.ts", import.meta.url).pathname;
    const { signal } = await start(process.execPath, [...RUN_MODULE, script, directory]).ended;
    assertEquals(signal, "SIGKILL");
    const worker = Number(readFileSync(join(directory, "worker"), "utf8"));
    await waitFor("the end of the worker", () => !isAlive(worker));
    assertEquals((await readdir(directory)).sort(), ["gate", "worker"]);
  });
});

test(
  "each task of a mixture runs exactly once, whatever ends its worker",
  { timeout: TIMEOUT.timeout * EFFORT },
  async () => {
    await withTempDirectory(async (directory) => {
      const random = randomNumbers(SEED);
      const count = 300 * EFFORT;
      const tasks = Array.from({ length: count }, (_, index): Task => {
        const file = join(directory, `${index}`);
        const line = `echo ${index} >>${shellQuote(file)}`;
        const program: Task["cmd"] = ["sh", "-c", line];
        const commands: Task["cmd"][] = [line, line, program, program, program, `(${line})`, `${line}; exit 3`];
        const rare: Task["cmd"][] = [
          ...[`${line}; sleep 0.2`, `${line}; kill -9 $PPID`, `${line}; kill -9 $$`].flatMap((script) =>
            KINDS.map((cmdOf) => cmdOf(script))
          ),
          `${line} 2>/dev/null`,
        ];
        const chosen = random() < 0.1 ? rare : commands;
        const cmd = chosen[Math.floor(random() * chosen.length)]!;
        const timeoutMs = random() < 0.1 ? 60_000 : undefined;
        return { id: `${index}`, cmd, ...(random() < 0.1 && { stdin: "a" }), ...(timeoutMs && { timeoutMs }) };
      });
      const results = await collect(run(tasks, { concurrency: 4 }));
      assertEquals(results.map(({ id }) => Number(id)).sort((a, b) => a - b), tasks.map((_, index) => index));
      const lines = tasks.map((_, index) => readFileSync(join(directory, `${index}`), "utf8"));
      assertEquals(lines, tasks.map((_, index) => `${index}\n`));
    });
  },
);

// Bun has no generations whose size a program could read.
if (RUNTIME !== "bun") {
  test("attempts that have ended do not move to the old generation", async () => {
    const program = join(PROJECT, "tests", "fixtures", "old_generation.ts");
    const { stdout } = await start(process.execPath, [...RUN_MODULE, program], { stdin: "" }).ended;
    // With a Map or Set that changes for each attempt, 1,600 bytes.
    assert(Number(stdout) < 500, `${stdout} bytes for each task`);
  });
}

/** Tests of attempts in shells that the launcher has started, with real processes. */

import { Buffer } from "node:buffer";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { createExecutor, type InternalExecutorOptions } from "../../executors/mod.ts";
import type { Task } from "../../mod.ts";
import type { AttemptCallbacks, AttemptResult, Execution, Executor } from "../../pool/executor.ts";
import { checkTask } from "../../records/task.ts";
import { defaultSpawnAdapter, type SpawnAdapter } from "../../spawn_adapters/mod.ts";
import { randomHex } from "../../system/random_hex.ts";
import { shellQuote } from "../../text/shell_quote.ts";
import {
  EFFORT,
  isAlive,
  lacks,
  RUN_MODULE,
  start,
  until,
  waitFor,
  withTempDirectory,
  writeProgram,
} from "../support/helpers.ts";
import { launcherTest } from "../support/launcher.ts";

/** The slot whose shell is a child of the launcher from the beginning. The shell of the first slot is not. */
const ROUTED = 2;

/** Starts attempts with one executor. */
class Slots {
  readonly executor: Executor;
  #sequence = 0;

  constructor(options: InternalExecutorOptions = {}) {
    this.executor = createExecutor(options);
  }

  start(task: Task, callbacks: Partial<AttemptCallbacks> = {}, slot = ROUTED): Execution {
    const sequence = ++this.#sequence;
    const { timeoutMs } = task;
    const attempt = { task: checkTask(task, { number: sequence }), id: `${sequence}`, sequence, number: 1, slot };
    return this.executor.start(
      { ...attempt, ...(timeoutMs !== undefined && { timeoutMs }) },
      { onStart() {}, onOutputLimit() {}, ...callbacks },
    );
  }

  async run(cmd: string, slot?: number): Promise<AttemptResult> {
    return await this.start({ cmd }, {}, slot).ended;
  }

  /** Starts the shells of the first two slots. */
  async warm(): Promise<this> {
    await this.run(":", 1);
    await this.run(":");
    return this;
  }
}

/** Calls a function with slots whose shells run. */
async function withSlots(
  use: (slots: Slots, directory: string) => Promise<void>,
  options?: InternalExecutorOptions,
): Promise<void> {
  await withTempDirectory(async (directory) => {
    const slots = await new Slots(options).warm();
    try {
      await use(slots, directory);
    } finally {
      await slots.executor.close();
    }
  });
}

/** Prints the pid of the worker and of its parent. */
const PARENTS = "echo $PPID $(cut -d' ' -f4 /proc/$PPID/stat)";
const parentsOf = ({ stdout }: AttemptResult) => stdout.text.trim().split(" ").map(Number) as [number, number];

/** The part of a result that does not depend on the time. */
function outcomeOf({ ending, stdout, stderr, outputError }: AttemptResult) {
  return { ending, stdout, stderr, outputError };
}

launcherTest("the first shell is a child of the runner until the launcher runs, all others of the router", async () => {
  const slots = new Slots();
  const first = parentsOf(await slots.run(PARENTS, 1));
  assertEquals(first[1], process.pid);
  assertEquals(parentsOf(await slots.run(PARENTS, 1)), first); // no launcher is started for one slot
  const [second, router] = parentsOf(await slots.run(PARENTS, 2));
  assertMatch(await slots.run(`readlink /proc/${router}/exe`, 2).then(({ stdout }) => stdout.text), /\/launcher/);
  const replaced = parentsOf(await slots.run(PARENTS, 1));
  assertEquals([replaced[1], parentsOf(await slots.run(PARENTS, 3))[1]], [router, router]);
  assert(replaced[0] !== first[0] && replaced[0] !== second);
  assertEquals(parentsOf(await slots.run(PARENTS, 1)), replaced);
  await waitFor("the end of the first shell", () => !isAlive(first[0]));
  await slots.executor.close();
});

launcherTest("a shell of the router has the environment, limits and signals of a shell of the runner", async () => {
  const looks = [
    "env | grep -v -e ^TASKRUNNER_ -e ^_= | sort",
    "ls /proc/self/f?",
    "grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status",
    "umask; pwd; nice; echo $0 $- $#; ulimit",
    "cat /proc/self/oom_score_adj /proc/self/limits; tty",
    "grep -E '^Sig(Blk|Ign|Cgt)' /proc/$PPID/status; tr '\\0' ' ' </proc/$PPID/cmdline; ls /proc/$PPID/f?",
    "test $(cut -d' ' -f5,6 /proc/$PPID/stat | tr -d ' ') = $PPID$PPID && echo leads",
  ];
  for (const shell of ["sh", "dash", "bash", "mksh"]) {
    if (lacks(shell)) continue;
    const spawned = new Slots({ shell });
    const before: AttemptResult[] = [];
    for (const look of looks) before.push(await spawned.run(look, 1));
    await spawned.executor.close();
    await withSlots(async (slots) => {
      for (const [index, look] of looks.entries()) {
        assertEquals([shell, look, outcomeOf(await slots.run(look))], [shell, look, outcomeOf(before[index]!)]);
      }
    }, { shell });
  }
});

launcherTest("outputs of each size arrive whole, and in their stream", async () => {
  await withSlots(async (slots, directory) => {
    const text = Array.from({ length: 10_000 }, (_, index) => `${index}`.padStart(7, ".")).join("\n");
    await writeFile(join(directory, "text"), text);
    const near = Array.from({ length: 170 }, (_, index) => 3_850 + index * 2);
    const sizes: [number, number][] = [
      ...[0, 1, 63, 1_000].flatMap((size): [number, number][] => [[size, 0], [0, size], [size, size]]),
      ...near.flatMap((size): [number, number][] => [[size, 0], [0, size], [2_000, size - 2_000]]),
      [65_536, 65_536],
    ];
    for (const [stdout, stderr] of sizes) {
      const result = await slots.run(
        `head -c ${stdout} ${directory}/text; head -c ${stderr} ${directory}/text >&2; (exit 3)`,
      );
      assertEquals(result.ending, { kind: "exited", status: 3 });
      const isWhole = result.stdout.text === text.slice(0, stdout) && result.stderr.text === text.slice(0, stderr);
      assert(isWhole && result.outputError === undefined, `${[stdout, stderr]}`);
    }
    const binary = await slots.run("printf '\\377'; printf '\\303\\251' >&2");
    assertEquals([binary.stdout, binary.stderr], [{ text: "/w==", encoding: "base64" }, { text: "é" }]);
  });
});

launcherTest("outputs above the limits of a result are truncated or in spill files", async () => {
  await withTempDirectory(async (directory) => {
    for (const limits of [{ maxInlineBytes: 10 }, { maxOutputBytes: 10 }]) {
      await withSlots(async (slots) => {
        const { stdout } = await slots.run("echo 0123456789abcdef");
        assertEquals(stdout.text, "0123456789");
        assertEquals(stdout.file && await readFile(stdout.file, "utf8"), stdout.file && "0123456789abcdef\n");
        assertEquals([(await slots.run("echo a")).stdout.text, "a\n"], ["a\n", "a\n"]);
      }, { ...limits, spillDir: join(directory, Object.keys(limits)[0]!) });
    }
  });
});

launcherTest("live output arrives before the end of its task", async () => {
  await withSlots(async (slots, directory) => {
    let live = "";
    const go = join(directory, "go");
    const onOutput = (_stream: string, bytes: Uint8Array) => {
      live += new TextDecoder().decode(bytes);
      if (!existsSync(go)) return writeFile(go, "");
    };
    const { stdout } = await slots.start({ cmd: `echo first; ${until(go)}; echo last` }, { onOutput }).ended;
    assertEquals([stdout.text, live], ["first\nlast\n", "first\nlast\n"]);
  });
});

/** Commands of a task that change its output file `$f` in the directory `$d`, with other files in the directory `$o`. */
const TAMPERING = [
  "rm $f",
  "rm $f; echo lost",
  "echo a; rm $f; echo other >$f",
  "echo a; rm $f; ln -s $o/secret $f",
  "rm $f; mkfifo $f",
  "rm $f; mkdir $f",
  "echo a; ln $f $o/link",
  "echo a; mv $f $o/moved",
  "echo abc; : >$f; echo d",
  "echo a; chmod 0 $f",
  "echo a; rm -r $d",
  "rm -r $d; mkdir $d; echo other >$f",
];

launcherTest("a task that tampers with its output files affects neither later tasks nor other files", async () => {
  const locate = new Slots();
  const where = (await locate.run("readlink /proc/$$/f?/1", 1)).stdout.text.trim();
  await locate.executor.close();
  const parent = dirname(dirname(dirname(where))); // on the file system of the outputs, for links
  for (const stream of [1, 2]) {
    for (const tampering of TAMPERING) {
      // The glob hides the name of the descriptor, which would make the outputs pipes.
      const redirected = stream === 1 ? tampering : `{ ${tampering}; } >&2`;
      const seen = await Promise.all([1, ROUTED].map((slot) =>
        withTempDirectory(async (o) => {
          const slots = new Slots();
          for (let warm = 1; warm < slot; warm++) await slots.run(":", warm);
          await writeFile(join(o, "secret"), "secret");
          await slots.run("echo out", slot);
          const cmd = `o=${o}; f=$(readlink /proc/$$/f?/${stream}); d=$(dirname $f); ${redirected}`;
          const tampered = outcomeOf(await slots.run(cmd, slot));
          for (let repeat = 0; repeat < 3; repeat++) {
            const { ending, stdout, stderr } = await slots.run("echo out; echo err >&2", slot);
            assertEquals([ending, stdout.text, stderr.text], [{ kind: "exited", status: 0 }, "out\n", "err\n"]);
          }
          await slots.executor.close();
          const files: Record<string, string> = {};
          for (const name of await readdir(o)) files[name] = await readFile(join(o, name), "utf8");
          assertEquals(files.secret, "secret");
          return { ...tampered, files };
        }, parent)
      ));
      assertEquals([stream, tampering, seen[0]], [stream, tampering, seen[1]]);
    }
  }
});

launcherTest("scripts longer than a message or a pipe arrive whole, also behind another attempt", async () => {
  for (const shell of ["dash", "bash"]) {
    if (lacks(shell)) continue;
    await withSlots(async (slots, directory) => {
      const lengths = [3_000, ...Array.from({ length: 80 }, (_, index) => 3_600 + index * 7), 70_000, 1_000_000];
      for (const length of lengths) {
        const text = `é${"x".repeat(length)}`;
        const { ending, stderr } = await slots.run(`x='${text}'; test \${#x} -ge ${length} || exit 9; exit 3`);
        assertEquals([shell, length, stderr.text, ending], [shell, length, "", { kind: "exited", status: 3 }]);
      }
      const go = join(directory, "go");
      const first = slots.start({ cmd: until(go) });
      const second = slots.start({ cmd: `: '${"y".repeat(300_000)}'; echo second` });
      // The router passes on what it gets while the pipe to one shell is full.
      assertEquals((await slots.run("echo other", 1)).stdout.text, "other\n");
      await writeFile(go, "");
      assertEquals((await first.ended).ending, { kind: "exited", status: 0 });
      assertEquals((await second.ended).stdout.text, "second\n");
    }, { shell });
  }
});

launcherTest("a task that writes to the channel of its worker changes no result", async () => {
  await withSlots(async (slots) => {
    const texts = [
      ...["1 0 1", "5 0 1", "0m0s 0m0s\\n0m0s 0m0s\\n2 0 1", "begin 2", "Killed", "\\0", "\\0377"],
      ...[2_000, 2_047, 2_048, 2_049, 4_096, 70_000].flatMap((
        length,
      ) => ["x".repeat(length), `${"x".repeat(length)}\\n`]),
      `${"x\\n".repeat(3_000)}`,
    ];
    const [pid] = parentsOf(await slots.run(PARENTS));
    for (const text of texts) {
      const { ending } = await slots.run(`printf '%b\\n' '${text}' >/proc/${pid}/f""d/1; exit 3`);
      assertEquals([text, ending], [text, { kind: "exited", status: 3 }]);
      assertEquals((await slots.run("echo good")).stdout.text, "good\n");
    }
    assertEquals(parentsOf(await slots.run(PARENTS))[0], pid);
  });
});

launcherTest("a task that kills or stops its worker or its group has one result, and its slot continues", async () => {
  const bad: [string, unknown][] = [
    ["kill -9 $PPID; sleep 300", { kind: "signaled", signal: "SIGKILL", status: 137 }],
    ["kill -9 0; sleep 300", { kind: "signaled", signal: "SIGKILL", status: 137 }],
    ["kill -SEGV $PPID; sleep 300", { kind: "signaled", signal: "SIGSEGV", status: 139 }],
    ["kill -STOP $PPID; exit 3", { kind: "exited", status: 3 }],
    ["kill -TERM $PPID; exit 3", { kind: "exited", status: 3 }],
    ["kill -TERM 0; sleep 300", { kind: "signaled", signal: "SIGTERM", status: 143 }],
  ];
  await withSlots(async (slots) => {
    const [, router] = parentsOf(await slots.run(PARENTS));
    for (const [cmd, ending] of bad) {
      assertEquals([cmd, (await slots.run(cmd)).ending], [cmd, ending]);
      assertEquals([cmd, parentsOf(await slots.run(PARENTS))[1]], [cmd, router]);
    }
  });
});

launcherTest(
  "an attempt and the one behind it run once when the router is killed, later ones in other shells",
  async () => {
    await withSlots(async (slots, directory) => {
      const [log, go] = [join(directory, "log"), join(directory, "go")];
      const [pid, router] = parentsOf(await slots.run(PARENTS));
      const first = slots.start({ cmd: `echo first >>${log}; ${until(go)}; exit 3` });
      const second = slots.start({ cmd: `echo second >>${log}; sleep 300` });
      await waitFor("the first attempt", () => existsSync(log));
      process.kill(router, "SIGSTOP");
      await writeFile(go, "");
      await waitFor("the second attempt", () => readFileSync(log, "utf8") === "first\nsecond\n");
      process.kill(router, "SIGKILL");
      const kinds = [await first.ended, await second.ended].map(({ ending }) => ending.kind);
      assertEquals([kinds, await readFile(log, "utf8")], [["lost", "lost"], "first\nsecond\n"]);
      await waitFor("the end of the shell", () => !isAlive(pid));
      assertEquals(parentsOf(await slots.run(PARENTS))[1], process.pid);
      assertEquals(parentsOf(await slots.run(PARENTS, 1))[1], process.pid);
    });
  },
);

launcherTest("an attempt that waits when the router is killed runs once", async () => {
  for (let round = 0; round < 5 * EFFORT; round++) {
    await withSlots(async (slots, directory) => {
      const log = join(directory, "log");
      const [, router] = parentsOf(await slots.run(PARENTS));
      const first = slots.start({ cmd: `echo first >>${log}; sleep 300` });
      const second = slots.start({ cmd: `echo second >>${log}` });
      await waitFor("the first attempt", () => existsSync(log));
      process.kill(router, "SIGKILL");
      assertEquals((await first.ended).ending.kind, "lost");
      assertEquals((await second.ended).ending, { kind: "exited", status: 0 });
      assertEquals(await readFile(log, "utf8"), "first\nsecond\n");
    });
  }
});

/** The signals of a run that are only sent once they are released. */
interface HeldSignals {
  requested: () => boolean;
  release: () => void;
}

/** Calls a function with slots whose signals are held, and releases them at the end. */
async function withHeldSignals(
  use: (slots: Slots, directory: string, signals: HeldSignals) => Promise<void>,
  options: InternalExecutorOptions = {},
): Promise<void> {
  const { name, spawn } = await defaultSpawnAdapter();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  let isRequested = false;
  const spawnAdapter: SpawnAdapter = {
    name,
    canSignal: false,
    async spawn(options) {
      if (options.args.some((argument) => argument.includes("kill"))) {
        isRequested = true;
        await released;
      }
      return await spawn(options);
    },
  };
  const signals = { requested: () => isRequested, release };
  await withSlots(
    (slots, directory) => use(slots, directory, signals).finally(release),
    { ...options, spawnAdapter, cleanup: false },
  );
}

launcherTest("an attempt that its shell has not begun when the router is killed runs once", async () => {
  for (const cmd of ["echo run >>FILE", "echo run >>FILE; : >/dev/stdout", "for one in a; do echo run >>FILE; done"]) {
    await withHeldSignals(async (slots, directory, signals) => {
      const file = join(directory, "runs");
      const [pid, router] = parentsOf(await slots.run(PARENTS));
      process.kill(pid, "SIGSTOP");
      const { ended } = slots.start({ cmd: cmd.replace("FILE", file) });
      await slots.run(":", 1); // by then, the router has passed the script on
      process.kill(router, "SIGKILL");
      await waitFor("the signal to the shell", signals.requested);
      await new Promise((resolve) => setImmediate(resolve));
      process.kill(pid, "SIGCONT");
      await waitFor("the end of the shell", () => !isAlive(pid));
      signals.release();
      const { ending } = await ended;
      const runs = existsSync(file) ? readFileSync(file, "utf8") : "";
      // Nobody can tell whether an attempt with pipes has begun.
      if (cmd.includes("/dev/stdout")) assertEquals([ending.kind, runs === "" || runs === "run\n"], ["lost", true]);
      else assertEquals([ending, runs], [{ kind: "exited", status: 0 }, "run\n"]);
    });
  }
});

launcherTest("a waiting attempt cannot begin in a shell that outlives its router", async () => {
  const temporaryPrefix = `taskrunner-test-${randomHex(8)}`;
  await withHeldSignals(async (slots, directory, signals) => {
    const log = join(directory, "log");
    const [pid, router] = parentsOf(await slots.run(PARENTS));
    const first = slots.start({ cmd: `echo first >>${log}; ${until(join(directory, "go"))}` });
    const second = slots.start({ cmd: `echo second >>${log}` });
    await waitFor("the first attempt", () => existsSync(log));
    await slots.run(":", 1); // by then, the router has passed the second script on
    process.kill(router, "SIGKILL");
    await waitFor("the signal to the shell", signals.requested);
    await new Promise((resolve) => setImmediate(resolve));
    const outputs = outputFiles(temporaryPrefix).filter((path) => dirname(path).endsWith(`/${pid}`));
    assertEquals(outputs.filter((path) => statSync(path).isDirectory()).length, 1);
    await writeFile(join(directory, "go"), "");
    await waitFor("the end of the shell", () => !isAlive(pid));
    assertEquals(await readFile(log, "utf8"), "first\n");
    signals.release();
    assertEquals((await first.ended).ending.kind, "lost");
    assertEquals((await second.ended).ending, { kind: "exited", status: 0 });
    assertEquals(await readFile(log, "utf8"), "first\nsecond\n");
  }, { temporaryPrefix });
});

launcherTest("a router that is stopped is continued", async () => {
  await withSlots(async (slots, directory) => {
    const go = join(directory, "go");
    const [, router] = parentsOf(await slots.run(PARENTS));
    const running = slots.start({ cmd: `${until(go)}; echo a` });
    process.kill(router, "SIGSTOP");
    await writeFile(go, "");
    assertEquals((await running.ended).stdout.text, "a\n");
  });
});

launcherTest("a timeout counts from the start that the shell has reported", async () => {
  await withSlots(async (slots) => {
    const starts: string[] = [];
    const running = slots.start({ cmd: "sleep 300", timeoutMs: 60_000 }, { onStart: () => starts.push("first") });
    await waitFor("the start", () => starts.length === 1);
    running.terminate("timeout", 1_000);
    const { ending, stoppedBy } = await running.ended;
    assertEquals([ending, stoppedBy], [{ kind: "signaled", signal: "SIGTERM", status: 143 }, "timeout"]);
  });
});

launcherTest("a shell that the router cannot start has the result that it has without a router", async () => {
  await withTempDirectory(async (directory) => {
    const shell = join(directory, "shell");
    await writeProgram(shell, '#!/bin/sh\nexec dash "$@"\n');
    const results = [];
    for (const warm of [[1], [1, 2]]) {
      const slots = new Slots({ shell });
      for (const slot of warm) assertEquals((await slots.run(":", slot)).ending, { kind: "exited", status: 0 });
      await rm(shell);
      results.push(outcomeOf(await slots.run("echo a", 3)));
      await writeProgram(shell, '#!/bin/sh\nexec dash "$@"\n');
      assertEquals((await slots.run("echo b", 3)).stdout.text, "b\n");
      await slots.executor.close();
    }
    assertEquals(results[0]!.ending.kind, "spawn-failed");
    assertEquals(results[0], results[1]);
  });
});

/** Returns the paths of output files in directories with a prefix. */
function outputFiles(prefix: string): string[] {
  const parents = ["/dev/shm", tmpdir()].filter((parent) => existsSync(parent));
  const roots = parents.flatMap((parent) => readdirSync(parent).map((name) => join(parent, name)))
    .filter((path) => path.includes(prefix));
  return roots.flatMap((root) => readdirSync(root, { recursive: true }).map((path) => join(root, `${path}`)))
    .filter((path) => /\.(out|err)$/.test(path));
}

launcherTest("an idle shell has no output files, and a run leaves neither files nor processes", async () => {
  const temporaryPrefix = `taskrunner-test-${randomHex(8)}`;
  const pids = new Set<number>();
  await withSlots(async (slots) => {
    for (const cmd of [PARENTS, "echo a; echo b >&2", "kill -9 $PPID", "(sleep 0.05; echo noise) & echo a", PARENTS]) {
      const { stdout } = await slots.run(cmd);
      if (cmd === PARENTS) stdout.text.trim().split(" ").forEach((pid) => pids.add(Number(pid)));
    }
    const executions = Array.from({ length: 5 }, () => slots.start({ cmd: "echo a" }));
    for (const { ended } of executions) assertEquals((await ended).stdout.text, "a\n");
    await slots.start({ cmd: "echo a; cat /dev/null >&2" }, { onOutput: () => {} }).ended;
    await waitFor("the removal of outputs", () => outputFiles(temporaryPrefix).length === 0);
  }, { temporaryPrefix });
  for (const pid of pids) assert(!isAlive(pid), "a process is left");
  for (const parent of ["/dev/shm", tmpdir()]) {
    assertEquals(readdirSync(parent).filter((name) => name.includes(temporaryPrefix)), []);
  }
});

launcherTest("a shell of the router whose runner is dead begins no attempt that waits", async () => {
  await withTempDirectory(async (directory) => {
    const script = new URL("../fixtures/queue_and_die.ts", import.meta.url).pathname;
    const { signal } = await start(process.execPath, [...RUN_MODULE, script, directory, `${ROUTED}`]).ended;
    assertEquals(signal, "SIGKILL");
    const worker = Number(readFileSync(join(directory, "worker"), "utf8"));
    await waitFor("the end of the worker", () => !isAlive(worker));
    assertEquals((await readdir(directory)).sort(), ["gate", "worker"]);
  });
});

launcherTest("each of many tasks in 64 shells has one result, which is its own", async () => {
  await withSlots(async (slots, directory) => {
    await mkdir(join(directory, "runs"));
    const tasks = Array.from({ length: 600 * EFFORT }, (_, index): [Task, string, number] => {
      const file = join(directory, "runs", `${index}`);
      const line = `echo run >>${file}`;
      const kinds: [Task, string, number][] = [
        [{ cmd: `echo ${index}` }, `${index}\n`, 0],
        [{ cmd: `${line}; echo ${index}; exit ${index % 100 + 1}` }, `${index}\n`, index % 100 + 1],
        [{ cmd: `${line}; cat`, stdin: `${index}` }, `${index}`, 0],
        [{ cmd: `${line}; echo ${index}`, timeoutMs: 600_000 }, `${index}\n`, 0],
        [{ cmd: `${line}; echo ${index}; : >/dev/stdout; cat`, env: { A: "b" } }, `${index}\n`, 0],
        [{ cmd: `${line}; head -c ${3_000 + index * 4} /dev/zero | tr '\\0' y` }, "y".repeat(3_000 + index * 4), 0],
        [{ cmd: `${line}; pwd`, cwd: "/" }, "/\n", 0],
      ];
      return kinds[index % kinds.length]!;
    });
    const queues = Array.from({ length: 64 }, (_, slot) => tasks.filter((_task, index) => index % 64 === slot));
    await Promise.all(queues.map(async (queue, index) => {
      const executions: Execution[] = [];
      for (const [task] of queue) {
        executions.push(slots.start(task, {}, index + 3));
        await executions.at(-2)?.ended; // one attempt runs and one waits
      }
      for (const [position, [{ cmd }, stdout, status]] of queue.entries()) {
        const result = await executions[position]!.ended;
        assertEquals([cmd, result.ending, result.stdout.text], [cmd, { kind: "exited", status }, stdout]);
      }
    }));
    for (const name of await readdir(join(directory, "runs"))) {
      assertEquals(await readFile(join(directory, "runs", name), "utf8"), "run\n");
    }
  });
});

launcherTest("an attempt keeps its output when its worker ends with the report of the attempt before", async () => {
  await withSlots(async (slots) => {
    for (let round = 0; round < 12; round++) {
      await slots.run(":"); // starts a shell
      const first = slots.start({ cmd: "x=1; sleep 0.02; echo a" });
      const second = slots.start({ cmd: "echo b; kill -9 $PPID" });
      const outcomes = [outcomeOf(await first.ended), outcomeOf(await second.ended)];
      assertEquals(outcomes.map(({ stdout }) => stdout.text), ["a\n", "b\n"]);
      assertEquals(outcomes.map(({ outputError }) => outputError), [undefined, undefined]);
    }
  });
});

launcherTest("the duration of an attempt includes the time for which the report before it waits", async () => {
  await withSlots(async (slots) => {
    // On a busy machine, the launcher may read the report before it late, which makes some of the durations too short.
    let lead = 0;
    const seen: number[] = [];
    while (lead < 5 && seen.length < 200) {
      const first = slots.start({ cmd: "x=1; sleep 0.05" });
      const second = slots.start({ cmd: "x=1; sleep 0.002" });
      await first.ended;
      const { durationMs } = await second.ended;
      lead += durationMs >= 1 ? 1 : -1;
      seen.push(durationMs);
    }
    assertEquals(lead, 5, `${seen}`);
  });
});

launcherTest("the worker of a shell that has ended sends nothing to the process that has its place", async () => {
  for (const look of [PARENTS, `sh -c ${shellQuote(PARENTS)}`]) {
    await withSlots(async (slots) => {
      const [shell] = parentsOf(await slots.run(PARENTS));
      process.kill(shell, "SIGKILL");
      await waitFor("the end of the shell", () => !isAlive(shell));
      for (let round = 0; round < 3; round++) await slots.run(PARENTS, 1); // until the launcher has reported the end
      const place = parentsOf(await slots.run(look, 3));
      await slots.run(PARENTS);
      await slots.run(PARENTS, 1);
      assertEquals(parentsOf(await slots.run(look, 3)), place);
    });
  }
});

launcherTest("a message about a missing program has its line number when it is not UTF-8", async () => {
  await withSlots(async (slots) => {
    await slots.run(":");
    const { stderr } = await slots.run("./missing\udcff $HOME");
    assertEquals(Buffer.from(stderr.text, "base64").toString("latin1"), "sh: 1: ./missing\xff: not found\n");
  });
});

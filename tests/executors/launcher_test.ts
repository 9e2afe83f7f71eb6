/** Tests of attempts that a starter of the launcher runs, with real processes. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertRejects } from "@std/assert/rejects";
import { assertStringIncludes } from "@std/assert/string-includes";
import { createExecutor, type InternalExecutorOptions } from "../../executors/mod.ts";
import { run, type RunOptions, type Task, type TaskResult } from "../../mod.ts";
import type { AttemptCallbacks, Execution } from "../../pool/executor.ts";
import { checkTask } from "../../records/task.ts";
import { type ChildProcess, defaultSpawnAdapter, type SpawnAdapter } from "../../spawn_adapters/mod.ts";
import { randomHex } from "../../system/random_hex.ts";
import { concatenate } from "../../text/concatenate.ts";
import { shellQuote } from "../../text/shell_quote.ts";
import {
  collect,
  EFFORT,
  isAlive,
  lacks,
  parentOf,
  parseResults,
  shell,
  until,
  waitFor,
  withTempDirectory,
  writeProgram,
} from "../support/helpers.ts";
import { inShell, isLauncher, launcherTest, LOOK } from "../support/launcher.ts";

/** Returns a task with a script that a program runs, in a starter. */
function script(text: string, ...args: string[]): Task & { cmd: string[] } {
  return { cmd: ["sh", "-c", text, "sh", ...args] };
}

/** Runs tasks one after another in one slot. Returns the results in the order of the tasks. */
function inOneSlot(tasks: Task[], options: RunOptions = {}): Promise<TaskResult[]> {
  return collect(run(tasks, { executor: "shell", concurrency: 1, keepOrder: true, ...options }));
}

type Outcome = Pick<TaskResult, "status" | "outcome" | "signal" | "error" | "stdout" | "stderr" | "stdoutEncoding">;

function outcomeOf({ status, outcome, signal, error, stdout, stderr, stdoutEncoding }: TaskResult): Outcome {
  return { status, outcome, signal, error, stdout, stderr, stdoutEncoding };
}

/** Runs tasks in starters and in their own processes, and compares the results. */
async function assertSameAsProcess(tasks: Task[], options: RunOptions = {}): Promise<TaskResult[]> {
  const results = await inOneSlot(tasks, options);
  const expected = await inOneSlot(tasks, { ...options, executor: "process", concurrency: 4 });
  for (const [index, { cmd }] of tasks.entries()) {
    assertEquals([cmd, outcomeOf(results[index]!)], [cmd, outcomeOf(expected[index]!)]);
  }
  return results;
}

launcherTest("arrays and, with dash, plain words run in a starter; other commands in a shell", async () => {
  if (lacks("dash")) return;
  await withTempDirectory(async (directory) => {
    const look = join(directory, "look");
    await writeProgram(look, `#!/bin/sh\n${LOOK}\n`);
    await writeFile(join(directory, "input"), "");
    const tasks: [boolean, Task][] = [
      [true, { cmd: [look] }],
      [true, { cmd: look }],
      [true, { cmd: ` ${look} a 'b c' "d"` }],
      [true, { cmd: [look], stdin: "x", env: { A: "b" }, timeoutMs: 600_000 }],
      [true, { cmd: look, stdin: new Uint8Array(10) }],
      [true, { cmd: [look], cwd: "/" }],
      [true, { cmd: look, cwd: directory }],
      [true, { cmd: `${look} | cat` }],
      [true, { cmd: `${look} >&1 </dev/null 2>/dev/null` }],
      [false, { cmd: [look], stdin: { file: join(directory, "input") } }],
      [false, { cmd: [look, "/dev/stdout"] }],
      [false, { cmd: `${look}; :` }],
      [false, { cmd: `${look} $x` }],
    ];
    const results = await inOneSlot([{ cmd: ":" }, ...tasks.map(([, task]) => task)], { shell: "dash" });
    for (const [index, [isProgram, { cmd }]] of tasks.entries()) {
      assertEquals([cmd, isLauncher(results[index + 1]!.stdout)], [cmd, isProgram]);
    }
  });
});

launcherTest("exit statuses are those of the process executor", async () => {
  const tasks = Array.from({ length: 256 }, (_, status) => script(`exit ${status}`));
  const results = await assertSameAsProcess(tasks);
  assertEquals(results.map(({ status }) => status), tasks.map((_, status) => status));
});

launcherTest("signals that end a program are those of the process executor", async () => {
  const { SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU } = constants.signals;
  const stops: number[] = [SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU];
  const numbers = Array.from({ length: 31 }, (_, index) => index + 1).filter((number) => !stops.includes(number));
  const end = (number: number) => script(`kill -${number} $$; echo $?`);
  const results = await assertSameAsProcess(numbers.map(end));
  const ended = results.filter(({ outcome }) => outcome === "killed");
  assertEquals(ended.length, numbers.length - 4); // SIGCHLD, SIGCONT, SIGURG and SIGWINCH have no effect
  assertEquals(results.map(({ signal }) => signal).slice(0, 3), ["SIGHUP", "SIGINT", "SIGQUIT"]);
  // Node cannot report real-time signals. The C library keeps the first two.
  const realTime = Array.from({ length: 31 }, (_, index) => index + 34);
  assertEquals(
    (await inOneSlot(realTime.map(end))).map(({ status, outcome, signal }) => [status, outcome, signal]),
    realTime.map((number) => [128 + number, "killed", `SIG${number}`]),
  );
});

launcherTest("a program gets the environment, descriptors and signals that it has in its own process", async () => {
  for (const shell of ["sh", "bash", "mksh"]) {
    if (lacks(shell)) continue;
    const tasks = [
      script("env | grep -v -e ^TASKRUNNER_SLOT= -e ^_= | sort; env | grep launcher"), // shells set the variable _
      script("ls /proc/self/f?"), // the glob hides the name of the descriptors
      script("grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status"),
      script("umask; pwd; nice"),
      script("cat /proc/self/oom_score_adj /proc/self/limits; tty"),
    ];
    await assertSameAsProcess(tasks.slice(0, 2), { shell });
    const before = await inOneSlot(tasks.map(inShell), { shell });
    const results = await inOneSlot(tasks, { shell });
    for (const index of [2, 3, 4]) assertEquals(outcomeOf(results[index]!), outcomeOf(before[index]!));
  }
});

launcherTest("a program inherits the descriptors that its own process would inherit", async () => {
  const look = JSON.stringify(script("echo /proc/$$/f?/9"));
  const [starter, own] = await Promise.all(["shell", "process"].map(async (executor) => {
    const { stdout } = await shell(
      `exec 9</dev/null; echo ${shellQuote(look)} | $RUNTIME cli.ts --executor ${executor}`,
    );
    return parseResults(stdout)[0]?.stdout;
  }));
  assert(own !== undefined);
  assertEquals(starter!.replace(/\d+/, ""), own.replace(/\d+/, ""));
});

launcherTest("a program gets the variables that identify its attempt, and those of its task", async () => {
  const print = script(
    'printf "%s\\n" "$TASKRUNNER_ID" "$TASKRUNNER_SLOT" "$TASKRUNNER_ATTEMPT" "$A" "$HOME"; exit $B',
  );
  const [first, second, third] = await inOneSlot([
    { ...print, id: "é \n=", env: { A: "x=y\nz", HOME: "/other", B: "0" } },
    { ...print, id: "2", env: { A: "", B: "1" }, retries: 1 },
    { ...print, id: "3" },
  ]);
  const home = process.env.HOME ?? "";
  assertEquals(first!.stdout, "é \n=\n1\n1\nx=y\nz\n/other\n");
  assertEquals([second!.stdout, second!.attempts], [`2\n1\n2\n\n${home}\n`, 2]);
  assertEquals(third!.stdout, `3\n1\n1\n\n${home}\n`);
});

launcherTest("the variable PATH of a task decides which program is found", async () => {
  await withTempDirectory(async (directory) => {
    for (const name of ["first", "second", "third", "fourth"]) await mkdir(join(directory, name));
    const at = (name: string) => join(directory, name, "find-me");
    await writeFile(at("first"), "#!/bin/sh\necho first\n"); // without permission to execute
    await mkdir(at("second"));
    await writeProgram(at("third"), "#!/bin/sh\necho third\n");
    await writeProgram(at("fourth"), "#!/bin/sh\necho fourth\n");
    const path = (...names: string[]) =>
      names.map((name) => name.startsWith("/") ? name : join(directory, name)).join(":");
    const tasks = [
      path("third", "fourth"),
      path("fourth", "third"),
      path("/nowhere", at("third"), "third"),
      path("first", "third"),
      path("second", "third"),
      `:${path("fourth")}:`,
      `${"x".repeat(3_000)}:${path("third")}`,
      path("/nowhere"),
      path("first"),
      "",
    ].map((PATH): Task => ({ cmd: ["find-me", "a"], env: { PATH } }));
    const results = await inOneSlot(tasks);
    const before = await inOneSlot(tasks.map(inShell));
    assertEquals(results.map(outcomeOf), before.map(outcomeOf));
    assertEquals(results.slice(0, 7).map(({ stdout }) => stdout.trim()), [
      "third",
      "fourth",
      "third",
      "third",
      "third",
      "fourth",
      "third",
    ]);
    assertEquals(results.slice(7).map(({ outcome }) => outcome), ["not-started", "not-started", "not-started"]);
  });
});

launcherTest("programs that cannot run have the results that they have without a starter", async () => {
  await withTempDirectory(async (directory) => {
    const file = (name: string) => join(directory, name);
    await writeFile(file("not-executable"), "#!/bin/sh\n");
    await writeFile(file("empty"), "");
    await writeFile(file("bad-interpreter"), "#!/nowhere/interpreter\n");
    for (const name of ["empty", "bad-interpreter"]) await chmod(file(name), 0o755);
    await symlink("loop", file("loop"));
    const common = ["no-such-program", file("none"), "./none", file("not-executable"), directory];
    const others = [".", "/", file("loop"), file("not-executable/x"), "x".repeat(300), `/${"x".repeat(300)}`];
    const tasksOf = (programs: string[]) => programs.map((program): Task => ({ cmd: [program, "a"] }));
    const results = await assertSameAsProcess(tasksOf(common));
    const more = await inOneSlot(tasksOf(others));
    const before = await inOneSlot(tasksOf(others).map(inShell));
    assertEquals(more.map(outcomeOf), before.map(outcomeOf));
    assertEquals(new Set([...results, ...more].map(({ outcome }) => outcome)), new Set(["not-started"]));
    const [bad] = await inOneSlot([{ cmd: [file("bad-interpreter")] }]);
    assertEquals([bad!.outcome, bad!.stdout], ["not-started", ""]);
    // The slot still runs programs in its starter.
    const [, after] = await inOneSlot([{ cmd: ["no-such-program"] }, script(LOOK)]);
    assert(isLauncher(after!.stdout));
  });
});

launcherTest("a program without a first line runs as in a shell, a relative path as from this directory", async () => {
  await withTempDirectory(async (directory) => {
    const program = join(directory, "program");
    await writeProgram(program, 'echo "$# $1 $2"; exit 7\n');
    const path = relative(process.cwd(), program);
    const commands = [[program, "a b", ""], [path.includes("/") ? path : `./${path}`, "a b", ""]];
    const tasks = commands.map((cmd): Task => ({ cmd }));
    for (const results of [await inOneSlot(tasks), await inOneSlot(tasks.map(inShell))]) {
      assertEquals(results.map(({ status, stdout, stderr }) => [status, stdout, stderr]), [
        [7, "2 a b \n", ""],
        [7, "2 a b \n", ""],
      ]);
    }
  });
});

launcherTest("arguments arrive unchanged: empty, long, and with any bytes", async () => {
  const print = (...args: string[]) => ["printf", "[%s]", ...args];
  const lists = [
    [""],
    ["", "a", "", ""],
    ["\n", " ", "\t", "'", '"', "\\", "$x", "`x`", "*", "\x01\x7f"],
    ["é", "𝄞", "\ufeff"],
    Array<string>(3_000).fill(""),
    ["x".repeat(100_000)],
    Array<string>(500).fill("y".repeat(1_000)),
  ];
  const results = await assertSameAsProcess(lists.map((args): Task => ({ cmd: print(...args) })));
  assertEquals(results.map(({ stdout }) => stdout), lists.map((args) => args.map((arg) => `[${arg}]`).join("")));
  const [bytes] = await inOneSlot([{ cmd: print("\udc80\udcff", "a\udcc3"), env: { A: "\udc80" } }]);
  assertEquals([bytes!.stdout, bytes!.stdoutEncoding], [btoa("[\x80\xff][a\xc3]"), "base64"]);
});

launcherTest("a command at the limit of a message runs in a starter, a longer one in a shell", async () => {
  const sizes = Array.from({ length: 120 }, (_, index) => 3_780 + 3 * index);
  const tasks = sizes.map((size) => script(`${LOOK}; printf %s "$1"`, "x".repeat(size)));
  const results = await inOneSlot(tasks);
  const kinds = results.map(({ stdout }, index) => {
    const [parent, argument] = stdout.split("\n");
    assertEquals(argument, "x".repeat(sizes[index]!));
    return isLauncher(parent!);
  });
  assertEquals([kinds[0], kinds.at(-1)], [true, false]);
  assertEquals(kinds.indexOf(false), kinds.lastIndexOf(true) + 1); // one limit
});

/** Returns text in which no two places look alike. */
const textOf = (length: number) =>
  Array.from({ length: Math.ceil(length / 8) }, (_, index) => `${index}`.padStart(7, ".") + "\n").join("").slice(
    0,
    length,
  );

launcherTest("outputs of each size arrive whole, and in their stream", async () => {
  await withTempDirectory(async (directory) => {
    const [out, err] = [textOf(2 ** 20 + 5), textOf(2 ** 20 + 5).replaceAll(".", "_")];
    await writeFile(join(directory, "out"), out);
    await writeFile(join(directory, "err"), err);
    const near = Array.from({ length: 101 }, (_, index) => 4_000 + index);
    const sizes: [number, number][] = [
      [0, 0],
      ...[1, 63, 64, 65, 1_000].flatMap((size): [number, number][] => [[size, 0], [0, size], [size, size]]),
      ...near.flatMap((size): [number, number][] => [
        [size, 0],
        [0, size],
        [2_000, size - 2_000],
        [size, size],
      ]),
      ...[2 ** 16 - 1, 2 ** 16, 2 ** 16 + 1, 2 ** 20 - 1, 2 ** 20].flatMap((size): [number, number][] => [
        [size, 0],
        [1, size],
        [size, size],
      ]),
      [0, 0],
      [1, 1],
    ];
    const copy = `head -c "$1" ${directory}/out; head -c "$2" ${directory}/err >&2`;
    const tasks = sizes.map(([stdout, stderr]) => script(copy, `${stdout}`, `${stderr}`));
    const results = await inOneSlot(tasks);
    for (const [index, [stdout, stderr]] of sizes.entries()) {
      const result = results[index]!;
      assertEquals([index, result.outcome, result.error], [index, "ok", undefined]);
      assert(result.stdout === out.slice(0, stdout) && result.stderr === err.slice(0, stderr), `${[stdout, stderr]}`);
    }
  });
});

launcherTest(
  "outputs larger than maxInlineBytes are in spill files, and larger than maxOutputBytes truncated",
  async () => {
    await withTempDirectory(async (directory) => {
      const text = textOf(10_000);
      await writeFile(join(directory, "text"), text);
      const sizes = [0, 9, 10, 11, 100, 5_000];
      const copy = `head -c "$1" ${directory}/text; head -c "$1" ${directory}/text >&2`;
      const tasks = sizes.map((size) => script(copy, `${size}`));
      const results = await inOneSlot(tasks, { maxInlineBytes: 10, spillDir: join(directory, "spill") });
      for (const [index, size] of sizes.entries()) {
        const { outcome, stdout, stderr, stdoutFile, stderrFile, stdoutBytes } = results[index]!;
        assertEquals([outcome, stdout, stderr], ["ok", text.slice(0, Math.min(size, 10)), stdout]);
        assertEquals(stdoutBytes, size > 10 ? size : undefined);
        for (const file of [stdoutFile, stderrFile]) {
          assertEquals(file && readFileSync(file, "utf8"), size > 10 ? text.slice(0, size) : undefined);
        }
      }
      const limited = await inOneSlot(tasks, { maxOutputBytes: 10, spillDir: join(directory, "limited") });
      assertEquals(
        limited.map(({ outcome, stdout }) => [outcome, stdout]),
        sizes.map((size) => [size > 10 ? "output-limit" : "ok", text.slice(0, Math.min(size, 10))]),
      );
    });
  },
);

launcherTest("binary output arrives as base64", async () => {
  const results = await assertSameAsProcess([
    script("printf '\\377\\000\\200'; printf a >&2"),
    script("printf 'a\\000b'"),
    script("printf '\\303'; printf '\\251' >&2"),
  ]);
  assertEquals(results.map(({ stdoutEncoding }) => stdoutEncoding), ["base64", undefined, "base64"]);
});

launcherTest("live output arrives whole, before the end of its task", async () => {
  await withTempDirectory(async (directory) => {
    const [live, text] = [{ stdout: "", stderr: "" }, textOf(300_000)];
    await writeFile(join(directory, "text"), text);
    const decoder = new TextDecoder();
    const go = join(directory, "go");
    const results = await inOneSlot(
      [script(`echo first; echo error >&2; ${until(go)}; cat ${directory}/text; echo last >&2`), script("echo next")],
      {
        onOutput({ stream, bytes }: { stream: "stdout" | "stderr"; bytes: Uint8Array }) {
          live[stream] += decoder.decode(bytes);
          if (live.stdout !== "" && live.stderr !== "" && !existsSync(go)) return writeFile(go, "");
        },
      } as RunOptions,
    );
    assertEquals(results.map(({ stdout }) => stdout), [`first\n${text}`, "next\n"]);
    assertEquals(live, { stdout: `first\n${text}next\n`, stderr: "error\nlast\n" });
  });
});

launcherTest("standard input has the data of the task, or is empty", async () => {
  const inputs = ["", "x", "é\0\n", textOf(100_000), textOf(2 ** 20)];
  const tasks = inputs.flatMap((
    stdin,
  ): Task[] => [{ cmd: ["cat"], stdin }, { cmd: ["cat"] }, { cmd: ["true"], stdin }]);
  const results = await inOneSlot(tasks, { maxInlineBytes: 2 ** 21 });
  for (const [index, { stdin, cmd }] of tasks.entries()) {
    assert(results[index]!.stdout === (cmd[0] === "cat" ? stdin ?? "" : ""), `task ${index}`);
    assertEquals(results[index]!.outcome, "ok");
  }
  const [bytes] = await inOneSlot([{ cmd: ["cat"], stdin: Uint8Array.of(0xff, 0) }]);
  assertEquals(bytes!.stdout, "/wA=");
});

launcherTest("a task that kills or stops its starter or its group has one result, and its slot continues", async () => {
  const bad: [string, string][] = [
    ["kill -9 $PPID; sleep 300", "SIGKILL"],
    ["kill -9 0; sleep 300", "SIGKILL"],
    ["kill -SEGV $PPID; sleep 300", "SIGSEGV"],
    ["kill -STOP $PPID; echo stopped", "ok"],
    ["kill -TERM $PPID; echo ignored", "ok"],
    ["kill -HUP $PPID; kill -INT $PPID; kill -PIPE $PPID; kill -USR1 $PPID; echo ignored", "ok"],
    ["kill -TERM 0; sleep 300", "SIGTERM"],
    ["kill -INT 0; sleep 300", "SIGINT"],
    [`kill -${constants.signals.SIGTSTP} $PPID; echo stopped`, "ok"],
  ];
  const good = script(`${LOOK}`);
  const results = await inOneSlot(bad.flatMap(([text]) => [script(text), good, good]));
  for (const [index, [text, expected]] of bad.entries()) {
    const [{ outcome, signal }, ...after] = results.slice(3 * index, 3 * index + 3) as [TaskResult, ...TaskResult[]];
    assertEquals([text, outcome, signal ?? outcome], [text, expected === "ok" ? "ok" : "killed", expected]);
    assertEquals(after.map(({ stdout }) => isLauncher(stdout)), [true, true], text);
  }
  assertEquals(results.length, 3 * bad.length);
});

launcherTest("processes of a task that kills its starter are terminated before its result", async () => {
  await withTempDirectory(async (directory) => {
    const pids = join(directory, "pids");
    const [result] = await inOneSlot([
      script(`sleep 300 & echo $$ $! >${pids}; kill -9 $PPID; exec sleep 300`),
    ]);
    assertEquals([result!.status, result!.outcome], [137, "killed"]);
    for (const pid of (await readFile(pids, "utf8")).trim().split(" ")) assert(!isAlive(Number(pid)));
  });
});

const SLOTS = 8;

for (const signal of ["SIGKILL", "SIGTERM", "SIGSTOP"] as const) {
  for (const [victim, generations] of [["router", 1], ["shell of the router", 2]] as const) {
    if (signal === "SIGSTOP" && victim === "router") continue;
    launcherTest(`each task has one result when the ${victim} gets ${signal}`, () => endAncestor(signal, generations));
  }
}

/** Signals an ancestor of the starters while each of them runs a program. */
async function endAncestor(signal: "SIGKILL" | "SIGTERM" | "SIGSTOP", generations: number): Promise<void> {
  await withTempDirectory(async (directory) => {
    const begun = join(directory, "begun");
    await mkdir(begun);
    const waiting =
      `echo $$ $PPID >${begun}/$TASKRUNNER_ID.new; mv ${begun}/$TASKRUNNER_ID.new ${begun}/$TASKRUNNER_ID`;
    const running = Array.from({ length: SLOTS }, (_, index): Task => ({
      ...script(`${waiting}; ${until(`${directory}/go`)}; ${LOOK}`),
      id: `running ${index}`.replace(" ", "-"),
    }));
    const later = Array.from({ length: 3 * SLOTS }, (_, index): Task => ({ ...script(LOOK), id: `later-${index}` }));
    const results = collect(run([...running, ...later], { executor: "shell", concurrency: SLOTS }));
    await waitFor(
      "the tasks",
      async () => (await readdir(begun)).filter((name) => !name.includes(".")).length === SLOTS,
    );
    const pids = (await readdir(begun)).map((name) =>
      readFileSync(join(begun, name), "utf8").trim().split(" ").map(Number)
    );
    let ancestor = pids[0]![1]!;
    for (let generation = 0; generation < generations; generation++) ancestor = parentOf(ancestor);
    assert(ancestor !== process.pid && ancestor > 1);
    process.kill(ancestor, signal);
    const isKilled = signal === "SIGKILL";
    if (isKilled) await waitFor("the end of the tasks", () => pids.every(([pid]) => !isAlive(pid!)));
    await writeFile(join(directory, "go"), "");
    const ended = await results;
    assertEquals(ended.map(({ id }) => id).sort(), [...running, ...later].map(({ id }) => id).sort());
    for (const { id, outcome, stdout, error } of ended) {
      if (id.startsWith("running") && isKilled) {
        assertEquals([id, outcome === "ok", stdout], [id, false, ""]);
        assertMatch(error ?? "", /Cannot tell how the task ended/);
      } else assertEquals([id, outcome, stdout !== ""], [id, "ok", true]);
    }
    if (isKilled) assertEquals(ended.filter(({ stdout }) => isLauncher(stdout)), []);
    for (const pid of pids.flat()) assert(!isAlive(pid));
  });
}

/** Returns an adapter that changes each worker. */
async function adapterThat(change: (worker: ChildProcess) => ChildProcess): Promise<SpawnAdapter> {
  const { name, canSignal, spawn } = await defaultSpawnAdapter();
  return { name, canSignal, spawn: async (options) => change(await spawn(options)) };
}

/** Matches the script that starts the launcher. */
const LAUNCH = /^\S+\/launcher'? \$PPID;/m;

launcherTest("tasks run in shells when the launcher cannot start", async () => {
  const failures = [
    "false;",
    "exit 3;",
    "kill -9 $$;",
    "/nowhere/launcher $PPID;",
    "echo;",
    `printf %40s;`,
    `printf '\\044\\0\\0\\0%32s';`, // the length of a report, and an unknown kind
    "head -c 100000 /dev/zero;",
  ];
  for (const failure of failures) {
    let launches = 0;
    const spawnAdapter = await adapterThat((worker) => {
      const { stdin } = worker;
      if (!stdin) return worker;
      const write = (data: string | Uint8Array) => {
        const isLaunch = typeof data === "string" && LAUNCH.test(data);
        if (isLaunch) launches++;
        stdin.write(isLaunch ? data.replace(LAUNCH, failure) : data);
      };
      return { ...worker, stdin: { ...stdin, write, close: () => stdin.close(), abort: () => stdin.abort() } };
    });
    const tasks = [script(LOOK), script("exit 3"), script("cat"), script("kill -9 $PPID; sleep 300"), script("echo a")];
    const results = await inOneSlot(tasks, { spawnAdapter, cleanup: false });
    assertEquals([failure, launches, isLauncher(results[0]!.stdout)], [failure, 1, false]);
    assertEquals([failure, ...results.map(({ outcome }) => outcome)], [failure, "ok", "failed", "ok", "killed", "ok"]);
  }
});

launcherTest("a starter that dies as soon as it is open does not keep its slot from running tasks", async () => {
  const OPENED = 1;
  let killed = 0;
  const spawnAdapter = await adapterThat((worker) => {
    const { stdout } = worker;
    const read = async () => {
      const bytes = (await stdout.read())?.slice();
      const view = bytes && new DataView(bytes.buffer);
      const isOpened = view?.byteLength === 36 && view.getUint32(0, true) === 36 && view.getUint32(8, true) === OPENED;
      if (!isOpened || killed > 0) return bytes;
      process.kill(view.getUint32(32, true), "SIGKILL");
      killed++;
      const died = await stdout.read(); // both reports arrive at once
      return concatenate([bytes!, died!]);
    };
    return { ...worker, stdout: { read, cancel: () => stdout.cancel() } };
  });
  const results = await inOneSlot([script("echo a"), script("echo b"), script("echo c")], {
    spawnAdapter,
    cleanup: false,
  });
  assertEquals([killed, ...results.map(({ stdout }) => stdout)], [1, "a\n", "b\n", "c\n"]);
});

launcherTest("a background process never writes into the output of a later task", async () => {
  await withTempDirectory(async (directory) => {
    const file = (name: string, round: number) => join(directory, `${name}-${round}`);
    for (let round = 0; round < 10 * EFFORT; round++) {
      const go = file("go", round);
      const stop = file("stop", round);
      const noise = "echo noise; echo noise >&2";
      const results = await inOneSlot([
        script("echo first; echo error >&2"),
        // One process keeps its outputs until a later task runs, another one writes all the time.
        script(`(${until(go)}; ${noise}; touch ${file("done", round)}) & echo quiet`),
        script(`(until test -e ${stop}; do ${noise}; sleep 0.001; done) & sleep 0.001`),
        script("echo quiet"),
        script(`touch ${go}; ${until(file("done", round))}; echo quiet; echo error >&2`),
        ...Array.from({ length: 5 }, () => script("sleep 0.002; echo quiet")),
        script(`touch ${stop}`),
        script("echo quiet"),
      ]);
      assertEquals(results.map(({ outcome }) => outcome), results.map(() => "ok"));
      const seen = results.map(({ stdout, stderr }) => [stdout, stderr]);
      assertEquals([seen[0], seen[1], seen[3], seen[4]], [
        ["first\n", "error\n"],
        ["quiet\n", ""],
        ["quiet\n", ""],
        ["quiet\n", "error\n"],
      ]);
      for (const index of [5, 6, 7, 8, 9, 11]) assertEquals([index, seen[index]], [index, ["quiet\n", ""]]);
      assertEquals(seen[10], ["", ""]);
    }
  });
});

launcherTest(
  "a background process that keeps an output through another descriptor, or for reading, gets it alone",
  async () => {
    await withTempDirectory(async (directory) => {
      const [go, done] = [join(directory, "go"), join(directory, "done")];
      const results = await inOneSlot([
        script("echo first"),
        script(`exec 7>&1; (exec >/dev/null 2>&1; ${until(go)}; echo noise >&7; touch ${done}) & echo quiet`),
        script(`touch ${go}; ${until(done)}; echo quiet`),
        script(`rm ${go} ${done}`),
        // The name of the descriptor is in two parts, because it would make the outputs pipes.
        script(`p=/proc/self/f; f=$(readlink /proc/$$/f?/1)
        exec 7<$f; (exec >/dev/null 2>&1; ${until(go)}; echo noise >>"$p"d/7; touch ${done}) & echo quiet`),
        script(`touch ${go}; ${until(done)}; echo quiet`),
        script("echo last"),
      ]);
      assertEquals(
        results.map(({ stdout }) => stdout.trim()),
        ["first", "quiet", "quiet", "", "quiet", "quiet", "last"],
      );
    });
  },
);

/** Commands of a task that change its output file `$f` in the directory `$d`, with other files in the directory `$1`. */
const TAMPERING = [
  "rm $f",
  "rm $f; echo lost",
  "echo a; rm $f; echo other >$f",
  "echo a; rm $f; ln -s $1/secret $f",
  "rm $f; mkfifo $f",
  "rm $f; mkdir $f",
  "rm $f; mkdir $f; touch $f/x",
  "echo a; ln $f $1/link",
  "echo a; ln $f $1/link; rm $f",
  "echo a; mv $f $1/moved",
  "echo a; mv $f $1/moved; echo other >$f",
  "echo abc; : >$f; echo d",
  "echo abc; echo d >>$f",
  "echo a; chmod 0 $f",
  "echo a; rm -r $d",
  "rm -r $d; mkdir $d; echo other >$f",
  "echo a; mv $d $1/directory",
  "echo a; touch $d/1.out $d/2.out $d/3.out $d/4.out $d/5.out",
];

launcherTest("a task that tampers with its output files affects neither later tasks nor other files", async () => {
  const [where] = await inOneSlot([script("readlink /proc/$$/f?/1")]);
  const parent = dirname(dirname(dirname(where!.stdout))); // on the file system of the outputs, for links
  for (const stream of [1, 2]) {
    for (const tampering of TAMPERING) {
      // The glob hides the name of the descriptor, which would make the outputs pipes.
      const redirected = stream === 1 ? `${tampering}` : `{ ${tampering}; } >&2`;
      const text = `f=$(readlink /proc/$$/f?/${stream}); d=$(dirname $f); ${redirected}`;
      for (const earlier of [0, 2]) {
        const seen = await Promise.all([true, false].map((isProgram) =>
          withTempDirectory(async (directory) => {
            await writeFile(join(directory, "secret"), "secret");
            const echo = script("echo out; echo err >&2");
            const tasks = [...Array<Task>(earlier).fill(echo), script(text, directory), echo, echo, echo];
            const results = await inOneSlot(isProgram ? tasks : tasks.map(inShell));
            const result = results.splice(earlier, 1)[0]!;
            assertEquals(
              results.map(({ outcome, stdout, stderr }) => [outcome, stdout, stderr]),
              results.map(() => ["ok", "out\n", "err\n"]),
              tampering,
            );
            const files: Record<string, string> = {};
            for (const name of await readdir(directory)) {
              if (name !== "directory") files[name] = await readFile(join(directory, name), "utf8");
            }
            assertEquals(files.secret, "secret");
            // Names in messages differ.
            return { ...outcomeOf(result), stderr: result.stderr.replace(/'.*'/, ""), files };
          }, parent)
        ));
        assertEquals([stream, tampering, earlier, seen[0]], [stream, tampering, earlier, seen[1]]);
      }
    }
  }
});

launcherTest("timeouts and the end of the run terminate a program with its processes", async () => {
  await withTempDirectory(async (directory) => {
    const pids = join(directory, "pids");
    const started = `echo $$ >>${pids}; sleep 300 & echo $! >>${pids}`;
    const [late, stubborn, after] = await inOneSlot([
      { ...script(`${started}; wait`), timeoutMs: 500 },
      { ...script(`trap '' TERM; ${started}; echo out; while :; do sleep 0.05; done`), timeoutMs: 500 },
      script(LOOK),
    ], { killAfterMs: 300 });
    assertEquals([late!.outcome, late!.signal], ["timeout", "SIGTERM"]);
    assertEquals([stubborn!.outcome, stubborn!.signal, stubborn!.stdout], ["timeout", "SIGKILL", "out\n"]);
    assert(isLauncher(after!.stdout));
    const controller = new AbortController();
    const stopped = join(directory, "stopped");
    const results = collect(run(
      Array.from({ length: 6 }, (_, index) => script(`${started}; touch ${stopped}-${index % 4}; wait`)),
      { executor: "shell", concurrency: 2, signal: controller.signal },
    ));
    await waitFor("two tasks", () => readFileSync(pids, "utf8").split("\n").length - 1 >= 8);
    controller.abort();
    await assertRejects(() => results, Error, "aborted");
    for (const pid of readFileSync(pids, "utf8").trim().split("\n")) assert(!isAlive(Number(pid)));
  });
});

/** A mixed task, with the part of its result that is certain. */
function mixed(index: number): [Task, unknown[]] {
  const id = `${index}`;
  switch (index % 9) {
    case 0:
      return [{ id, ...script(`exit ${index % 200 + 1}`) }, ["failed", index % 200 + 1, ""]];
    case 1:
      return [{ id, cmd: ["cat"], stdin: `input ${index}` }, ["ok", 0, `input ${index}`]];
    case 2:
      return [{ id, cmd: `echo ${index}` }, ["ok", 0, `${index}\n`]];
    case 3:
      return [{ id, cmd: ["no-such-program"] }, ["not-started", 127, ""]];
    case 4:
      return [{ id, ...script("kill -9 $$") }, ["killed", 137, ""]];
    case 5:
      return [{ id, cmd: ["printf", "%s", "y".repeat(3_000 + index * 4)] }, ["ok", 0, "y".repeat(3_000 + index * 4)]];
    case 6:
      return index % 4 === 2
        ? [{ id, ...script("kill -9 $PPID; sleep 300") }, ["killed", 137, ""]]
        : [{ id, ...script("echo $TASKRUNNER_ID") }, ["ok", 0, `${index}\n`]];
    case 7:
      return [{ id, cmd: `printf '%s' "a  ${index}"` }, ["ok", 0, `a  ${index}`]];
    default:
      return [{ id, ...script("head -c 5000 /dev/zero | tr '\\0' z") }, ["ok", 0, "z".repeat(5_000)]];
  }
}

launcherTest("each of many tasks in 64 slots has one result, which is its own", async () => {
  const tasks = Array.from({ length: 600 * EFFORT }, (_, index) => mixed(index + 1));
  const results = await collect(run(tasks.map(([task]) => task), { executor: "shell", concurrency: 64 }));
  const byId = new Map(results.map((result) => [result.id, result]));
  assertEquals([results.length, byId.size], [tasks.length, tasks.length]);
  for (const [{ id, cmd }, expected] of tasks) {
    const { outcome, status, stdout } = byId.get(`${id}`)!;
    assertEquals([cmd, outcome, status, stdout], [cmd, ...expected]);
  }
});

/** Starts attempts with an executor. */
function starterOf(options: InternalExecutorOptions) {
  const executor = createExecutor(options);
  let sequence = 0;
  return {
    start(slot: number, task: Task, callbacks: Partial<AttemptCallbacks> = {}): Execution {
      sequence++;
      const attempt = { task: checkTask(task, { number: sequence }), id: `${sequence}`, sequence, number: 1, slot };
      return executor.start(attempt, { onStart() {}, onOutputLimit() {}, ...callbacks });
    },
    close: () => executor.close(),
  };
}

/** Returns the paths of temporary files and directories with a prefix. */
function leftovers(prefix: string): string[] {
  const parents = ["/dev/shm", tmpdir()].filter((parent) => existsSync(parent));
  return parents.flatMap((parent) => readdirSync(parent).map((name) => join(parent, name)))
    .filter((path) => path.includes(prefix));
}

launcherTest("a run leaves neither files nor processes, however its programs end", async () => {
  const temporaryPrefix = `taskrunner-test-${randomHex(8)}`;
  const { start, close } = starterOf({ temporaryPrefix });
  const pids = new Set<number>();
  const look = "echo $PPID $(cut -d' ' -f4 /proc/$PPID/stat)";
  for (const slot of [1, 2, 3]) {
    const { stdout } = await start(slot, script(look)).ended;
    for (const pid of stdout.text.trim().split(" ")) pids.add(Number(pid));
  }
  assertEquals(pids.size, 4); // three starters and their router
  assert(leftovers(temporaryPrefix).length > 0);
  const attempts = [
    script("echo a"),
    script("kill -9 $PPID"),
    script("rm -r $(dirname $(readlink /proc/$$/f?/1))"),
    script("(sleep 0.05; echo noise) & echo a"),
    script("head -c 100000 /dev/zero"),
    { cmd: ["cat"], stdin: "x" },
    { cmd: ["no-such-program"], stdin: "x" },
    { cmd: "echo a" },
  ];
  for (const task of attempts) await Promise.all([1, 2, 3].map((slot) => start(slot, task).ended));
  await close();
  assertEquals(leftovers(temporaryPrefix), []);
  for (const pid of pids) assert(!isAlive(pid), "a process of the launcher is left");
});

launcherTest("closing an executor right after its first attempt leaves nothing", async () => {
  for (let turns = 0; turns < 20; turns++) {
    const temporaryPrefix = `taskrunner-test-${randomHex(8)}`;
    const { start, close } = starterOf({ temporaryPrefix });
    const { ended } = start(1, script("echo a"));
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    await close();
    assertStringIncludes("exited withdrawn lost", (await ended).ending.kind);
    assertEquals(leftovers(temporaryPrefix), []);
  }
});

launcherTest("a program runs once when the router is killed after its end", async () => {
  await withTempDirectory(async (directory) => {
    const { start, close } = starterOf({});
    const [log, go] = [join(directory, "log"), join(directory, "go")];
    const { stdout } = await start(1, script("cut -d' ' -f4 /proc/$PPID/stat")).ended;
    const router = Number(stdout.text);
    const first = start(1, script(`echo first >>${log}; ${until(go)}; exit 3`));
    const second = start(1, script(`echo second >>${log}; sleep 300`));
    await waitFor("the first program", () => existsSync(log));
    process.kill(router, "SIGSTOP");
    await writeFile(go, "");
    // The first report is in the pipe to the router, or in the starter.
    await waitFor("the second program", () => readFileSync(log, "utf8") === "first\nsecond\n");
    process.kill(router, "SIGKILL");
    const { kind } = (await first.ended).ending;
    assert(kind === "lost" || kind === "exited", kind); // a slow test sees that the runner continues the router
    assertEquals([(await second.ended).ending.kind, await readFile(log, "utf8")], ["lost", "first\nsecond\n"]);
    await close();
  });
});

launcherTest("a router that is stopped is continued", async () => {
  await withTempDirectory(async (directory) => {
    const { start, close } = starterOf({});
    const go = join(directory, "go");
    const { stdout } = await start(1, script("cut -d' ' -f4 /proc/$PPID/stat")).ended;
    const running = start(1, script(until(go)));
    process.kill(Number(stdout.text), "SIGSTOP");
    await writeFile(go, "");
    assertEquals((await running.ended).ending, { kind: "exited", status: 0 });
    await close();
  });
});

/** Tests that no processes are left when a program ends while its tasks run. */

import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { readFile, rm, symlink, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { run, type Task, type TaskRunnerOptions } from "../../mod.ts";
import { defaultSpawnAdapter, type ExitStatus, type SpawnAdapter } from "../../spawn_adapters/mod.ts";
import { statFields } from "../../system/process_stat.ts";
import {
  collect,
  isAlive,
  parentOf,
  PROJECT,
  RUN_MODULE,
  RUNTIME,
  shell,
  signalIfThere,
  start,
  type StartOptions,
  startTaskrunner,
  taskFile,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGKILL"] as const;
const OWN_WAYS = ["process.exit", "an uncaught error", "an unhandled rejection"];
const MODES: Record<string, TaskRunnerOptions & { runner?: boolean }> = {
  "shell": { executor: "shell" },
  "process": { executor: "process" },
  "TaskRunner": { runner: true },
  "TaskRunner with processes": { runner: true, executor: "process" },
};

const fixture = (name: string) => [...RUN_MODULE, join(PROJECT, "tests", "fixtures", name)];

function startProgram(way: string, tasks: readonly Task[], options: object, start_: StartOptions = {}) {
  const args = [...fixture("end_while_running.ts"), way, JSON.stringify(tasks), JSON.stringify(options)];
  // A script that starts the tests in the background ignores these signals, which Deno would inherit.
  const command = ["--default-signal=INT,QUIT", process.execPath, ...args];
  return start("env", command, { mayCrash: way.startsWith("an u"), ...start_ });
}

/** Shell code that writes a process id to a file atomically. */
const writePid = (path: string, pid = "$$") => `echo ${pid} > ${path}.new; mv ${path}.new ${path}`;

/** Names of the files to which {@linkcode endlessTasks} write the ids of their processes. */
const NAMES = ["stubborn", "parent", "child", "stopped"];

/** Returns endless tasks: one ignores SIGTERM, one has a child process, one is stopped. */
function endlessTasks(directory: string): Task[] {
  const [stubborn, parent, child, stopped] = NAMES.map((name) => join(directory, name));
  return [
    `trap '' HUP INT TERM; ${writePid(stubborn!)}; while :; do sleep 300; done`,
    `sh -c '${writePid(child!)}; sleep 300; :' & ${writePid(parent!)}; wait`,
    `${writePid(stopped!)}; kill -STOP $$; :`,
  ].map((cmd, index) => ({ cmd: index === 1 ? ["sh", "-c", cmd] : cmd })); // in each kind of worker
}

async function pidsOf(directory: string, names: readonly string[]): Promise<number[]> {
  await waitFor("the tasks", () => names.every((name) => existsSync(join(directory, name))));
  return await Promise.all(names.map(async (name) => Number(await readFile(join(directory, name), "utf8"))));
}

/** Returns the ids of all descendants of a process. */
function descendantsOf(pid: number): number[] {
  const children = readdirSync("/proc").map(Number).filter((child) => {
    try {
      return child > 0 && parentOf(child) === pid;
    } catch {
      return false; // the process has just ended
    }
  });
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
}

const isGuard = (pid: number) =>
  readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0").includes("taskrunner-guard");

/** Waits for the guard of a program, which starts after the first process, and returns its id. */
async function guardOf(pid: number): Promise<number> {
  let guard: number | undefined;
  await waitFor("the guard", () => {
    guard = descendantsOf(pid).find((pid) => isAlive(pid) && isGuard(pid));
    return guard;
  });
  await waitFor("the program to notify the guard", () => isIdle(pid));
  return guard!;
}

/** Returns whether a program waits in its event loop, or the system does not tell. */
function isIdle(pid: number): boolean {
  const isSleeping = statFields(`/proc/${pid}`)[0] === "S"; // "0" is also the place of a running program
  return isSleeping && /poll|^0?$/.test(readFileSync(`/proc/${pid}/wchan`, "latin1"));
}

for (const [mode, options] of Object.entries(MODES)) {
  for (const way of [...SIGNALS, ...OWN_WAYS]) {
    test(`${mode}: a program ended by ${way} leaves no process behind`, async () => {
      await withTempDirectory(async (directory) => {
        const tasks = endlessTasks(directory);
        const program = startProgram(way, tasks, { ...options, concurrency: tasks.length });
        const pids = await pidsOf(directory, NAMES);
        const pid = program.child.pid!;
        await guardOf(pid);
        const all = [...new Set([...pids, ...descendantsOf(pid)])];
        try {
          if (OWN_WAYS.includes(way)) program.child.stdin!.end();
          else process.kill(pid, way as NodeJS.Signals);
          const { status, signal } = await program.ended;
          assert(status !== 0, `${status} ${signal}`);
          for (const pid of all) await waitFor(`the end of ${pid}`, () => !isAlive(pid));
        } finally {
          for (const pid of all) signalIfThere(pid, "SIGKILL");
        }
      });
    });
  }
}

for (const executor of ["shell", "process"] as const) {
  test(`background processes of a finished task stay, with the ${executor} executor`, async () => {
    await withTempDirectory(async (directory) => {
      const [left, running] = [join(directory, "left"), join(directory, "running")];
      const tasks = [{ cmd: `sleep 300 & ${writePid(left, "$!")}` }, { cmd: `${writePid(running)}; sleep 300; :` }];
      const { child, ended } = startProgram("nothing", tasks, { executor, concurrency: 1 });
      const [leftPid, runningPid] = await pidsOf(directory, ["left", "running"]);
      try {
        const guard = await guardOf(child.pid!);
        process.kill(child.pid!, "SIGKILL");
        await ended;
        await waitFor("the end of the task", () => !isAlive(runningPid!));
        await waitFor("the end of the guard", () => !isAlive(guard));
        assert(isAlive(leftPid!));
      } finally {
        for (const pid of [leftPid!, runningPid!]) signalIfThere(pid, "SIGKILL");
      }
    });
  });
}

test("a program's own signal handler is called, and its tasks keep running", async () => {
  await withTempDirectory(async (directory) => {
    await Promise.all(["shell", "process"].map(async (executor) => {
      const [task, go] = ["task", "go"].map((name) => join(directory, `${executor}-${name}`)) as [string, string];
      const cmd = `${writePid(task)}; until [ -e ${go} ]; do sleep 0.01; done`;
      const { child, output, ended } = startProgram("a handled signal", [{ cmd }], { executor });
      await pidsOf(directory, [basename(task)]);
      await guardOf(child.pid!);
      process.kill(child.pid!, "SIGINT");
      await waitFor("the handler", () => output.stdout === "handled\n");
      await writeFile(go, "");
      const { status, stdout } = await ended;
      assertEquals([status, stdout], [0, "handled\nok\n"]);
    }));
  });
});

test("the guard has its own session and none of the program's output descriptors", async () => {
  await withTempDirectory(async (directory) => {
    const cmd = `${writePid(join(directory, "task"))}; exec sleep 300`;
    const { child, ended } = startProgram("nothing", [{ cmd }], { executor: "process" });
    await pidsOf(directory, ["task"]);
    const guard = await guardOf(child.pid!);
    const filesOf = (pid: number, descriptors: readonly string[]) =>
      descriptors.map((descriptor) => readlinkSync(`/proc/${pid}/fd/${descriptor}`));
    const outputs = filesOf(child.pid!, ["1", "2"]);
    const files = filesOf(guard, readdirSync(`/proc/${guard}/fd`));
    assertEquals([files.length > 0, files.filter((file) => outputs.includes(file))], [true, []]);
    const stat = readFileSync(`/proc/${guard}/stat`, "latin1");
    const [, , group, session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
    assertEquals([group, session], [guard, guard]);
    process.kill(child.pid!, "SIGKILL");
    await ended;
    await waitFor("the end of the guard", () => !isAlive(guard));
  });
});

test("no environment variable disables the guard", async () => {
  const bash = (await shell("command -v bash")).stdout.trim();
  await withTempDirectory(async (directory) => {
    await symlink(bash, join(directory, "sh"));
    await writeFile(join(directory, "env"), "exit 1\n");
    const functions = ["read", "kill", "[", "rm", "sleep", "echo", "set", "unset", "exec", "trap", "eval", "env"];
    const env = {
      PATH: `${directory}:${process.env.PATH}`,
      BASH_ENV: join(directory, "env"),
      ENV: join(directory, "env"),
      SHELLOPTS: "errexit:noexec:nounset:xtrace",
      ...Object.fromEntries(functions.map((name) => [`BASH_FUNC_${name}%%`, "() { exit 1; }"])),
    };
    const task = join(directory, "task");
    const tool = [
      process.execPath,
      "-e",
      `require("fs").writeFileSync("${task}", String(process.pid)); setInterval(() => {}, 1e6)`,
    ];
    const denoTool = [
      process.execPath,
      "eval",
      `Deno.writeTextFileSync("${task}", String(Deno.pid)); setInterval(() => {}, 1e6)`,
    ];
    const cmd = RUNTIME === "deno" ? denoTool : tool;
    const { child, ended } = startProgram("nothing", [{ cmd }], { executor: "process" }, { env });
    await waitFor("the task", () => existsSync(task) && readFileSync(task, "utf8") !== "");
    const pid = Number(await readFile(task, "utf8"));
    await guardOf(child.pid!);
    process.kill(child.pid!, "SIGKILL");
    await ended;
    try {
      await waitFor("the end of the task", () => !isAlive(pid));
    } finally {
      signalIfThere(pid, "SIGKILL");
    }
  });
});

test("a killed guard is replaced by one that knows all groups", async () => {
  await withTempDirectory(async (directory) => {
    const cmd = `${writePid(join(directory, "task"))}; exec sleep 300`;
    const { child, ended } = startProgram("nothing", [{ cmd }], { executor: "process" });
    const [task] = await pidsOf(directory, ["task"]);
    try {
      const first = await guardOf(child.pid!);
      process.kill(first, "SIGKILL");
      await waitFor("the end of the guard", () => !isAlive(first));
      await guardOf(child.pid!);
      process.kill(child.pid!, "SIGKILL");
      await ended;
      await waitFor("the end of the task", () => !isAlive(task!));
    } finally {
      signalIfThere(task!, "SIGKILL");
    }
  });
});

test("with { cleanup: false } no guard starts and tasks outlive their program", async () => {
  await withTempDirectory(async (directory) => {
    const cmd = `${writePid(join(directory, "task"))}; exec sleep 300`;
    const options = { executor: "process", cleanup: false };
    const { child, ended } = startProgram("nothing", [{ cmd }], options);
    const [task] = await pidsOf(directory, ["task"]);
    try {
      await waitFor("the end of mv, which wrote the file", () => descendantsOf(child.pid!).length === 1);
      assertEquals(descendantsOf(child.pid!), [task]);
      process.kill(child.pid!, "SIGKILL");
      await ended;
      assert(isAlive(task!));
    } finally {
      signalIfThere(task!, "SIGKILL");
    }
  });
});

test("the command leaves no task behind when it is killed by SIGKILL", async () => {
  await withTempDirectory(async (directory) => {
    const tasks = await taskFile(directory, endlessTasks(directory));
    for (const executor of ["shell", "process"]) {
      const { child, ended } = startTaskrunner(["-q", "-j3", "--executor", executor, tasks]);
      const pids = await pidsOf(directory, NAMES);
      await guardOf(child.pid!);
      process.kill(child.pid!, "SIGKILL");
      await ended;
      for (const pid of pids) await waitFor(`the end of ${pid}`, () => !isAlive(pid));
      for (const name of NAMES) await rm(join(directory, name));
    }
  });
});

test("a run leaves neither a process nor its guard", async () => {
  const own = await defaultSpawnAdapter();
  for (const executor of ["shell", "process"] as const) {
    const ended: (ExitStatus | undefined)[] = [];
    let guards = 0;
    const spawnAdapter: SpawnAdapter = {
      ...own,
      async spawn(options) {
        const index = ended.push(undefined) - 1;
        const child = await own.spawn(options);
        if (options.args.join().includes("taskrunner-guard")) guards++;
        child.exited.then((status) => ended[index] = status).catch(() => {});
        return child;
      },
    };
    const results = await collect(run([{ cmd: "true" }, { cmd: "true" }], { executor, spawnAdapter }));
    assertEquals(results.map(({ outcome }) => outcome), ["ok", "ok"]);
    assertEquals([guards, ended.includes(undefined)], [1, false]);
  }
});

test("a run kills a stopped guard and ends", async () => {
  const own = await defaultSpawnAdapter();
  const guards: number[] = [];
  const spawnAdapter: SpawnAdapter = {
    ...own,
    async spawn(options) {
      const child = await own.spawn(options);
      if (!options.args.join().includes("taskrunner-guard")) return child;
      guards.push(child.pid);
      process.kill(child.pid, "SIGSTOP");
      return child;
    },
  };
  await collect(run([{ cmd: "true" }], { executor: "process", spawnAdapter }));
  assertEquals(guards.length, 1);
  await waitFor("the end of the guard", () => !isAlive(guards[0]!));
});

test("tasks run even if the guard cannot start", async () => {
  const own = await defaultSpawnAdapter();
  const spawnAdapter: SpawnAdapter = {
    ...own,
    spawn: (options) =>
      options.args.join().includes("taskrunner-guard") ? Promise.reject(new Error("no")) : own.spawn(options),
  };
  for (const executor of ["shell", "process"] as const) {
    const results = await collect(run([{ cmd: "true" }, { cmd: "true" }], { executor, spawnAdapter, concurrency: 1 }));
    assertEquals(results.map(({ outcome }) => outcome), ["ok", "ok"]);
  }
});

test("the guard does not keep an idle program alive", async () => {
  const { status, stdout, stderr } = await start(process.execPath, fixture("leave_a_run.ts"), { stdin: "" }).ended;
  assertEquals([status, stdout, stderr], [0, "ok\n", ""]);
});

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  test(
    `the process of a TaskRunner ends when ${signal} ends its caller, even if its shells hang`,
    async () => {
      await withTempDirectory(async (directory) => {
        const [file, pidFile] = [join(directory, "env"), join(directory, "shell")];
        await writeFile(file, `${writePid(pidFile)}; exec sleep 300\n`);
        const options = { runner: true, shell: "bash" };
        const { child, ended } = startProgram("nothing", [{ cmd: "true" }], options, { env: { BASH_ENV: file } });
        const pids = await pidsOf(directory, ["shell"]);
        await guardOf(child.pid!);
        const all = [...pids, ...descendantsOf(child.pid!)];
        process.kill(child.pid!, signal);
        await ended;
        try {
          for (const pid of all) await waitFor(`the end of ${pid}`, () => !isAlive(pid));
        } finally {
          for (const pid of all) signalIfThere(pid, "SIGKILL");
        }
      });
    },
  );
}

/** Tests the guarantees of docs/worker_protocol.md with real shells. */

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertStringIncludes } from "@std/assert/string-includes";
import type { Task } from "../../mod.ts";
import {
  IS_LEFT_TO_BUN,
  isAlive,
  jsonLines,
  startTaskrunner,
  taskrunner,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

const EXECUTORS = ["shell", "process"] as const;
const SHELLS = ["dash", "bash", "mksh"] as const;

const ok = ({ id, outcome, status }: { id: string; outcome: string; status: number | null }) => [id, outcome, status];

test("a directory name that looks like a report has no effect", async () => {
  // A worker numbers its scripts: two to get ready, then one for each task.
  const forged = Array.from({ length: 24 }, (_, index) => {
    const number = 4 + 2 * index + Math.floor(index / 3) % 2;
    return [
      `/nope\n${number} 0 1`,
      `/nope\n0m0s 0m0s\n0m0s 0m0s\n${number} 0 1`,
      `/nope\n9m0.00s 9m0.00s\n${number} 0 1`,
    ][
      index % 3
    ]!;
  });
  const tasks: Task[] = forged.flatMap((cwd, index) => [
    { id: `good ${index}`, cmd: `echo ${index}` },
    { id: `bad ${index}`, cmd: "echo never", cwd },
  ]);
  for (const shell of SHELLS) {
    const { results, status } = await taskrunner(["-j1", "--shell", shell], { stdin: jsonLines(tasks) });
    assertEquals(status, forged.length);
    assertEquals(
      results.map(({ id, outcome, stdout, userMs = 0, systemMs = 0 }) => [
        id,
        outcome,
        stdout,
        userMs >= 0 && systemMs >= 0,
      ]),
      forged.flatMap((_, index) => [[`good ${index}`, "ok", `${index}\n`, true], [
        `bad ${index}`,
        "not-started",
        "",
        true,
      ]]),
    );
  }
});

/** Environments that make a shell print, wait, or run something else. */
const HOSTILE: Readonly<Record<string, (file: (text: string) => Promise<string>) => Promise<Record<string, string>>>> =
  {
    "xtrace": () => Promise.resolve({ SHELLOPTS: "xtrace" }),
    "xtrace with a prompt that looks like a report": () => Promise.resolve({ SHELLOPTS: "xtrace", PS4: "\n1 0 1\n" }),
    "verbose, in BASH_ENV": async (file) => ({ BASH_ENV: await file("set -v\n") }),
    "a DEBUG trap": async (file) => ({ BASH_ENV: await file("set -T; trap 'echo 1 0 1' DEBUG\n") }),
    "an EXIT trap": async (file) => ({ BASH_ENV: await file("trap 'echo 2 0 1' EXIT\n") }),
    "output in BASH_ENV": async (file) => ({ BASH_ENV: await file("echo 1 0 1; echo 2 0 1\n") }),
    "an alias": async (file) => ({ BASH_ENV: await file("shopt -s expand_aliases; alias echo=false times=false\n") }),
    ...Object.fromEntries(
      ["times", "echo", "set", "exec", "trap", "eval", "[", "cd", "exit", "export", "type", "kill", "unset"].map((
        name,
      ) => [
        `an exported function ${name}`,
        () => Promise.resolve({ [`BASH_FUNC_${name}%%`]: "() { :; }" }),
      ]),
    ),
  };

test("no environment makes a worker with bash lose or change a result", { timeout: 300_000 }, async () => {
  if (IS_LEFT_TO_BUN) return;
  await withTempDirectory(async (directory) => {
    let files = 0;
    const file = async (text: string) => {
      const path = join(directory, `${++files}`);
      await writeFile(path, text);
      return path;
    };
    const tasks = jsonLines([
      { id: "array", cmd: ["/bin/sh", "-c", "printf a; exit 3"] },
      { id: "string", cmd: "/bin/sh -c 'printf b >/dev/null; :'" },
      { id: "last", cmd: ["printf", "c"], timeoutMs: 60_000 },
    ]);
    for (const [name, environment] of Object.entries(HOSTILE)) {
      const env = await environment(file);
      const seen = await Promise.all(EXECUTORS.map(async (executor) => {
        const args = ["-j1", "--shell", "bash", "--executor", executor];
        const { results, stderr } = await taskrunner(args, { stdin: tasks, env });
        return [stderr, ...results.map(({ id, status, outcome, stdout }) => [id, status, outcome, stdout])];
      }));
      assertEquals([name, seen[0]], [name, seen[1]]); // the same as with a process for each task
      assertEquals([name, seen[0]!.length], [name, 4]);
    }
  });
});

test(
  "scripts of BASH_ENV that wait or redirect output affect tasks, not their workers",
  async () => {
    await withTempDirectory(async (directory) => {
      const script = join(directory, "script");
      const tasks = jsonLines([{ id: "1", cmd: "echo a" }, { id: "2", cmd: ["echo", "b"] }]);
      const waits = { "sleep 1000": "sleep", "cat /dev/zero > /dev/null": "cat", "kill -STOP $$": "stop" };
      for (const text of [...Object.keys(waits), `exec 1>${join(directory, "file")}`, "exec >&- 2>&-"]) {
        await writeFile(script, text);
        for (const executor of EXECUTORS) {
          const args = ["-j1", "--shell", "bash", "--executor", executor, "--timeout", "1s", "--kill-after", "100ms"];
          const { results, stderr } = await taskrunner(args, { stdin: tasks, env: { BASH_ENV: script } });
          const first = text in waits
            ? ["1", "timeout", 124]
            : text.includes("file")
            ? ["1", "ok", 0]
            : ["1", "failed", 1];
          assertEquals([text, executor, stderr, results.map(ok)], [text, executor, "", [first, ["2", "ok", 0]]]);
        }
      }
    });
  },
);

/** A shell that never becomes a worker, because it never answers. */
const SILENT = `#!/bin/sh
[ "$1" = -c ] && [ "$2" != 'exec "$0"' ] && exec sh "$@"
echo $$ >> "$PIDS"
exec sleep 1000
`;

test("a signal ends a run whose shells do not answer, and no shell is left", async () => {
  await withTempDirectory(async (directory) => {
    const [shell, pids] = [join(directory, "silent"), join(directory, "pids")];
    await writeFile(shell, SILENT, { mode: 0o755 });
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      await rm(pids, { force: true });
      const env = { PIDS: pids };
      const { child, ended } = startTaskrunner(["-q", "-j2", "--shell", shell], {
        stdin: jsonLines([{ cmd: "echo 1" }, { cmd: "echo 2" }]),
        env,
      });
      const started = async () => (await readFile(pids, "utf8").catch(() => "")).trim().split("\n").filter(Boolean);
      await waitFor("two shells", async () => (await started()).length === 2);
      process.kill(child.pid!, signal);
      const { status, stdout } = await ended;
      assertEquals(status, signal === "SIGTERM" ? 143 : 130);
      assertEquals(stdout.trim().split("\n").map((line) => JSON.parse(line).outcome), ["canceled", "canceled"]);
      for (const pid of await started()) await waitFor(`the end of ${pid}`, () => !isAlive(Number(pid)));
    }
  });
});

test("with shells that do not answer, tasks run in their own processes, with their timeouts", async () => {
  await withTempDirectory(async (directory) => {
    const [shell, pids] = [join(directory, "silent"), join(directory, "pids")];
    await writeFile(shell, SILENT, { mode: 0o755 });
    const { results, stderr } = await taskrunner(["-j2", "-k", "--shell", shell], {
      stdin: jsonLines([{ cmd: "echo 1" }, { cmd: "sleep 1000", timeoutMs: 1_000 }, { cmd: "echo 3" }, {
        cmd: "exit 4",
      }]),
      env: { PIDS: pids },
    });
    assertEquals([stderr, results.map(ok)], [
      "",
      [["1", "ok", 0], ["2", "timeout", 124], ["3", "ok", 0], ["4", "failed", 4]],
    ]);
    assertEquals(
      (await readFile(pids, "utf8")).trim().split("\n").length,
      2,
      "only the first worker of each slot is waited for",
    );
    for (const pid of (await readFile(pids, "utf8")).trim().split("\n")) {
      await waitFor(`the end of ${pid}`, () => !isAlive(Number(pid)));
    }
  });
});

test("output of a task that looks like a failed exec does not make the task `not-started`", async () => {
  const printing: Task["cmd"][] = [
    "echo important; PATH=/nonexistent; exec sh",
    "echo important; exec /no/such",
    ["sh", "-c", "echo important; exec /no/such"],
    ["sh", "-c", "echo important; exec sh-no-such"],
    "echo important; echo 'sh: 1: exec: sh: not found' >&2; exit 127",
    ["sh", "-c", "echo important; echo 'sh: 1: exec: sh: Permission denied' >&2; exit 126"],
    ["sh", "-c", "echo important; echo 'bash: line 1: exec: sh: not found' >&2; exit 127"],
    "echo important; no-such-command",
  ];
  for (const shell of ["sh", ...SHELLS]) {
    for (const executor of EXECUTORS) {
      const args = ["-k", "--retries", "1", "--shell", shell, "--executor", executor];
      const { results } = await taskrunner(args, { stdin: jsonLines(printing.map((cmd) => ({ cmd }))) });
      for (const [index, { stdout, outcome, status, attempts }] of results.entries()) {
        const expected = ["important\n", "failed", /exit 126|denied/.test(`${printing[index]}`) ? 126 : 127, 2];
        assertEquals([shell, executor, printing[index], stdout, outcome, status, attempts], [
          shell,
          executor,
          printing[index],
          ...expected,
        ]);
      }
    }
  }
});

test("signals are reported for commands that name their own descriptors", async () => {
  const signals = ["SEGV", "KILL", "TERM", "ABRT", "USR1", "BUS", "HUP", "ALRM"];
  const commands = ["ulimit -c 0; ", "echo a >/dev/stderr; ", ": /dev/fd/1; ", ": /proc/self/fd/0; "];
  const tasks = signals.flatMap((signal) => commands.map((command) => ({ cmd: `${command}kill -${signal} $$` })));
  for (const shell of ["dash", "bash"]) {
    for (const executor of EXECUTORS) {
      const args = ["-k", "--shell", shell, "--executor", executor];
      const { results } = await taskrunner(args, { stdin: jsonLines(tasks) });
      assertEquals(
        results.map(({ outcome, signal }) => [outcome, signal]),
        signals.flatMap((signal) => commands.map(() => ["killed", `SIG${signal}`])),
      );
    }
  }
});

test("a worker whose directory is removed is replaced, and no missing status becomes a signal", async () => {
  await withTempDirectory(async (directory) => {
    const empty = 'rm -rf "$(dirname "$(readlink /proc/$$/f?/1)")"';
    const after = ["echo a >/dev/stderr", "ulimit -n >/dev/null; exit 3", "echo b", "true", "exit 5"];
    for (const shell of ["dash", "bash"]) {
      await mkdir(join(directory, shell));
      const tasks = [{ id: "empty", cmd: empty }, ...after.map((cmd) => ({ cmd }))];
      const { results } = await taskrunner(["-j1", "--shell", shell], {
        stdin: jsonLines(tasks),
        env: { TMPDIR: join(directory, shell) },
      });
      const [first, ...others] = results;
      assert(["ok", "failed"].includes(first!.outcome), JSON.stringify(first));
      assertEquals(first!.signal, undefined);
      assertEquals(
        [shell, ...others.map(({ outcome, status, signal }) => [outcome, status, signal])],
        [shell, ...[0, 3, 0, 0, 5].map((status) => [status === 0 ? "ok" : "failed", status, undefined])],
      );
    }
  });
});

test("tasks of a worker get the variables that shells change at startup", async () => {
  if (IS_LEFT_TO_BUN) return;
  await withTempDirectory(async (directory) => {
    const script = join(directory, "env");
    await writeFile(script, "seen=yes\n");
    const tasks: Task[] = [
      { cmd: 'echo "$SHLVL $BASH_ENV $ENV $seen"' },
      { cmd: ["sh", "-c", 'echo "$SHLVL $BASH_ENV $ENV"'] },
      { cmd: ["printenv", "PWD"], cwd: directory },
      { cmd: 'echo "$PWD"', cwd: directory },
    ];
    for (const SHLVL of ["", "1", "7"]) {
      for (const shell of ["dash", "bash", "mksh"]) {
        const env = { BASH_ENV: script, ENV: script, SHLVL };
        const [worker, fresh] = await Promise.all(EXECUTORS.map(async (executor) => {
          const args = ["-k", "--shell", shell, "--executor", executor];
          const { results } = await taskrunner(args, { stdin: jsonLines(tasks), env });
          return results.map(({ outcome, stdout }) => [outcome, stdout]);
        }));
        assertEquals([SHLVL, shell, worker], [SHLVL, shell, fresh]);
      }
    }
  });
});

test("a task that writes to the channel of its worker changes no result", async () => {
  const texts = ["1 0 1", "2 0 1", "0m0s 0m0s\\n0m0s 0m0s\\n2 0 1", "begin 2", "x".repeat(70_000), "Killed"];
  const write = (text: string) => `printf '%b\\n' '${text}' >/proc/$PPID/fd/1; exit 3`; // sockets cannot be opened
  const tasks = texts.flatMap((text) => [{ cmd: write(text) }, { cmd: "echo good" }]);
  const { results, stderr } = await taskrunner(["-j1"], { stdin: jsonLines(tasks) });
  assertEquals(stderr, "");
  assertEquals(results.length, tasks.length);
  for (const [index, { stdout, outcome, status }] of results.entries()) {
    if (index % 2 === 1) assertEquals([stdout, outcome, status], ["good\n", "ok", 0]);
    else assertEquals([outcome, status], ["failed", 3]);
  }
});

test("large output of a task with status 127 is kept", async () => {
  const cmd = "head -c 30000000 /dev/zero >&2; exit 127";
  const { results } = await taskrunner(["-j1", "--max-inline", "1k"], { stdin: jsonLines([{ cmd }]) });
  assertEquals([results[0]!.status, results[0]!.stderrBytes], [127, 30_000_000]);
  assertStringIncludes(results[0]!.stderrFile!, "taskrunner");
  await rm(join(results[0]!.stderrFile!, ".."), { recursive: true });
});

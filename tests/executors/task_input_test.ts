/** Tests all forms of standard input, with both executors. */

import { once } from "node:events";
import { mkdir, open, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { assertEquals } from "@std/assert/equals";
import { run as runTasks, type RunOptions, type Task } from "../../mod.ts";
import { collect, lacks, start, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, byte) => byte);
const BASE64 = btoa(String.fromCharCode(...ALL_BYTES));

/** Commands that copy standard input. A shell worker runs each of them in a different way. */
const COPIES: Task["cmd"][] = [
  "cat",
  "cat | cat",
  "if true; then cat; fi",
  "f() { cat; }; f",
  ["cat"],
  "cat; : /dev/stderr",
  [
    "sh",
    "-c",
    "cat # /dev/fd",
  ],
];

async function makeFifos(directory: string, names: string[]): Promise<string[]> {
  const paths = names.map((name) => join(directory, name));
  await start("mkfifo", paths, { stdin: "" }).ended;
  return paths;
}

const ok = (stdout: string) => ["ok", stdout, "", undefined];

async function outputsOf(tasks: Task[], options: RunOptions) {
  const results = await collect(runTasks(tasks, { concurrency: 1, keepOrder: true, ...options }));
  return results.map(({ outcome, stdout, stderr, error }) => [outcome, stdout, stderr, error]);
}

for (const shell of ["dash", "bash", "mksh"].filter((shell) => !lacks(shell))) {
  test(`a worker with ${shell} opens input files for tasks`, async () => {
    await withTempDirectory(async (cwd) => {
      const [fifo] = await makeFifos(cwd, ["fifo"]);
      const socket = createServer().listen(join(cwd, "socket"));
      await once(socket, "listening");
      await writeFile(join(cwd, "it's"), ALL_BYTES);
      const tasks = COPIES.flatMap((cmd): Task[] => [
        { cmd, cwd, stdinFile: "it's" },
        { cmd, cwd, stdinFile: "missing" },
        { cmd, cwd, stdinFile: "socket" },
        { cmd, cwd, stdinFile: fifo!, timeoutMs: 50 },
      ]);
      const outputs = await outputsOf(tasks, { executor: "shell", shell });
      socket.close();
      const notStarted = (problem: string) => {
        return ["not-started", "", "", `Cannot start the task: the file for standard input ${problem}`];
      };
      assertEquals(
        outputs.filter(([outcome]) => outcome !== "timeout"),
        COPIES.flatMap(() => [
          ok(BASE64),
          notStarted('"missing" does not exist'),
          notStarted('"socket" could not be opened'),
        ]),
      );
      assertEquals(outputs.length, 4 * COPIES.length);
    });
  });
}

for (const executor of ["shell", "process"] as const) {
  const behaves = (behavior: string, fn: () => Promise<void>) => test(`with the ${executor} executor, ${behavior}`, fn);

  const run = (tasks: Iterable<Task>, options: RunOptions = {}) => runTasks(tasks, { executor, ...options });
  const outputs = (tasks: Task[], options: RunOptions = {}) => outputsOf(tasks, { executor, ...options });

  behaves("bytes reach the task unchanged, from an array and from base64", async () => {
    const tasks = COPIES.flatMap((cmd): Task[] => [
      { cmd, stdin: ALL_BYTES },
      { cmd, stdin: BASE64, stdinEncoding: "base64" },
      { cmd, stdin: ALL_BYTES.subarray(0, 0) },
      { cmd, stdin: "", stdinEncoding: "base64" },
      { cmd, stdin: ALL_BYTES.subarray(65, 70), timeoutMs: 300_000 },
    ]);
    const expected = COPIES.flatMap(() => [ok(BASE64), ok(BASE64), ok(""), ok(""), ok("ABCDE")]);
    assertEquals(await outputs(tasks), expected);
  });

  behaves("an input file may be a path relative to the cwd of the task, or a URL", async () => {
    await withTempDirectory(async (directory) => {
      const names = ["in", "-", "-n", "a b", "it's", "$(echo x)", "new\nline", "*", "é", "&1"];
      for (const name of names) await writeFile(join(directory, name), `in ${name}\n`);
      await mkdir(join(directory, "sub"));
      const tasks = names.flatMap((name) =>
        COPIES.flatMap((cmd): Task[] => [
          { cmd, stdinFile: name, cwd: directory },
          { cmd, stdin: { file: `../${name}` }, cwd: join(directory, "sub"), env: { A: "b" } },
          { cmd, stdinFile: join(directory, name) },
          { cmd, stdin: { file: pathToFileURL(join(directory, name)) }, timeoutMs: 300_000 },
        ])
      );
      assertEquals(
        await outputs(tasks, { concurrency: 2 }),
        names.flatMap((name) => COPIES.flatMap(() => Array.from({ length: 4 }, () => ok(`in ${name}\n`)))),
      );
    });
  });

  behaves("standard input is the file itself, of any size", async () => {
    await withTempDirectory(async (directory) => {
      const path = join(directory, "large");
      const file = await open(path, "w");
      await file.truncate(2 ** 36);
      await file.close();
      const look = "test -f /proc/self/fd/0 && wc -c";
      const tasks: Task[] = [{ cmd: ["wc", "-c"] }, { cmd: look }, { cmd: ["sh", "-c", look] }];
      assertEquals(
        await outputs(tasks.map((task) => ({ ...task, stdinFile: path }))),
        tasks.map(() => ok(`${2 ** 36}\n`)),
      );
    });
  });

  behaves("a task whose input file cannot be opened does not start", async () => {
    await withTempDirectory(async (directory) => {
      await symlink("loop", join(directory, "loop"));
      await writeFile(join(directory, "file"), "");
      const server = createServer().listen(join(directory, "socket"));
      await once(server, "listening");
      try {
        const problems = {
          missing: "does not exist",
          loop: "cannot be read: too many symbolic links",
          "file/x": "cannot be read: a part of the path is not a directory",
          ".": "is a directory",
          socket: "could not be opened",
          "/dev/tcp/127.0.0.1/1": "does not exist", // in a redirection, bash would open a connection
        };
        for (const [stdinFile, problem] of Object.entries(problems)) {
          const error = `Cannot start the task: the file for standard input ${JSON.stringify(stdinFile)} ${problem}`;
          const tasks = COPIES.flatMap((cmd): Task[] => [
            { cmd, cwd: directory, stdinFile, retries: 3 },
            { cmd, cwd: directory, stdin: { file: stdinFile }, timeoutMs: 300_000 },
          ]);
          const results = await collect(run(tasks, { concurrency: 1, maxInlineBytes: 0 }));
          for (
            const { cmdHash: _, durationMs: __, startedAt: ___, userMs: ____, systemMs: _____, ...rest } of results
          ) {
            const { id } = rest;
            assertEquals(rest, {
              id,
              status: 126,
              outcome: "not-started",
              error,
              attempts: 1,
              slot: 1,
              stdout: "",
              stderr: "",
            });
          }
          assertEquals(results.length, tasks.length);
        }
      } finally {
        server.close();
      }
    });
  });

  behaves("errors before and after opening the file are reported as without a file", async () => {
    await withTempDirectory(async (directory) => {
      const stdinFile = join(directory, "in");
      await writeFile(stdinFile, "in\n");
      const results = await collect(run([
        { cmd: ["no-such-program"], stdinFile },
        { cmd: [stdinFile], stdinFile },
        { cmd: ["cat"], cwd: "/no/such/dir", stdinFile },
        { cmd: "cat", cwd: "/no/such/dir", stdinFile: "missing" },
        ...[1, 2, 126, 127, 200].map((status): Task => ({ cmd: `cat; exit ${status}`, stdinFile })),
        { cmd: "kill -KILL $$", stdinFile },
        { cmd: ["sh", "-c", "echo err >&2; exit 126"], stdinFile },
        { cmd: "cat no-such-file", stdinFile, env: { LC_ALL: "C" } },
      ], { concurrency: 1, keepOrder: true }));
      const seen = results.map((
        { status, outcome, error, stdout, stderr },
      ) => [status, outcome, error, stdout, stderr]);
      const notStarted = (status: number, reason: string) => {
        return [status, "not-started", `Cannot start the task: ${reason}`, "", ""];
      };
      assertEquals(seen.filter(([_, outcome]) => outcome !== "killed"), [
        notStarted(127, 'the program "no-such-program" was not found'),
        notStarted(126, `the program ${JSON.stringify(stdinFile)} is not executable`),
        notStarted(126, 'the working directory "/no/such/dir" does not exist'),
        notStarted(126, 'the working directory "/no/such/dir" does not exist'),
        ...[1, 2, 126, 127, 200].map((status) => [status, "failed", undefined, "in\n", ""]),
        [126, "failed", undefined, "", "err\n"],
        [1, "failed", undefined, "", "cat: no-such-file: No such file or directory\n"],
      ]);
      assertEquals([results[9]!.status, results[9]!.signal], [137, "SIGKILL"]);
    });
  });

  behaves("the first output of a task is complete, whatever its size", async () => {
    await withTempDirectory(async (directory) => {
      const stdinFile = join(directory, "in");
      await writeFile(stdinFile, "");
      const sizes = [0, 1, 24, 31, 32, 33, 62, 63, 64, 65_536, 100_000];
      const tasks = sizes.flatMap((size): Task[] => [
        { cmd: `head -c ${size} /dev/zero | tr '\\0' x`, stdinFile },
        { cmd: ["sh", "-c", `head -c ${size} /dev/zero | tr '\\0' x >&2`], stdinFile },
      ]);
      assertEquals(
        await outputs(tasks),
        sizes.flatMap((size) => [ok("x".repeat(size)), ["ok", "", "x".repeat(size), undefined]]),
      );
      assertEquals(
        await outputs([{ cmd: "printf 12345", stdinFile }, { cmd: "true", stdinFile }], { maxOutputBytes: 5 }),
        [ok("12345"), ok("")],
      );
    });
  });

  behaves("names of descriptors refer to those of the task", async () => {
    assertEquals(
      await outputs(
        ["/dev/null", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].flatMap((stdinFile) =>
          COPIES.map((cmd): Task => ({ cmd, stdinFile }))
        ),
      ),
      Array.from({ length: 4 * COPIES.length }, () => ok("")),
    );
  });

  behaves("a FIFO blocks only its own task, until it has a writer", async () => {
    await withTempDirectory(async (directory) => {
      const names = Array.from({ length: 4 * COPIES.length }, (_, index) => `fifo ${index}`);
      const paths = await makeFifos(directory, names);
      const readers = paths.map((stdinFile, index): Task => ({
        cmd: COPIES[index % COPIES.length]!,
        stdinFile,
        ...(index >= paths.length / 2 && { timeoutMs: 300_000 }),
      }));
      const writer: Task = { cmd: ["sh", "-c", 'for path; do echo "$path" >"$path"; done', "sh", ...paths] };
      const options = { concurrency: readers.length + 1 };
      assertEquals(await outputs([...readers, writer], options), [...paths.map((path) => ok(`${path}\n`)), ok("")]);
    });
  });

  behaves("a task that waits for the writer of a FIFO times out", async () => {
    await withTempDirectory(async (directory) => {
      const [stdinFile] = await makeFifos(directory, ["fifo"]);
      const tasks = COPIES.map((cmd): Task => ({ cmd, stdinFile: stdinFile!, timeoutMs: 100 }));
      const seen = await outputs([...tasks, { cmd: "echo next" }], { killAfterMs: 5_000 });
      // With pipes, the shell that would report the status is terminated, too.
      const error = /^The task took longer than its timeout allows(?:$|\. Cannot tell how the task ended)/;
      assertEquals(
        seen.map(([outcome, stdout, stderr, problem]) => [outcome, stdout, stderr, error.test(`${problem}`)]),
        [...tasks.map(() => ["timeout", "", "", true]), ["ok", "next\n", "", false]],
      );
    });
  });

  behaves("stopping a run terminates tasks that wait for the writer of a FIFO", async () => {
    await withTempDirectory(async (directory) => {
      const [path, other] = await makeFifos(directory, ["fifo", "other"]);
      const stop = new AbortController();
      const outcomes: unknown[] = [];
      const results = run(
        [...COPIES.map((cmd): Task => ({ cmd, stdinFile: path! })), { cmd: "echo started", stdinFile: other! }, {
          cmd: ["sh", "-c", `: >${other}`],
        }],
        { signal: stop.signal, concurrency: COPIES.length + 2 },
      );
      try {
        for await (const { outcome } of results) if (outcomes.push(outcome) === 2) stop.abort(new Error("stopped"));
      } catch (error) {
        assertEquals((error as Error).message, "stopped");
      }
      assertEquals(outcomes, ["ok", "ok", ...COPIES.map(() => "canceled")]);
    });
  });

  behaves("a program with an input file is looked up in the PATH of the task, and gets its environment", async () => {
    await withTempDirectory(async (directory) => {
      await writeFile(join(directory, "in"), "in\n");
      const program = '#!/bin/sh\necho "$0 $* $A $PATH"\nread -r line\necho "$line"\n';
      for (const name of ["own", "-own"]) await writeFile(join(directory, name), program, { mode: 0o755 });
      const common = { cwd: directory, stdinFile: "in" };
      const PATH = directory;
      const expected = (name: string) => ok(`${name} 1 -2 it's ${directory}\nin\n`);
      assertEquals(
        await outputs(
          ["own", "./own", "-own"].map((name) => ({ cmd: [name, "1", "-2"], env: { PATH, A: "it's" }, ...common })),
        ),
        [expected(join(directory, "own")), expected("./own"), expected(join(directory, "-own"))],
      );
    });
  });

  behaves("a variable that shells do not pass on is rejected together with an input file", async () => {
    for (const name of ["not-a-name", "IFS", "PWD"]) {
      const error = `Cannot start the task: the variable "${name}" cannot be set together with a file for standard ` +
        "input, because a shell opens the file and does not pass the variable on; redirect standard input in the " +
        "command instead";
      const task = { cmd: ["cat"], env: { [name]: "x" } };
      assertEquals(await outputs([{ ...task, stdinFile: "/dev/null" }, { ...task, stdin: ALL_BYTES }]), [
        ["not-started", "", "", error],
        ok(BASE64),
      ]);
    }
  });
}

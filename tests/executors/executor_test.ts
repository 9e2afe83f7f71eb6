import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertStringIncludes } from "@std/assert/string-includes";
import { run as runTasks, type RunOptions, type Task, type TaskResult } from "../../mod.ts";
import { EXECUTORS } from "../../executors/mod.ts";
import { spawnAdapter as nodeAdapter } from "../../spawn_adapters/node.ts";
import {
  collect,
  isAlive,
  jsonLines,
  parseResults,
  PROJECT,
  RUN_MODULE,
  RUNTIME,
  shell,
  start,
  waitFor,
  withTempDirectory,
  writeProgram,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

const IS_MKSH = (await shell('echo "${KSH_VERSION-}"')).stdout.includes("MIRBSD");

/** Tests the behavior that both executors share. */
function contract(executor: "shell" | "process"): void {
  const behaves = (behavior: string, fn: () => Promise<void>) => test(`with the ${executor} executor, ${behavior}`, fn);

  /** With mksh, a worker cannot distinguish SIGTERM from the exit status 143. */
  const SIGTERM = IS_MKSH && executor === "shell" ? undefined : "SIGTERM";

  const run = (tasks: Iterable<Task>, options: RunOptions = {}) => runTasks(tasks, { executor, ...options });

  async function resultOf(task: Task, options: RunOptions = {}): Promise<TaskResult> {
    const results = await collect(run([task], { ...options, concurrency: 1 }));
    assertEquals(results.length, 1);
    return results[0]!;
  }

  /** Returns the parts of a result that do not depend on time. */
  async function outcomeOf(task: Task, options: RunOptions = {}) {
    const { status, outcome, stdout, stderr } = await resultOf(task, options);
    return [status, outcome, stdout, stderr];
  }

  behaves("a string runs as with sh -c", async () => {
    assertEquals(await outcomeOf({ cmd: "echo out; echo err >&2" }), [0, "ok", "out\n", "err\n"]);
    assertEquals(await outcomeOf({ cmd: 'printf \'%s|\' "$0" "$#"' }), [0, "ok", "sh|0|", ""]);
    assertEquals(await outcomeOf({ cmd: "exit 3" }), [3, "failed", "", ""]);
    assertEquals((await outcomeOf({ cmd: "-x" }))[0], 127); // a command, not an option of the shell
    assertEquals((await outcomeOf({ cmd: "echo 'unterminated" }))[1], "failed");
  });

  behaves("an array runs unchanged, and no shell parses its arguments", async () => {
    const args = ["$HOME", "a b", "*", "`id`", "", "'\"\\", "--", "é\n"];
    assertEquals(await outcomeOf({ cmd: ["printf", "%s|", ...args] }), [
      0,
      "ok",
      args.map((arg) => `${arg}|`).join(""),
      "",
    ]);
  });

  behaves("the option `shell` selects the shell", async () => {
    const bash = await resultOf({ cmd: 'echo "${BASH_VERSION:+bash}"' }, { shell: "bash" });
    assertEquals(bash.stdout, "bash\n");
    const missing = await resultOf({ cmd: "true" }, { shell: "/no/such/shell" });
    assertEquals([missing.status, missing.outcome], [127, "not-started"]);
    assertEquals(missing.error, 'Cannot start the task: the program "/no/such/shell" was not found');
  });

  behaves("a result names the signal that ended its task, with the status of a shell", async () => {
    const { status, outcome, signal } = await resultOf({ cmd: "kill -KILL $$" });
    assertEquals([status, outcome, signal], [137, "killed", "SIGKILL"]);
  });

  behaves("an exit status above 128 is not taken for a signal", async () => {
    for (const cmd of ["exit 143", "(exit 143)", "sh -c 'exit 143'", ["sh", "-c", "exit 143"]]) {
      const { status, outcome, signal } = await resultOf({ cmd });
      assertEquals([cmd, status, outcome, signal], [cmd, 143, "failed", undefined]);
    }
  });

  behaves("durationMs is the time from the start of a task to its end", async () => {
    const startedMs = performance.now();
    const { durationMs } = await resultOf({ cmd: "sleep 0.1" });
    assert(durationMs >= 90 && durationMs <= performance.now() - startedMs, `${durationMs}`);
  });

  behaves("cwd, env and stdin reach the task", async () => {
    await withTempDirectory(async (directory) => {
      await writeFile(join(directory, "here"), "");
      const task = { cmd: 'ls; cat; echo "$A"', cwd: directory, env: { A: "x\ny" }, stdin: "in\n" };
      assertEquals(await outcomeOf(task), [0, "ok", "here\nin\nx\ny\n", ""]);
    });
  });

  behaves("every kind of task has its id, slot, attempt and env in its environment", async () => {
    const look = "echo $TASKRUNNER_ID $TASKRUNNER_SLOT $TASKRUNNER_ATTEMPT $A $B";
    const env = { A: "1", B: "2" };
    const tasks = [look, `${look} | cat`, `: /dev/fd; ${look}`, ["sh", "-c", look]].map((cmd) => ({ cmd, env }));
    const results = await collect(run(tasks, { concurrency: 1 }));
    assertEquals(results.map(({ stdout }) => stdout), [1, 2, 3, 4].map((id) => `${id} 1 1 1 2\n`));
    assertEquals(await outcomeOf({ cmd: "echo hi", env: {} }), [0, "ok", "hi\n", ""]);
  });

  behaves("cwd may have any name, and CDPATH and OLDPWD reach tasks unchanged", async () => {
    await withTempDirectory(async (directory) => {
      const names = ["-", "tmp", "a b"]; // CDPATH=/ contains tmp, too
      await Promise.all(names.map((name) => mkdir(join(directory, name))));
      const cmd = 'echo "$(pwd -P) ${OLDPWD-none} $CDPATH $#"';
      await writeFile(join(directory, "tasks"), jsonLines(names.map((cwd) => ({ cwd, cmd }))));
      const cli = `$RUNTIME ${join(PROJECT, "cli.ts")} tasks -qk --executor ${executor}`;
      for (const [set, oldpwd] of [["-u OLDPWD", "none"], ["OLDPWD=/usr", "/usr"]]) {
        const { stdout } = await shell(`cd ${directory} && env ${set} CDPATH=/ ${cli}`);
        assertEquals(
          parseResults(stdout).map((result) => result.stdout),
          names.map((name) => `${join(directory, name)} ${oldpwd} / 0\n`),
        );
      }
    });
  });

  behaves("without stdin, a task reads nothing, even if the stdin of the runner is open", async () => {
    assertEquals(await outcomeOf({ cmd: "cat; echo end" }), [0, "ok", "end\n", ""]);
    assertEquals(await outcomeOf({ cmd: "cat; echo end", stdin: "" }), [0, "ok", "end\n", ""]);
  });

  behaves("a task may leave its stdin unread", async () => {
    const stdin = "x".repeat(5_000_000);
    assertEquals(await outcomeOf({ cmd: "head -c 1", stdin }), [0, "ok", "x", ""]);
    assertEquals(await outcomeOf({ cmd: "exec true", stdin }), [0, "ok", "", ""]);
    assertEquals(await outcomeOf({ cmd: "wc -c", stdin }), [0, "ok", "5000000\n", ""]);
  });

  behaves("the result of a task that cannot start has the reason, and the status of a shell", async () => {
    await withTempDirectory(async (directory) => {
      const file = join(directory, "file");
      await writeFile(file, "");
      const cases: [Task, number, string][] = [
        [{ cmd: ["no-such-program"] }, 127, 'the program "no-such-program" was not found'],
        [{ cmd: [file] }, 126, `the program ${JSON.stringify(file)} is not executable`],
        [{ cmd: "true", cwd: "/no/such/dir" }, 126, 'the working directory "/no/such/dir" does not exist'],
        [{ cmd: ["true"], cwd: file }, 126, `the working directory ${JSON.stringify(file)} is not a directory`],
        [
          { cmd: ["/bin/true", "x".repeat(200_000)] }, // by its path, because mksh has a built-in true
          126,
          "the command and its environment exceed the size limit of the system",
        ],
      ];
      for (const [task, status, reason] of cases) {
        const result = await resultOf(task);
        assertEquals([result.status, result.outcome], [status, "not-started"], reason);
        assertEquals(result.error, `Cannot start the task: ${reason}`);
        assertEquals([result.stdout, result.stderr, result.attempts], ["", "", 1]);
      }
    });
  });

  behaves("output that is not UTF-8 is encoded as base64, other output is unchanged", async () => {
    const binary = await resultOf({ cmd: "printf 'a\\377\\000b'; printf '\\303' >&2" });
    assertEquals([binary.stdout, binary.stdoutEncoding], ["Yf8AYg==", "base64"]);
    assertEquals([binary.stderr, binary.stderrEncoding], ["ww==", "base64"]);
    const text = await resultOf({ cmd: "printf '\\357\\273\\277\\000\\001é😀\\r\\n'" });
    assertEquals([text.stdout, text.stdoutEncoding], ["\ufeff\0\x01é😀\r\n", undefined]);
  });

  behaves("output larger than a pipe arrives completely, on both streams at once", async () => {
    const result = await resultOf({
      cmd: "head -c 65537 /dev/zero | tr '\\0' o; head -c 65537 /dev/zero | tr '\\0' e >&2",
    });
    assertEquals(result.outcome, "ok");
    assert(result.stdout === "o".repeat(65537) && result.stderr === "e".repeat(65537));
  });

  behaves(
    "output up to maxInlineBytes is in the result, and larger output is in a file",
    async () => {
      await withTempDirectory(async (directory) => {
        const options = { maxInlineBytes: 10, spillDir: join(directory, "new", "spill") };
        const exact = await resultOf({ cmd: "printf 0123456789" }, options);
        assertEquals([exact.stdout, exact.stdoutBytes, exact.stdoutFile], ["0123456789", undefined, undefined]);
        assertEquals(await readdir(directory), []); // created only when needed

        const more = await resultOf({ cmd: "printf 0123456789x; printf 0123456789yz >&2" }, options);
        assertEquals([more.stdout, more.stdoutBytes], ["0123456789", 11]);
        assertEquals([more.stderr, more.stderrBytes], ["0123456789", 12]);
        assertEquals(await readFile(more.stdoutFile!, "utf8"), "0123456789x");
        assertEquals(await readFile(more.stderrFile!, "utf8"), "0123456789yz");
        assertEquals(more.stdoutFile, join(options.spillDir, "1.stdout"));
        assertEquals((await stat(options.spillDir)).mode & 0o777, 0o700);
        assertEquals((await stat(more.stdoutFile!)).mode & 0o777, 0o600);

        const again = await resultOf({ cmd: "printf 01234567890" }, options);
        assertEquals(again.stdoutFile, join(options.spillDir, "1-2.stdout")); // existing files are never overwritten
        assertEquals(await readFile(more.stdoutFile!, "utf8"), "0123456789x");
      });
    },
  );

  behaves("the first part of large output ends with a complete character", async () => {
    await withTempDirectory(async (spillDir) => {
      for (const [maxInlineBytes, stdout] of [[0, ""], [1, "a"], [2, "a"], [4, "a"], [5, "a😀"], [6, "a😀"]] as const) {
        const result = await resultOf({ cmd: "printf 'a😀é.'" }, { maxInlineBytes, spillDir });
        assertEquals([result.stdout, result.stdoutEncoding, result.stdoutBytes], [stdout, undefined, 8]);
      }
    });
  });

  behaves("a character that spans two chunks is not damaged", async () => {
    const cmd = "printf '\\303'; sleep 0.05; printf '\\251\\360\\237'; sleep 0.05; printf '\\230\\200'";
    const { stdout, stdoutEncoding } = await resultOf({ cmd });
    assertEquals([stdout, stdoutEncoding], ["é😀", undefined]);
  });

  behaves("without spillDir, large output goes to a new private temporary directory", async () => {
    await withTempDirectory(async (directory) => {
      const before = process.env["TMPDIR"];
      process.env["TMPDIR"] = directory;
      try {
        const small = await resultOf({ cmd: "printf 1" });
        assertEquals([small.stdout, await readdir(directory)], ["1", []]);
        const { stdoutFile } = await resultOf({ cmd: "printf 123" }, { maxInlineBytes: 1 });
        const [made] = await readdir(directory);
        assertEquals(stdoutFile, join(directory, made!, "1.stdout"));
        assertEquals((await stat(join(directory, made!))).mode & 0o777, 0o700);
      } finally {
        if (before === undefined) delete process.env["TMPDIR"];
        else process.env["TMPDIR"] = before;
      }
    });
  });

  behaves("a failed attempt leaves no file when the task is retried", async () => {
    await withTempDirectory(async (directory) => {
      const spillDir = join(directory, "spill");
      const cmd = `printf 12345; test -e ${directory}/tried || { touch ${directory}/tried; exit 1; }`;
      const result = await resultOf({ cmd, retries: 1 }, { maxInlineBytes: 1, spillDir });
      assertEquals([result.outcome, result.attempts], ["ok", 2]);
      assertEquals(await readdir(spillDir), ["1.2.stdout"]);
    });
  });

  behaves("output that cannot be kept makes the task fail, with the reason", async () => {
    const nowhere = await resultOf({ cmd: "printf 12345" }, { maxInlineBytes: 2, spillDir: "/proc/no/such" });
    assertEquals(nowhere.error, "Cannot keep all of the output: no such file or directory");
    await withTempDirectory(async (directory) => {
      const spillDir = join(directory, "file");
      await writeFile(spillDir, "");
      const result = await resultOf({ cmd: "printf 12345; printf e >&2" }, { maxInlineBytes: 2, spillDir });
      assertEquals([result.status, result.outcome, result.stdout, result.stderr], [0, "failed", "12", "e"]);
      assertEquals([result.stdoutBytes, result.stdoutFile], [5, undefined]);
      assertStringIncludes(result.error!, "Cannot keep all of the output: ");
    });
  });

  behaves("a task that exceeds maxOutputBytes is terminated, and its output is truncated", async () => {
    await withTempDirectory(async (spillDir) => {
      const options = { maxInlineBytes: 10, maxOutputBytes: 99_999, killAfterMs: 200, spillDir };
      const error = "The task printed more than its limit allows. Output was truncated to its first 99999 bytes";
      const loud = await resultOf({ cmd: "yes", retries: 3 }, { ...options, killAfterMs: 60_000 });
      assertEquals([loud.outcome, loud.status, loud.signal, loud.attempts], ["output-limit", 143, "SIGTERM", 1]);
      assertEquals([loud.stdout, loud.stdoutBytes, loud.error], ["y\n".repeat(5), 99_999, error]);
      assertEquals(await readFile(loud.stdoutFile!, "utf8"), "y\n".repeat(50_000).slice(0, -1));

      const stubborn = await resultOf({ cmd: "trap '' TERM; echo $$; exec yes >&2" }, options);
      assertEquals([stubborn.outcome, stubborn.signal, stubborn.error], ["output-limit", "SIGKILL", error]);
      assertEquals((await stat(stubborn.stderrFile!)).size, 99_999);
      assert(!isAlive(Number(stubborn.stdout)));

      const quietAtFirst = await resultOf({ cmd: "sleep 0.3; exec yes" }, { maxOutputBytes: 4 });
      assertEquals([quietAtFirst.outcome, quietAtFirst.stdout], ["output-limit", "y\ny\n"]);

      const arrayOfWords = await resultOf({ cmd: ["yes", "é"] }, { maxOutputBytes: 4 });
      assertEquals([arrayOfWords.outcome, arrayOfWords.stdout, arrayOfWords.stdoutBytes], [
        "output-limit",
        "é\n",
        undefined,
      ]);
    });
  });

  behaves("truncated output stays truncated while a background process prints", async () => {
    await withTempDirectory(async (directory) => {
      const [spillDir, path] = [join(directory, "spill"), (name: string) => join(directory, name)];
      const print = `while :; do echo more; echo more >> ${path("printed")}; sleep 0.01; done`;
      const cmd = `(${print}) & echo $! > ${path("pid")}; printf 123456`;
      const { outcome, stdout, stdoutBytes, stdoutFile } = await resultOf({ cmd }, {
        maxInlineBytes: 3,
        maxOutputBytes: 5,
        spillDir,
      });
      assertEquals([outcome, stdoutBytes, (await readFile(stdoutFile!, "utf8")).slice(0, 3)], [
        "output-limit",
        5,
        stdout,
      ]);
      const printedBytes = () => stat(path("printed")).then(({ size }) => size, () => 0);
      const before = await printedBytes();
      const pid = Number(await readFile(path("pid"), "utf8"));
      await waitFor(
        "the process to print more or to end",
        async () => !isAlive(pid) || await printedBytes() > before + 10,
      );
      assertEquals((await stat(stdoutFile!)).size, 5);
      if (isAlive(pid)) process.kill(pid, "SIGKILL");
      await waitFor("the process to end", () => !isAlive(pid)); // or it would write into a directory that is being removed
    });
  });

  behaves("maxOutputBytes applies to each output, and to tasks that have already ended", async () => {
    const cmd = "trap '' TERM; printf 12345; printf 12345 >&2";
    assertEquals(await outcomeOf({ cmd }, { maxOutputBytes: 5 }), [0, "ok", "12345", "12345"]);
    const { outcome, stdout, stderr } = await resultOf({ cmd }, { maxOutputBytes: 4 });
    assertEquals([outcome, stdout, stderr], ["output-limit", "1234", "1234"]);
    assertEquals(await outcomeOf({ cmd: "true" }, { maxOutputBytes: 0 }), [0, "ok", "", ""]);
    assertEquals((await outcomeOf({ cmd }, { maxOutputBytes: Infinity }))[1], "ok");
  });

  behaves("a result does not wait for background processes of its task", async () => {
    await withTempDirectory(async (directory) => {
      const cmd = `sleep 300 & echo $! > ${directory}/pid; echo done`;
      const result = await resultOf({ cmd });
      assertEquals([result.status, result.stdout], [0, "done\n"]);
      assert(result.durationMs < 60_000);
      const pid = Number(await readFile(join(directory, "pid"), "utf8"));
      assert(isAlive(pid), "the background process survives");
      process.kill(pid, "SIGKILL");
    });
  });

  if (executor === "process") {
    behaves("a result does not wait for a background process that prints forever", async () => {
      await withTempDirectory(async (directory) => {
        for (const printer of ["yes", "while :; do echo .; sleep 0.01; done"]) {
          const result = await resultOf({ cmd: `{ ${printer}; } & echo $! > ${directory}/pid` }, {
            spillDir: directory,
          });
          assertEquals(result.status, 0);
          const pid = Number(await readFile(join(directory, "pid"), "utf8"));
          await waitFor("the printer to be ended by a closed pipe", () => !isAlive(pid));
        }
      });
    });
  }

  behaves(
    "all output arrives while a background process holds the pipe open",
    async () => {
      const size = 60_000; // fits into a pipe, so the task may end before anything is read
      const results = run(
        Array.from({ length: 20 }, () => ({ cmd: `sleep 2 & head -c ${size} /dev/zero | tr '\\0' x` })),
        { concurrency: 20 },
      );
      for (const { stdout } of await collect(results)) assertEquals(stdout.length, size);
    },
  );

  behaves("stopping a run terminates all processes of its tasks", async () => {
    await withTempDirectory(async (directory) => {
      // An obedient task, one with a child, one that ignores SIGTERM, and a stopped one.
      const cmds = [
        "sleep 300",
        `sleep 300 & echo $! > ${directory}/child; wait`,
        "trap '' TERM; sleep 300 & sleep 301; sleep 302",
        "kill -STOP $$; sleep 300",
      ];
      const results = run(
        cmds.map((cmd, index) => ({ cmd: `echo $$ > ${directory}/${index}; ${cmd}` })),
        { concurrency: 4, killAfterMs: 300 },
      );
      const first = results.next();
      const pids = async () => {
        const names = await readdir(directory);
        const texts = await Promise.all(names.map((name) => readFile(join(directory, name), "utf8")));
        return texts.filter((text) => text.endsWith("\n")).map(Number);
      };
      await waitFor("all tasks to run", async () => (await pids()).length === 5);
      await results.return();
      assertEquals((await first).done, true);
      for (const pid of await pids()) assert(!isAlive(pid), `process ${pid} is left`);
    });
  });

  behaves(
    "a program that breaks after ten results of 1,000,000 tasks ends, and no process is left",
    async () => {
      await withTempDirectory(async (directory) => {
        // The tenth task waits until another one has started.
        const wait = `until test $(wc -l < ${directory}/pids) -gt 10; do sleep 0.01; done`;
        const cmd = `echo $$ >> ${directory}/pids; test & -lt 10 || { test & -eq 10 \\&\\& ${wait}; } || sleep 300`;
        const script = `seq 1000000 | sed 's#.*#{"cmd":"${cmd}"}#' | $RUNTIME tests/fixtures/take_ten.ts`;
        const { status, stdout, stderr } = await shell(script);
        assertEquals([status, stdout, stderr], [0, "10 results\n", ""]);
        const pids = (await readFile(join(directory, "pids"), "utf8")).trim().split("\n").map(Number);
        assert(pids.length > 10, "others were running");
        for (const pid of pids) assert(!isAlive(pid), `${pid} is left`);
      });
    },
  );

  /** Stops a run of one task as soon as the task has created a file `ready` in its working directory. */
  async function stoppedWhenReady(cmd: string, killAfterMs: number): Promise<TaskResult> {
    return await withTempDirectory(async (directory) => {
      const stop = new AbortController();
      const results = run([{ cmd, cwd: directory }], { signal: stop.signal, killAfterMs });
      const first = results.next();
      await waitFor("the task to be ready", () => existsSync(join(directory, "ready")));
      stop.abort();
      return (await first).value!;
    });
  }

  behaves("a terminated task keeps its output", async () => {
    const { status, outcome, stdout, signal } = await stoppedWhenReady("echo before; touch ready; sleep 300", 60_000);
    assertEquals([status, outcome, stdout, signal], [143, "canceled", "before\n", SIGTERM]);
  });

  behaves("a task that ignores SIGTERM gets SIGKILL", async () => {
    const { status, outcome, signal } = await stoppedWhenReady(
      "trap '' TERM; touch ready; while :; do sleep 0.01; done",
      50,
    );
    assertEquals([status, outcome, signal], [137, "canceled", "SIGKILL"]);
  });

  behaves("kill() immediately ends a task that ignores SIGTERM during its termination", async () => {
    await withTempDirectory(async (directory) => {
      const stop = new AbortController();
      const cmd = "trap '' TERM; touch ready; while :; do sleep 0.01; done";
      const results = run([{ cmd, cwd: directory }], { signal: stop.signal, killAfterMs: 3_600_000 });
      const first = results.next();
      await waitFor("the task to be ready", () => existsSync(join(directory, "ready")));
      stop.abort();
      results.kill();
      const { status, outcome, signal } = (await first).value!;
      assertEquals([status, outcome, signal], [137, "canceled", "SIGKILL"]);
    });
  });

  behaves("SIGTERM also ends a task in the stopped state", async () => {
    const { status, outcome, signal } = await stoppedWhenReady("touch ready; kill -STOP $$; sleep 300", 60_000);
    assertEquals([status, outcome, signal], [143, "canceled", SIGTERM]);
  });

  behaves("a task that times out has status 124", async () => {
    // The first task makes the slot ready. Otherwise the timeout could expire before the second command starts.
    const tasks = [{ cmd: "true" }, { cmd: "exec sleep 300", timeoutMs: 500 }];
    const [, result] = await collect(run(tasks, { concurrency: 1 }));
    assertEquals([result!.status, result!.outcome, result!.signal], [124, "timeout", "SIGTERM"]);
  });

  behaves("processes that a task puts into another session are left alone", async () => {
    await withTempDirectory(async (directory) => {
      const cmd = `setsid sh -c 'echo $$ > ${directory}/pid; exec sleep 300' > /dev/null 2>&1 & wait`;
      const stop = new AbortController();
      const results = run([{ cmd }], { signal: stop.signal });
      const first = results.next();
      const pid = async () => Number(await readFile(join(directory, "pid"), "utf8").catch(() => ""));
      await waitFor("the session", async () => await pid() > 0);
      stop.abort();
      assertEquals((await first).value!.outcome, "canceled");
      assert(isAlive(await pid()));
      process.kill(await pid(), "SIGKILL");
    });
  });

  behaves(
    "an aborted run that waits for standard input does not keep the program alive",
    async () => {
      const program = start(process.execPath, [
        ...RUN_MODULE,
        join(PROJECT, "tests/fixtures/abort_with_open_stdin.ts"),
      ]);
      program.child.stdin!.write('{"cmd":"echo early"}\n');
      const { status, stdout, stderr } = await program.ended;
      assertEquals([status, stdout, stderr], [0, "early\nenough\n", ""]);
    },
  );

  behaves(
    "a missing directory for output fails the task, not the run",
    async () => {
      const script = `echo '{"cmd":"echo hello"}' | TMPDIR=/no/such/directory $RUNTIME cli.ts -q --max-inline 1`;
      const { status, stdout, stderr } = await shell(script);
      assertEquals([status, stderr], [1, ""]);
      assertStringIncludes(stdout, "Cannot keep all of the output: no such file or directory");
    },
  );

  behaves("a timeout terminates the children of its task, and leaves other tasks alone", async () => {
    await withTempDirectory(async (directory) => {
      const stays = `until test -e ${directory}/go; do sleep 0.01; done; echo done`;
      const results = run([
        { id: "ends", cmd: `sleep 300 & echo $! > ${directory}/pid; wait`, timeoutMs: 2_000 },
        { id: "stays", cmd: stays },
      ], { concurrency: 2 });
      assertEquals((await results.next()).value!.outcome, "timeout");
      await writeFile(join(directory, "go"), "");
      assertEquals((await results.next()).value!.stdout, "done\n");
      assertEquals((await results.next()).done, true);
      assert(!isAlive(Number(await readFile(join(directory, "pid"), "utf8"))));
    });
  });

  behaves("concurrent tasks get their own outputs and statuses", async () => {
    const tasks = Array.from({ length: 100 }, (_, index) => ({
      cmd: `echo ${index}; echo e${index} >&2; exit ${index}`,
    }));
    for (const result of await collect(run(tasks, { concurrency: 10 }))) {
      const index = Number(result.id) - 1;
      assertEquals([result.stdout, result.stderr, result.status], [`${index}\n`, `e${index}\n`, index]);
    }
  });

  behaves("the path of a program is relative to cwd", async () => {
    await withTempDirectory(async (directory) => {
      await mkdir(join(directory, "bin"));
      await writeProgram(join(directory, "bin", "tool"), "#!/bin/sh\necho tool\n");
      assertEquals((await resultOf({ cmd: ["./bin/tool"], cwd: directory })).stdout, "tool\n");
    });
  });

  behaves("the option `spawnAdapter` replaces the adapter", async () => {
    let started = 0;
    const spawnAdapter = {
      name: "counting",
      canSignal: true,
      spawn: (options: never) => (started++, nodeAdapter.spawn(options)),
    };
    const options = { spawnAdapter, cleanup: false };
    assertEquals(await outcomeOf({ cmd: "echo hi" }, options), [0, "ok", "hi\n", ""]);
    assertEquals(started, 1);
  });

  behaves("stopping a run during the start of a process terminates that process", async () => {
    const stop = new AbortController();
    const starting = Promise.withResolvers<void>();
    const pids: number[] = [];
    const spawnAdapter = {
      name: "slow",
      canSignal: true,
      async spawn(options: Parameters<typeof nodeAdapter.spawn>[0]) {
        const child = await nodeAdapter.spawn(options);
        pids.push(child.pid);
        stop.abort();
        await starting.promise;
        return child;
      },
    };
    const results = run([{ cmd: "sleep 300" }], { spawnAdapter, signal: stop.signal });
    const first = results.next();
    await waitFor("the process", () => stop.signal.aborted);
    starting.resolve();
    const { outcome, stdout, stderr } = (await first).value!;
    assertEquals([outcome, stdout, stderr], ["canceled", "", ""]);
    await results.return();
    assertEquals(pids.filter(isAlive), []);
  });

  if (executor === "process" && RUNTIME !== "bun") return;
  behaves("a result has the CPU time of its task", async () => {
    const busy = { cmd: "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done" };
    const results = await collect(run([busy, { cmd: "true" }], { concurrency: 1 }));
    const [one, other] = results.map(({ userMs, systemMs }) => userMs! + systemMs!);
    assert(one! > 10 && other! <= 20, `${one} ${other}`);
  });
}

for (const executor of EXECUTORS) contract(executor);

/** Tests of pipelines, redirections and directories in a starter of the launcher, with real processes. */

import { existsSync, readFileSync } from "node:fs";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { createExecutor } from "../../executors/mod.ts";
import { plainPrograms } from "../../executors/shell/launcher/plain_programs.ts";
import { run, type RunOptions, type Task, type TaskResult } from "../../mod.ts";
import { checkTask } from "../../records/task.ts";
import { shellQuote } from "../../text/shell_quote.ts";
import {
  collect,
  isAlive,
  lacks,
  shell as runShell,
  until,
  waitFor,
  withTempDirectory,
  writeProgram,
} from "../support/helpers.ts";
import { inShell, isLauncher, launcherTest, LOOK } from "../support/launcher.ts";

/** Defines a test that only runs where there are a launcher and dash. */
function pipelineTest(name: string, body: () => void | Promise<void>): void {
  launcherTest(name, () => lacks("dash") ? undefined : body());
}

const script = (text: string) => `sh -c ${shellQuote(text)}`;

/** Runs tasks one after another in one slot. Returns the results in the order of the tasks. */
function inOneSlot(tasks: Task[], options: RunOptions = {}): Promise<TaskResult[]> {
  return collect(run(tasks, { executor: "shell", shell: "dash", concurrency: 1, keepOrder: true, ...options }));
}

const outcomeOf = ({ status, outcome, signal, error, stdout, stderr }: TaskResult) => {
  return { status, outcome, signal, error, stdout, stderr };
};

/** Runs commands that only start programs in starters and in their own processes, and compares the results. */
async function assertSameAsProcess(commands: string[], options: RunOptions = {}): Promise<TaskResult[]> {
  for (const command of commands) assert(plainPrograms(command), command);
  const tasks = commands.map((cmd): Task => ({ cmd }));
  const results = await inOneSlot(tasks, options);
  const expected = await inOneSlot(tasks, { ...options, executor: "process" });
  for (const [index, command] of commands.entries()) {
    assertEquals([command, outcomeOf(results[index]!)], [command, outcomeOf(expected[index]!)]);
  }
  return results;
}

pipelineTest("each program of a pipeline is a child of the starter, without other descriptors", async () => {
  const look = script(`cat; ${LOOK}; echo $PPID; ls /proc/self/f?`);
  const [result] = await inOneSlot([{ cmd: [look, look, look].join(" | ") }]);
  const lines = result!.stdout.trim().split("\n");
  assertEquals(lines.length % 3, 0);
  const third = lines.length / 3;
  const [first, second, last] = [0, 1, 2].map((index) => lines.slice(index * third, (index + 1) * third));
  assert(isLauncher(first![0]!));
  assertEquals(first, second);
  assertEquals(second, last);
  const { stdout } = (await inOneSlot([{ cmd: ["sh", "-c", "ls /proc/self/f?"] }]))[0]!;
  assertEquals(first!.slice(2).join("\n"), stdout.trim());
});

pipelineTest("the messages of dash about signals are in standard error", async () => {
  const kill = (signal: string | number) => script(`kill -${signal} $$`);
  const results = await assertSameAsProcess([
    ...["INT", "PIPE", "KILL", "TERM", "USR1", 34, 64].flatMap((signal) => [
      `${kill(signal)} | cat`,
      `seq 3 | ${kill(signal)}`,
      `${kill(signal)} 2>/dev/null | cat 2>/dev/null`,
      `seq 3 | ${kill(signal)} | cat`,
    ]),
    `${kill("KILL")} | ${script("cat; kill -TERM $$")}`,
    `${kill("STOP")} | ${script("sleep 0.01; kill -CONT 0; kill -USR1 $$")}`,
  ]);
  assertEquals(results.slice(4, 6).map(({ status, stderr }) => [status, stderr]), [[0, ""], [141, ""]]);
  assertEquals(results[9]!.stderr, "Killed\n");
  assertEquals(results.at(-2)!.stderr, "Killed\nTerminated\n");
});

pipelineTest("a signal to the process group ends a pipeline as it ends a shell", async () => {
  const signals = ["HUP", "INT", "QUIT", "USR1", "USR2", "PIPE", "ALRM", "TERM"];
  for (const signal of signals) {
    for (
      const command of [
        `${script(`kill -${signal} 0; sleep 300`)} | cat`,
        `seq 3 | ${script(`trap "" ${signal}; kill -${signal} 0`)} | sleep 300`,
      ]
    ) {
      const [result] = await assertSameAsProcess([command]);
      assertEquals(result!.signal, `SIG${signal}`);
    }
  }
  await withTempDirectory(async (directory) => {
    const [go, log] = [join(directory, "go"), join(directory, "log")];
    const survivor = script(`trap "" TERM; echo a; kill -TERM 0; ${until(go)}; echo survived >${log}`);
    const [killed, next] = await inOneSlot([
      { cmd: `${survivor} | cat` },
      { cmd: `touch ${go} | ${script(`${until(log)}; cat ${log}`)}` },
    ]);
    assertEquals([killed!.signal, killed!.stderr, next!.stdout, next!.stderr], ["SIGTERM", "", "survived\n", ""]);
  });
});

pipelineTest("a pipeline ends when all of its programs and pipes have ended", async () => {
  await withTempDirectory(async (directory) => {
    const [begun, go] = [join(directory, "begun"), join(directory, "go")];
    const executor = createExecutor({ shell: "dash" });
    for (
      const cmd of [
        `${script(`touch ${begun}; ${until(go)}; echo late >&2`)} | true_ | cat`.replace("true_", "head -n 0"),
        `${script(`(touch ${begun}; ${until(go)}; echo late) & echo a`)} | cat`,
      ]
    ) {
      const attempt = { task: checkTask({ cmd }, { number: 1 }), id: "1", sequence: 1, number: 1, slot: 1 };
      let hasEnded = false;
      const { ended } = executor.start(attempt, { onStart() {}, onOutputLimit() {} });
      ended.then(() => hasEnded = true, () => {});
      await waitFor("the first program", () => existsSync(begun));
      assert(!hasEnded);
      await writeFile(go, "");
      const { stdout, stderr } = await ended;
      assertMatch(stdout.text + stderr.text, /late\n/);
      await runShell(`rm ${begun} ${go}`);
    }
    await executor.close();
  });
});

pipelineTest("a pipeline of 64 programs runs in a starter, a longer one in a shell", async () => {
  const pipeline = (count: number) => [script(LOOK), ...Array<string>(count - 1).fill("cat")].join("|");
  const results = await inOneSlot([{ cmd: ":" }, { cmd: pipeline(64) }, { cmd: pipeline(65) }]);
  assertEquals(results.map(({ stdout }) => isLauncher(stdout)), [false, true, false]);
  assertMatch(results[2]!.stdout, /dash\n$/);
});

pipelineTest("programs that turn out to be unusable have the results of dash", async () => {
  await withTempDirectory(async (directory) => {
    const file = (name: string) => join(directory, name);
    const header = new Uint8Array(await readFile("/bin/sh")).slice(0, 20);
    await writeProgram(file("no-interpreter"), "#!/nowhere/interpreter\n");
    await writeProgram(file("directory-interpreter"), "#!/\n");
    await writeFile(file("header"), header, { mode: 0o755 });
    await writeProgram(file("no-first-line"), "cat; exit 9\n");
    await writeFile(file("not-executable"), "#!/bin/sh\n");
    const names = ["no-interpreter", "directory-interpreter", "no-first-line", "not-executable", "none"];
    const paths = names.flatMap((name) => [file(name), relative(process.cwd(), file(name))]);
    await assertSameAsProcess(paths.flatMap((path) => [
      `seq 3 | ${path} 'it'"'"'s' | cat`,
      `seq 3 | ${path} >${file("out")} 2>&1`,
      `${path} | cat`,
      `cat ${file("out")}`,
    ]));
    // The bytes of the file, in the message of the shell, are not text.
    const [broken] = await inOneSlot([{ cmd: `seq 3 | ${file("header")}` }]);
    assertEquals([broken!.outcome, broken!.stdout], ["failed", ""]);
    await assertSameAsProcess(["/nowhere/x", "/", `${directory}/none/x`].flatMap((path) => [
      `seq 3 | cat >${path} | cat`,
      `seq 3 | cat 2>${file("err")} >${path}`,
      `seq 3 | cat <${path} 2>&1 | cat`,
      `cat ${file("err")}`,
    ]));
  });
});

pipelineTest("redirections apply in order, and to existing files as in a shell", async () => {
  await withTempDirectory(async (directory) => {
    const file = join(directory, "file");
    const both = script("echo out; echo err >&2");
    const results = await assertSameAsProcess([
      `${both} >${file} 2>&1`,
      `cat ${file}`,
      `${both} 2>&1 >${file}`,
      `cat ${file}`,
      `${both} >>${file} 2>>${file}`,
      `cat <${file}`,
      `sort -r <${file} >${file}.sorted | cat`,
      `cat ${file}.sorted`,
      `cat 0<${file} 1>&2`,
      `stat -c %a ${file}`,
    ]);
    assertEquals(results[5]!.stdout, "out\nout\nerr\n");
    const target = join(directory, "target");
    await symlink(target, `${file}.link`);
    await inOneSlot([{ cmd: `seq 2 >${file}.link` }]);
    assertEquals(await readFile(target, "utf8"), "1\n2\n");
  });
});

pipelineTest("FIFOs and terminals are opened by a shell, which can wait", async () => {
  await withTempDirectory(async (directory) => {
    const fifo = join(directory, "fifo");
    await runShell(`mkfifo ${fifo}`);
    const results = await inOneSlot([
      { cmd: `seq 3 >${fifo} | cat <${fifo}` },
      { cmd: `cat <${fifo} >&2 | seq 3 >${fifo}` },
      { cmd: `${script(LOOK)} </dev/tty`, timeoutMs: 60_000 },
    ]);
    assertEquals(results.slice(0, 2).map(({ outcome, stdout, stderr }) => [outcome, stdout, stderr]), [
      ["ok", "1\n2\n3\n", ""],
      ["ok", "", "1\n2\n3\n"],
    ]);
    assert(!isLauncher(results[2]!.stdout));
    const [blocked] = await inOneSlot([{ cmd: `cat <${fifo} | cat`, timeoutMs: 100 }]);
    assertEquals([blocked!.outcome, blocked!.signal], ["timeout", "SIGTERM"]);
  });
});

pipelineTest("timeouts and output limits end all programs of a pipeline", async () => {
  await withTempDirectory(async (directory) => {
    const pids = join(directory, "pids");
    const note = `echo $$ >>${pids}; sleep 300 & echo $! >>${pids}`;
    const [quick, member, stubborn] = [`${note}`, `${note}; wait`, `trap "" TERM; ${note}; while :; do wait; done`]
      .map(script);
    const commands = [
      [member, member, member],
      [quick, member, quick, member],
      [quick, quick, quick, quick, quick, member],
      [member, stubborn],
    ].map((programs) => programs.join(" | "));
    for (const hasBackground of [false, true]) {
      const tasks = commands.map((cmd): Task => ({ cmd, timeoutMs: 500 }));
      const background = { cmd: `${script("sleep 300 >/dev/null 2>&1 & echo $!")} | cat` };
      const results = await inOneSlot([...(hasBackground ? [background] : []), ...tasks], { killAfterMs: 300 });
      const spared = hasBackground ? Number(results.shift()!.stdout) : undefined;
      assertEquals(
        results.map(({ outcome, signal, stderr }) => [outcome, signal, stderr]),
        tasks.map(() => ["timeout", "SIGTERM", ""]),
      );
      for (const pid of readFileSync(pids, "utf8").trim().split("\n")) {
        assert(!isAlive(Number(pid)), `${hasBackground}`);
      }
      if (spared !== undefined && isAlive(spared)) process.kill(spared, "SIGKILL");
    }
    const [limited] = await inOneSlot([{ cmd: "cat /dev/zero | cat | cat" }], { maxOutputBytes: 1_000 });
    assertEquals([limited!.outcome, limited!.stdout.length], ["output-limit", 1_000]);
  });
});

pipelineTest("a starter that is killed ends its pipeline, and the slot gets another one", async () => {
  await withTempDirectory(async (directory) => {
    const pid = join(directory, "pid");
    const [killed, next] = await inOneSlot([
      { cmd: `${script(`echo $$ >${pid}; exec sleep 300`)} | ${script(`${until(pid)}; kill -9 $PPID; sleep 300`)}` },
      { cmd: `${script(LOOK)} | cat` },
    ]);
    assertEquals([killed!.outcome, killed!.signal, isLauncher(next!.stdout)], ["killed", "SIGKILL", true]);
    assert(!isAlive(Number(await readFile(pid, "utf8"))));
  });
});

pipelineTest("the CPU time of a pipeline is that of all of its programs", async () => {
  const burn = script("i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done");
  const [one, three] = await inOneSlot([{ cmd: `${burn} | cat` }, { cmd: `${burn} | ${burn} | ${burn}` }]);
  const cpuMs = ({ userMs, systemMs }: TaskResult) => userMs! + systemMs!;
  assert(cpuMs(three!) > 1.8 * cpuMs(one!), `${cpuMs(one!)} ms, ${cpuMs(three!)} ms`);
});

pipelineTest("a refused pipeline runs in the shell of its slot, after the attempts before it", async () => {
  await withTempDirectory(async (directory) => {
    const log = join(directory, "log");
    const missing = `${script(`echo begun >>${log}`)} | no_such_program`;
    const tasks = Array.from({ length: 20 }, (_, index): Task => ({
      cmd: index % 3 === 1 ? missing : `${script(`echo ${index} >>${log}`)} | cat`,
    }));
    const results = await collect(run(tasks, { shell: "dash", concurrency: 2, keepOrder: true }));
    assertEquals(results.map(({ status }) => status), tasks.map((_, index) => index % 3 === 1 ? 127 : 0));
    const lines = (await readFile(log, "utf8")).trim().split("\n");
    assertEquals(lines.length, tasks.length); // each once
  });
});

pipelineTest("without cwd, relative paths are relative to the directory of the run", async () => {
  await withTempDirectory(async (directory) => {
    const path = (name: string) => relative(process.cwd(), join(directory, name));
    await writeFile(path("wc"), "#!/bin/sh\necho own\n", { mode: 0o700 });
    await writeFile(path("input"), "");
    const env = { PATH: `${relative(process.cwd(), directory)}:${process.env.PATH}` };
    const [fifo, input] = [shellQuote(path("fifo")), shellQuote(path("input"))];
    const results = await inOneSlot([
      { cmd: `wc </dev/null`, env },
      { cmd: `true | wc`, env },
      { cmd: `${shellQuote(path("wc"))} <${input} | cat` },
      { cmd: `${script(LOOK)} <${input}` },
      { cmd: `mkfifo ${fifo}` },
      { cmd: `cat /dev/null >${fifo}`, timeoutMs: 100 },
    ]);
    assertEquals(results.slice(0, 3).map(({ stdout }) => stdout), ["own\n", "own\n", "own\n"]);
    assert(isLauncher(results[3]!.stdout), results[3]!.stdout);
    assertEquals(results.slice(4).map(({ outcome }) => outcome), ["ok", "timeout"]);
  });
});

pipelineTest("a task with cwd has the variables and the directory that it has in a shell", async () => {
  await withTempDirectory(async (directory) => {
    const real = join(directory, "a real  directory");
    const bin = join(real, "bin");
    await mkdir(bin, { recursive: true });
    await symlink(real, join(directory, "link"));
    await writeProgram(join(bin, "find-me"), "#!/bin/sh\necho found; pwd\n");
    const look = `pwd; pwd -P; readlink /proc/self/cwd; env | grep -E "^(OLD)?PWD=" | sort; echo $OLDPWD`;
    const paths = [real, join(directory, "link"), relative(process.cwd(), real), "/", `${real}/../link/bin/..`, "//"];
    const tasks = paths.flatMap((cwd): Task[] => [
      { cmd: ["sh", "-c", look], cwd },
      { cmd: script(look), cwd },
      { cmd: `${script(look)} | cat`, cwd },
      { cmd: ["env", "-u", "X", "pwd"], cwd },
    ]);
    const more: Task[] = [
      { cmd: ["./bin/find-me"], cwd: real },
      { cmd: "bin/find-me | cat", cwd: real },
      { cmd: ["find-me"], cwd: real, env: { PATH: `bin:${process.env.PATH}` } },
      { cmd: "find-me | cat", cwd: real, env: { PATH: `bin:${process.env.PATH}` } },
      { cmd: "find-me | cat", cwd: bin, env: { PATH: `:${process.env.PATH}` } },
      { cmd: "seq 2 >out", cwd: real },
      { cmd: "cat <out | cat", cwd: real },
      { cmd: "find-me", cwd: real },
      { cmd: ["pwd"], cwd: join(directory, "none") },
      { cmd: "pwd_ | cat", cwd: join(bin, "find-me") },
      { cmd: ["pwd"], cwd: join(bin, "find-me") },
    ];
    for (const shell of ["dash", "bash", "mksh"]) {
      if (lacks(shell)) continue;
      const some = shell === "dash" ? [...tasks, ...more] : [...tasks, ...more].filter(({ cmd }) => Array.isArray(cmd));
      const expected = await inOneSlot(some.map(inShell), { shell });
      const results = await inOneSlot(some, { shell });
      for (const [index, { cmd, cwd }] of some.entries()) {
        assertEquals([shell, cmd, cwd, outcomeOf(results[index]!)], [shell, cmd, cwd, outcomeOf(expected[index]!)]);
      }
    }
    const looks = paths.filter((cwd) => cwd !== "//").map((cwd): Task => ({ cmd: ["sh", "-c", LOOK], cwd }));
    for (const { stdout } of await inOneSlot(looks)) assert(isLauncher(stdout));
  });
});

pipelineTest("a task with cwd exports PWD exactly when the shell does", async () => {
  const task = JSON.stringify({ cmd: ["env"], cwd: "/usr" });
  for (const shell of ["dash", "bash", "mksh"]) {
    if (lacks(shell)) continue;
    for (const variables of ["-u PWD -u OLDPWD", "-u PWD OLDPWD=/", "PWD=/wrong", "OLDPWD=/tmp"]) {
      const [starter, worker] = await Promise.all(
        [task, JSON.stringify(inShell(JSON.parse(task)))].map(async (line) => {
          const { stdout } = await runShell(
            `echo ${shellQuote(line)} | env ${variables} $RUNTIME cli.ts --executor shell --shell ${shell}`,
          );
          return JSON.parse(stdout).stdout.split("\n").filter((line: string) => /^(OLD)?PWD=/.test(line)).sort();
        }),
      );
      assertEquals([shell, variables, starter], [shell, variables, worker]);
    }
  }
});

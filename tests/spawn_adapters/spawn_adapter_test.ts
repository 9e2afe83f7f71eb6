import { test } from "node:test";
import { mkdir, readdir, readFile, realpath, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import {
  type ChildProcess,
  defaultSpawnAdapter,
  type ExitStatus,
  type OutputReader,
  type SpawnAdapter,
  type SpawnOptions,
} from "../../spawn_adapters/mod.ts";
import { ProcessGuard } from "../../spawn_adapters/guard.ts";
import { GUARD_SCRIPT } from "../../spawn_adapters/guard_script.ts";
import { spawnAdapter as nodeAdapter } from "../../spawn_adapters/node.ts";
import {
  isAlive,
  notTried,
  RUNTIME,
  signalIfThere,
  TIMEOUT,
  waitFor,
  withTempDirectory,
  writeProgram,
} from "../support/helpers.ts";

const ownAdapter = await defaultSpawnAdapter();
/** Deno and Bun have the API of Node, too. */
const adapters: SpawnAdapter[] = ownAdapter.name === "node" ? [ownAdapter] : [ownAdapter, nodeAdapter];

interface Ended {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

async function text(reader: OutputReader | null): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for (;;) {
    const bytes = await reader?.read();
    if (!bytes) return text;
    text += decoder.decode(bytes, { stream: true });
  }
}

async function ended({ exited, stdout, stderr }: ChildProcess): Promise<Ended> {
  const [{ code, signal }, out, err] = await Promise.all([exited, text(stdout), text(stderr)]);
  return { code, signal, stdout: out, stderr: err };
}

/** The contract: what every adapter has to do alike. */
function contract(adapter: SpawnAdapter) {
  const sh = (command: string, options: Partial<SpawnOptions> = {}) =>
    adapter.spawn({ program: "sh", args: ["-c", command], stdin: "null", stderr: "piped", ...options });
  const behaves = (behaviour: string, fn: () => Promise<void>) =>
    test(`the ${adapter.name} adapter ${behaviour}`, TIMEOUT, fn);
  const codeOfFailure = async (options: SpawnOptions) => {
    const child = await adapter.spawn(options).catch((error) => error);
    assert(child instanceof Error, "it was started");
    return (child as { code?: string }).code;
  };

  behaves("gives the output and the exit code", async () => {
    assertEquals(await ended(await sh("echo out; echo err >&2; exit 3")), {
      code: 3,
      signal: null,
      stdout: "out\n",
      stderr: "err\n",
    });
  });

  behaves("does not take an exit code above 128 for a signal", async () => {
    for (const exit of [128, 130, 137, 255]) {
      const { code, signal } = await ended(await sh(`exit ${exit}`));
      assertEquals([code, signal], [exit, null]);
    }
  });

  behaves("gives the name of the signal and no exit code", async () => {
    for (const signal of ["KILL", "TERM", "INT", "SEGV", "USR1"]) {
      const { code, signal: actual } = await ended(await sh(`kill -${signal} $$`));
      assertEquals([code, actual], [null, `SIG${signal}`]);
    }
  });

  behaves("hands arguments over byte for byte", async () => {
    const args = ["", " ", "a b", "'", '"', "\\", "$HOME", "*", "a\nb", "-n", "é\u{1f600}", "\x01\x7f"];
    const child = await adapter.spawn({ program: "printf", args: ["%s|", ...args], stdin: "null", stderr: "piped" });
    assertEquals((await ended(child)).stdout, args.map((arg) => `${arg}|`).join(""));
  });

  behaves("reads nothing from stdin when there is none", async () => {
    const child = await sh("cat; echo end");
    assertEquals(child.stdin, null);
    assertEquals((await ended(child)).stdout, "end\n");
  });

  behaves("writes to stdin and closes it", async () => {
    const child = await sh("cat", { stdin: "piped" });
    child.stdin!.write("one\n");
    child.stdin!.write("two\n");
    child.stdin!.close();
    assertEquals(await text(child.stdout), "one\ntwo\n");
    assertEquals((await child.exited).code, 0);
  });

  behaves("writes bytes to stdin as they are", async () => {
    const child = await sh("od -An -v -tu1 | tr -s ' \\n' ,", { stdin: "piped" });
    const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    child.stdin!.write(bytes.subarray(0, 128));
    child.stdin!.write(bytes.subarray(128));
    child.stdin!.close();
    assertEquals(await text(child.stdout), `,${bytes.join()},`);
  });

  behaves("hands a large input over while the output is read", async () => {
    const child = await sh("cat", { stdin: "piped" });
    const input = "0123456789abcdef".repeat(1_000_000);
    child.stdin!.write(input);
    child.stdin!.close();
    assert(await text(child.stdout) === input);
  });

  behaves("survives a process that does not read its stdin", async () => {
    const child = await sh("exec true", { stdin: "piped" });
    child.stdin!.write("x".repeat(1_000_000));
    child.stdin!.close();
    assertEquals((await child.exited).code, 0);
    child.stdin!.write("x");
    child.stdin!.abort();
    child.stdin!.abort();
  });

  behaves("closes a stdin that is not read when it is told to", async () => {
    const child = await sh("exec sleep 300", { stdin: "piped" });
    child.stdin!.write("x".repeat(1_000_000));
    child.stdin!.abort();
    process.kill(-child.pid, "SIGKILL");
    assertEquals((await child.exited).signal, "SIGKILL");
  });

  behaves("throws away the errors that nobody wants", async () => {
    const child = await sh("echo out; echo err >&2", { stderr: "null" });
    assertEquals(child.stderr, null);
    assertEquals(await text(child.stdout), "out\n");
  });

  behaves("gives the environment as it is now", async () => {
    process.env["TASKRUNNER_TEST_CHANGED"] = "once";
    assertEquals((await ended(await sh('echo "$TASKRUNNER_TEST_CHANGED"'))).stdout, "once\n");
    delete process.env["TASKRUNNER_TEST_CHANGED"];
    assertEquals((await ended(await sh('echo "${TASKRUNNER_TEST_CHANGED-gone}"'))).stdout, "gone\n");
  });

  behaves("adds variables to the environment", async () => {
    process.env["TASKRUNNER_TEST_INHERITED"] = "kept";
    const child = await sh('echo "$TASKRUNNER_TEST_INHERITED|$ADDED|$PATH"', { env: { ADDED: "a\nb'\"" } });
    assertEquals((await ended(child)).stdout, `kept|a\nb'"|${process.env["PATH"]}\n`);
  });

  behaves("overrides variables, and hands over names that no shell takes", async () => {
    const child = await adapter.spawn({
      program: "env",
      args: [],
      stdin: "null",
      stderr: "piped",
      env: { HOME: "/elsewhere", "not.a-name": "x", constructor: "y" },
    });
    const lines = (await ended(child)).stdout.split("\n");
    for (const line of ["HOME=/elsewhere", "not.a-name=x", "constructor=y"]) assert(lines.includes(line), line);
  });

  behaves("starts in the working directory", async () => {
    await withTempDirectory(async (directory) => {
      const path = await realpath(directory);
      assertEquals((await ended(await sh("pwd -P", { cwd: path }))).stdout, `${path}\n`);
    });
  });

  behaves("finds a program by a path that is relative to the working directory", async () => {
    await withTempDirectory(async (directory) => {
      await mkdir(join(directory, "bin"));
      await writeProgram(join(directory, "bin", "prog"), "#!/bin/sh\necho found\n");
      const child = await adapter.spawn({
        program: "./bin/prog",
        args: [],
        stdin: "null",
        stderr: "piped",
        cwd: directory,
      });
      assertEquals((await ended(child)).stdout, "found\n");
    });
  });

  behaves("finds a program in the PATH that the process is given", async () => {
    await withTempDirectory(async (directory) => {
      await writeProgram(join(directory, "own-prog"), "#!/bin/sh\necho found\n");
      const env = { PATH: `${directory}:${process.env["PATH"]}` };
      const child = await adapter.spawn({ program: "own-prog", args: [], stdin: "null", stderr: "piped", env });
      assertEquals((await ended(child)).stdout, "found\n");
    });
  });

  behaves("starts a process that leads a session and a process group", async () => {
    const child = await sh("cat /proc/$$/stat");
    const { stdout } = await ended(child);
    const [, , group, session] = stdout.slice(stdout.lastIndexOf(")") + 2).split(" ").map(Number);
    assertEquals([group, session], [child.pid, child.pid]);
  });

  behaves("says that a process has ended while another holds its output open", async () => {
    const child = await sh("echo first; sleep 300 & echo $!");
    assertEquals((await child.exited).code, 0);
    let output = "";
    while (!/^first\n\d+\n$/.test(output)) output += new TextDecoder().decode(await child.stdout.read());
    const read = child.stdout.read();
    const errorRead = child.stderr!.read();
    child.stdout.cancel();
    child.stderr!.cancel();
    assertEquals([await read, await errorRead], [undefined, undefined]);
    assertEquals(await child.stdout.read(), undefined);
    const grandchild = Number(output.split("\n")[1]);
    process.kill(-child.pid, "SIGKILL");
    await waitFor("the grandchild to be gone", () => !isAlive(grandchild));
  });

  behaves("reads both outputs at once, each larger than a pipe", async () => {
    const { stdout, stderr } = await ended(await sh("head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2"));
    assertEquals([stdout.length, stderr.length], [300000, 300000]);
  });

  behaves("does not read ahead of its reader", async () => {
    await withTempDirectory(async (directory) => {
      const progress = join(directory, "progress");
      const child = await sh(`i=0; while :; do head -c 65536 /dev/zero; i=$((i+1)); echo $i >>${progress}; done`);
      await child.stdout.read();
      const rounds = async () => (await readFile(progress, "utf8").catch(() => "")).split("\n").length - 1;
      // A writer that is held back stops; one that is not would be far beyond this after so many looks.
      let last = -1;
      await waitFor("the writer to be held back", async () => {
        const before = last;
        last = await rounds();
        await new Promise((resolve) => setTimeout(resolve, 20));
        return last === before && last > 0;
      });
      assert(last < 64, `${last} times 64 KiB were read ahead`);
      process.kill(-child.pid, "SIGKILL");
      await child.exited;
      child.stdout.cancel();
      child.stderr!.cancel();
    });
  });

  behaves("rejects with the system's code when a process cannot be started", async () => {
    const plain = { args: [], stdin: "null", stderr: "piped" } as const;
    assertEquals(await codeOfFailure({ ...plain, program: "/nonexistent/program" }), "ENOENT");
    assertEquals(await codeOfFailure({ ...plain, program: "no-program-of-this-name" }), "ENOENT");
    assertEquals(await codeOfFailure({ ...plain, program: "/etc/passwd" }), "EACCES");
    assertEquals(await codeOfFailure({ ...plain, program: "/etc" }), "EACCES");
    assertEquals(await codeOfFailure({ ...plain, program: "true", args: ["x".repeat(200_000)] }), "E2BIG");
    assertEquals(await codeOfFailure({ ...plain, program: "true", cwd: "/nonexistent" }), "ENOENT");
  });

  behaves("can start many processes at once", async () => {
    const children = await Promise.all(Array.from({ length: 50 }, (_, index) => sh(`echo ${index}`)));
    const outputs = await Promise.all(children.map(ended));
    assertEquals(outputs.map(({ stdout }) => stdout), outputs.map((_, index) => `${index}\n`));
  });
}

for (const adapter of adapters) contract(adapter);

test("the adapter of the runtime is chosen by default", () => {
  assertEquals(ownAdapter.name, RUNTIME);
});

test(
  `the ${RUNTIME} adapter ${RUNTIME === "node" ? "cannot tell" : "tells"} a signal without a name from success`,
  TIMEOUT,
  async () => {
    const child = await ownAdapter.spawn({ program: "sh", args: ["-c", "kill -35 $$"], stdin: "null", stderr: "null" });
    const { code, signal } = await ended(child);
    assertEquals([code, signal], RUNTIME === "node" ? [0, null] : [null, "SIG35"]);
  },
);

test("a guard ends and removes what its program leaves, also when it has been killed itself", TIMEOUT, async () => {
  await withTempDirectory(async (directory) => {
    const started: ChildProcess[] = [];
    const adapter: SpawnAdapter = {
      name: ownAdapter.name,
      canSignal: ownAdapter.canSignal,
      spawn: async (options) => {
        const child = await ownAdapter.spawn(options);
        started.push(child);
        return child;
      },
    };
    const mine = join(directory, "it's mine");
    const guard = new ProcessGuard({ adapter: () => adapter, removes: () => [mine] });
    const guarded = await guard.adapterFor("task")();
    const guards = () => started.filter(({ stdin }) => stdin !== null);
    const task = (script: string): SpawnOptions => {
      return { program: "sh", args: ["-c", script], stdin: "null", stderr: "null" };
    };
    const [first, second] = [await guarded.spawn(task("sleep 300")), await guarded.spawn(task("sleep 300"))];
    process.kill(first.pid, "SIGTERM");
    await first.exited;
    await waitFor("the guard", () => guards().length === 1);
    process.kill(guards()[0]!.pid, "SIGKILL");
    await waitFor("another guard", () => guards().length === 2);
    const third = await guarded.spawn(task("trap '' TERM; echo; while :; do sleep 300; done"));
    await third.stdout.read(); // SIGTERM is ignored from here on
    await writeFile(`${mine}-1`, "");
    await mkdir(`${mine}-2`);
    await writeFile(join(directory, "it"), "");
    guards()[1]!.stdin!.close(); // as when the program is killed
    assertEquals((await Promise.all([second.exited, third.exited])).map(({ signal }) => signal), [
      "SIGTERM",
      "SIGKILL",
    ]);
    await guards()[1]!.exited;
    assertEquals(await readdir(directory), ["it"]);
    await guard.close();
  });
});

test("a guard is told in few writes of many processes that are started and end at once", async () => {
  const writes: string[] = [];
  const ends: (() => void)[] = [];
  const stdin = { write: (text: string) => void writes.push(text), close() {}, abort() {} };
  const output: OutputReader = { read: () => Promise.resolve(undefined), cancel() {} };
  let pid = 1000;
  const spawn = (options: SpawnOptions): Promise<ChildProcess> => {
    const { promise: exited, resolve } = Promise.withResolvers<ExitStatus>();
    const isGuard = options.stdin === "piped";
    if (!isGuard) ends.push(() => resolve({ code: 0, signal: null }));
    return Promise.resolve({
      pid: pid++,
      stdin: isGuard ? stdin : null,
      stdout: output,
      stderr: null,
      exited,
    });
  };
  const guard = new ProcessGuard({ adapter: () => ({ name: "fake", canSignal: false, spawn }) });
  const adapter = await guard.adapterFor("task")();
  const start = () => adapter.spawn({ program: "x", args: [], stdin: "null", stderr: "null" });
  const children = await Promise.all(Array.from({ length: 500 }, start));
  const told = (change: string) =>
    children.filter(({ pid }) => writes.join("").split("\n").includes(`${change} ${pid}`)).length;
  await waitFor("all of them", () => told("task") === 500);
  assert(writes.length < 10, `${writes.length}`);
  for (const end of ends) end();
  await waitFor("their ends", () => told("gone") === 500);
  assert(writes.length < 20, `${writes.length}`);
});

for (const shell of ["sh", "bash", "busybox sh", "ksh", "mksh"]) {
  test(`the script of a guard runs in ${shell}`, TIMEOUT, async () => {
    const [program, ...args] = shell.split(" ");
    const spawn = (script: string): Promise<ChildProcess> =>
      ownAdapter.spawn({ program: "sh", args: ["-c", script], stdin: "piped", stderr: "null" });
    const guard = await ownAdapter.spawn({
      program: program!,
      args: [...args, "-c", GUARD_SCRIPT, "taskrunner-guard"],
      stdin: "piped",
      stderr: "null",
    }).catch(() => undefined);
    if (!guard) return notTried(`there is no ${shell}`);
    const endless = "while :; do sleep 300; done";
    const [gone, gentle, stubborn, worker] = await Promise.all([
      spawn(`echo; ${endless}`),
      spawn(`echo; ${endless}`),
      spawn(`trap '' TERM; echo; ${endless}`),
      // One attempt has left something in the background, the next one is under way. At its end the worker says so.
      spawn(`trap : TERM; (sleep 300 >/dev/null & echo $!); (trap - TERM; echo; ${endless}); echo cleaned up`),
    ]);
    const left = Number(new TextDecoder().decode(await worker!.stdout.read()).split("\n")[0]);
    try {
      for (const { stdout } of [gone!, gentle!, stubborn!]) await stdout.read();
      guard.stdin!.write(`task ${gone!.pid}\ntask ${gentle!.pid}\nworker ${worker!.pid}\n`);
      guard.stdin!.write(`task ${stubborn!.pid}\ngone ${gone!.pid}\ntask 1`); // the last line was cut off
      guard.stdin!.close();
      const [first, second, third] = await Promise.all([gentle!.exited, stubborn!.exited, worker!.exited]);
      assertEquals([first.signal, second.signal, third.code], ["SIGTERM", "SIGKILL", 0]);
      assertMatch(await text(worker!.stdout), /cleaned up\n$/);
      assertEquals((await guard.exited).code, 0);
      assertEquals([isAlive(gone!.pid), isAlive(left)], [true, true]);
    } finally {
      for (const { pid } of [gone!, gentle!, stubborn!, worker!]) signalIfThere(-pid, "SIGKILL");
    }
  });
}

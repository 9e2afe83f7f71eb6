import { mkdir, readdir, readFile, realpath, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
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
import { randomHex } from "../../system/random_hex.ts";
import {
  isAlive,
  RUNTIME,
  signalIfThere,
  skipTest,
  waitFor,
  withTempDirectory,
  writeProgram,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

const ownAdapter = await defaultSpawnAdapter();
/** Deno and Bun also provide the API of Node. */
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

/** Tests the contract of all adapters. */
function contract(adapter: SpawnAdapter) {
  const sh = (command: string, options: Partial<SpawnOptions> = {}) =>
    adapter.spawn({ program: "sh", args: ["-c", command], stdin: "null", stderr: "piped", ...options });
  const behaves = (behavior: string, fn: () => Promise<void>) =>
    test(`${adapter.name} adapter: spawn() ${behavior}`, fn);
  const codeOfFailure = async (options: SpawnOptions) => {
    const child = await adapter.spawn(options).catch((error) => error);
    assert(child instanceof Error, "the process was started");
    return (child as { code?: string }).code;
  };

  behaves("returns the output and the exit code", async () => {
    assertEquals(await ended(await sh("echo out; echo err >&2; exit 3")), {
      code: 3,
      signal: null,
      stdout: "out\n",
      stderr: "err\n",
    });
  });

  behaves("does not report an exit code above 128 as a signal", async () => {
    for (const exit of [128, 130, 137, 255]) {
      const { code, signal } = await ended(await sh(`exit ${exit}`));
      assertEquals([code, signal], [exit, null]);
    }
  });

  behaves("returns the name of the signal and no exit code", async () => {
    for (const signal of ["KILL", "TERM", "INT", "SEGV", "USR1"]) {
      const { code, signal: actual } = await ended(await sh(`kill -${signal} $$`));
      assertEquals([code, actual], [null, `SIG${signal}`]);
    }
  });

  behaves("passes arguments byte for byte", async () => {
    const args = ["", " ", "a b", "'", '"', "\\", "$HOME", "*", "a\nb", "-n", "é\u{1f600}", "\x01\x7f"];
    const child = await adapter.spawn({ program: "printf", args: ["%s|", ...args], stdin: "null", stderr: "piped" });
    assertEquals((await ended(child)).stdout, args.map((arg) => `${arg}|`).join(""));
  });

  behaves("gives an empty stdin by default", async () => {
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

  behaves("writes a large input while the output is read", async () => {
    const child = await sh("cat", { stdin: "piped" });
    const input = "0123456789abcdef".repeat(1_000_000);
    child.stdin!.write(input);
    child.stdin!.close();
    assert(await text(child.stdout) === input);
  });

  behaves("tolerates a process that does not read its stdin", async () => {
    const child = await sh("exec true", { stdin: "piped" });
    child.stdin!.write("x".repeat(1_000_000));
    child.stdin!.close();
    assertEquals((await child.exited).code, 0);
    child.stdin!.write("x");
    child.stdin!.abort();
    child.stdin!.abort();
  });

  behaves("aborts a stdin that the process does not read", async () => {
    const child = await sh("exec sleep 300", { stdin: "piped" });
    child.stdin!.write("x".repeat(1_000_000));
    child.stdin!.abort();
    process.kill(-child.pid, "SIGKILL");
    assertEquals((await child.exited).signal, "SIGKILL");
  });

  behaves("discards stderr unless it is piped", async () => {
    const child = await sh("echo out; echo err >&2", { stderr: "null" });
    assertEquals(child.stderr, null);
    assertEquals(await text(child.stdout), "out\n");
  });

  behaves("passes the current environment", async () => {
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

  behaves("overrides variables, and passes names that no shell accepts", async () => {
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

  behaves("starts the process in cwd", async () => {
    await withTempDirectory(async (directory) => {
      const path = await realpath(directory);
      assertEquals((await ended(await sh("pwd -P", { cwd: path }))).stdout, `${path}\n`);
    });
  });

  behaves("resolves a relative path of a program against cwd", async () => {
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

  behaves("looks up a program in the PATH of env", async () => {
    await withTempDirectory(async (directory) => {
      await writeProgram(join(directory, "own-prog"), "#!/bin/sh\necho found\n");
      const env = { PATH: `${directory}:${process.env["PATH"]}` };
      const child = await adapter.spawn({ program: "own-prog", args: [], stdin: "null", stderr: "piped", env });
      assertEquals((await ended(child)).stdout, "found\n");
    });
  });

  behaves("makes the process the leader of a session and a process group", async () => {
    const child = await sh("cat /proc/$$/stat");
    const { stdout } = await ended(child);
    const [, , group, session] = stdout.slice(stdout.lastIndexOf(")") + 2).split(" ").map(Number);
    assertEquals([group, session], [child.pid, child.pid]);
  });

  behaves("makes a worker the leader of a session and a process group before its first command", async () => {
    const child = await adapter.spawn({ program: "sh", args: [], stdin: "piped", stderr: "null", isWorker: true });
    child.stdin!.write("cat /proc/$$/stat; echo $0\n");
    child.stdin!.close();
    const { stdout, code } = await ended(child);
    const [, , group, session] = stdout.slice(stdout.lastIndexOf(")") + 2).split(" ").map(Number);
    assertEquals([group, session, code], [child.pid, child.pid, 0]);
    if (adapter === ownAdapter) assertMatch(stdout, /\nsh\n$/); // node:child_process of Deno passes a path
  });

  behaves("reports the exit of a process while another one holds its output open", async () => {
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

  behaves("reads stdout and stderr concurrently, each larger than a pipe", async () => {
    const { stdout, stderr } = await ended(await sh("head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2"));
    assertEquals([stdout.length, stderr.length], [300000, 300000]);
  });

  behaves("does not read output ahead", async () => {
    await withTempDirectory(async (directory) => {
      const progress = join(directory, "progress");
      const child = await sh(`i=0; while :; do head -c 65536 /dev/zero; i=$((i+1)); echo $i >>${progress}; done`);
      await child.stdout.read();
      const rounds = async () => (await readFile(progress, "utf8").catch(() => "")).split("\n").length - 1;
      // A blocked writer makes no progress between two polls; a writer that never blocks exceeds the limit below.
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

  behaves("rejects with the system's error code when a process cannot be started", async () => {
    const plain = { args: [], stdin: "null", stderr: "piped" } as const;
    assertEquals(await codeOfFailure({ ...plain, program: "/nonexistent/program" }), "ENOENT");
    assertEquals(await codeOfFailure({ ...plain, program: "no-program-of-this-name" }), "ENOENT");
    assertEquals(await codeOfFailure({ ...plain, program: "/etc/passwd" }), "EACCES");
    assertEquals(await codeOfFailure({ ...plain, program: "/etc" }), "EACCES");
    assertEquals(await codeOfFailure({ ...plain, program: "true", args: ["x".repeat(200_000)] }), "E2BIG");
    assertEquals(await codeOfFailure({ ...plain, program: "true", cwd: "/nonexistent" }), "ENOENT");
  });

  behaves("starts many processes concurrently", async () => {
    const children = await Promise.all(Array.from({ length: 50 }, (_, index) => sh(`echo ${index}`)));
    const outputs = await Promise.all(children.map(ended));
    assertEquals(outputs.map(({ stdout }) => stdout), outputs.map((_, index) => `${index}\n`));
  });
}

for (const adapter of adapters) contract(adapter);

test("defaultSpawnAdapter() returns the adapter of the runtime", () => {
  assertEquals(ownAdapter.name, RUNTIME);
});

test(
  `${RUNTIME} adapter: spawn() ${RUNTIME === "node" ? "cannot tell" : "tells"} a signal without a name from success`,
  async () => {
    const child = await ownAdapter.spawn({ program: "sh", args: ["-c", "kill -35 $$"], stdin: "null", stderr: "null" });
    const { code, signal } = await ended(child);
    assertEquals([code, signal], RUNTIME === "node" ? [0, null] : [null, "SIG35"]);
  },
);

test(
  "ProcessGuard ends groups and removes paths after its program has ended, even if the guard was killed before",
  async () => {
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
      const guard = new ProcessGuard({ adapter: () => adapter, removePrefixes: () => [mine] });
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
      await third.stdout.read(); // the task ignores SIGTERM from here on
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
  },
);

test("ProcessGuard batches the changes of many processes in few writes", async () => {
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
  const countSent = (change: string) =>
    children.filter(({ pid }) => writes.join("").split("\n").includes(`${change} ${pid}`)).length;
  await waitFor("all of them", () => countSent("task") === 500);
  assert(writes.length < 10, `${writes.length}`);
  for (const end of ends) end();
  await waitFor("their ends", () => countSent("gone") === 500);
  assert(writes.length < 20, `${writes.length}`);
});

for (const shell of ["sh", "bash", "busybox sh", "ksh", "mksh"]) {
  test(`GUARD_SCRIPT runs in ${shell}`, async () => {
    const [program, ...args] = shell.split(" ");
    const spawn = (script: string): Promise<ChildProcess> =>
      ownAdapter.spawn({ program: "sh", args: ["-c", script], stdin: "piped", stderr: "null" });
    const guard = await ownAdapter.spawn({
      program: program!,
      args: [...args, "-c", GUARD_SCRIPT, "taskrunner-guard"],
      stdin: "piped",
      stderr: "null",
    }).catch(() => undefined);
    if (!guard) return skipTest(`there is no ${shell}`);
    const endless = "while :; do sleep 300; done";
    const [gone, gentle, stubborn, worker] = await Promise.all([
      spawn(`echo; ${endless}`),
      spawn(`echo; ${endless}`),
      spawn(`trap '' TERM; echo; ${endless}`),
      // An earlier attempt has left a background process; the current attempt is running. The worker prints after it.
      spawn(`trap : TERM; (sleep 300 >/dev/null & echo $!); (trap - TERM; echo; ${endless}); echo cleaned up`),
    ]);
    const [killedBusy, killedIdle] = await Promise.all(["", ""].map(() => spawn("sleep 300 >/dev/null & echo $!")));
    // The second line comes from the current attempt: until then the earlier one may be a child of the worker.
    let printed = "";
    while (printed.split("\n").length < 3) printed += new TextDecoder().decode(await worker!.stdout.read());
    const left = Number(printed.split("\n")[0]);
    const [leftBusy, leftIdle] = await Promise.all([killedBusy!, killedIdle!].map(async (child) => {
      const { stdout } = await ended(child);
      return Number(stdout);
    }));
    const prefix = join(tmpdir(), `taskrunner-test-${randomHex(8)}`);
    try {
      for (const { stdout } of [gone!, gentle!, stubborn!]) await stdout.read();
      guard.stdin!.write(`task ${gone!.pid}\ntask ${gentle!.pid}\nworker ${worker!.pid}\n`);
      // Two workers were killed: one in an attempt, of which an output file is left, and one after its attempts.
      for (const { pid } of [killedBusy!, killedIdle!]) {
        await mkdir(join(`${prefix}-a b`, `${pid}`), { recursive: true });
      }
      await writeFile(join(`${prefix}-a b`, `${killedBusy!.pid}`, "1.out"), "");
      guard.stdin!.write(`file ${prefix}\nworker ${killedBusy!.pid}\nworker ${killedIdle!.pid}\n`);
      guard.stdin!.write(`task ${stubborn!.pid}\ngone ${gone!.pid}\ntask 1`); // the last line is truncated
      guard.stdin!.close();
      const [first, second, third] = await Promise.all([gentle!.exited, stubborn!.exited, worker!.exited]);
      assertEquals([first.signal, second.signal, third.code], ["SIGTERM", "SIGKILL", 0]);
      assertMatch(await text(worker!.stdout), /cleaned up\n$/);
      assertEquals((await guard.exited).code, 0);
      assertEquals([gone!.pid, left, leftIdle!].map(isAlive), [true, true, true]);
      assert(!isAlive(leftBusy!));
    } finally {
      for (const { pid } of [gone!, gentle!, stubborn!, worker!, killedBusy!, killedIdle!]) {
        signalIfThere(-pid, "SIGKILL");
      }
    }
  });
}

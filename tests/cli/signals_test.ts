import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import {
  isAlive,
  jsonLines,
  parentOf,
  parseResults,
  RUNTIME,
  shell,
  skipTest,
  startShell,
  startTaskrunner,
  taskFile,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Returns a task with a child and a grandchild that runs until the file `go` exists. */
const family = (directory: string) =>
  `sh -c 'sleep 300 & echo $! > ${directory}/grandchild; echo $$ > ${directory}/child; wait' & ` +
  `echo $$ > ${directory}/task; until test -e ${directory}/go; do sleep 0.01; done; kill $!`;

/** Returns whether a process listens on a TCP port. */
function isListening(pid: number): boolean {
  const LISTEN = "0A";
  const sockets = readFileSync(`/proc/${pid}/net/tcp`, "utf8").split("\n").map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === LISTEN).map((fields) => `socket:[${fields[9]}]`);
  return readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      return sockets.includes(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      return false; // closed in the meantime
    }
  });
}

async function pidsIn(directory: string): Promise<number[]> {
  const pids = await Promise.all(
    ["task", "child", "grandchild"].map((name) => readFile(join(directory, name), "utf8").catch(() => "")),
  );
  return pids.map(Number);
}

for (const executor of ["shell", "process"]) {
  const SIGNALS = [["SIGINT", 130], ["SIGQUIT", 131], ["SIGTERM", 143]] as const;
  for (const [signal, expected] of SIGNALS) {
    test(
      `${signal} leaves no process and a complete results file, with the ${executor} executor`,
      async () => {
        await withTempDirectory(async (directory) => {
          const output = join(directory, "results.jsonl");
          const tasks = await taskFile(directory, [{ cmd: "echo done" }, { cmd: family(directory) }, { cmd: "true" }]);
          const args = ["-q", "-j1", "--executor", executor, tasks, "-o", output];
          const { child, ended } = startTaskrunner(args, { stdin: "" });
          await waitFor("the grandchild", async () => (await pidsIn(directory)).every((pid) => pid > 0));
          process.kill(child.pid!, signal);
          const { status, stderr } = await ended;
          const notice = `taskrunner: ${signal}: ending 1 running task; send ${signal} again to kill it\n`;
          assertEquals([status, stderr], [expected, notice]);
          assertEquals(
            parseResults(await readFile(output, "utf8")).map(({ id, outcome }) => [id, outcome]),
            [["1", "ok"], ["2", "canceled"]],
          );
          for (const pid of await pidsIn(directory)) await waitFor(`the end of ${pid}`, () => !isAlive(pid));
        });
      },
    );
  }

  test(`SIGHUP starts no more tasks and lets running tasks finish, with the ${executor} executor`, async () => {
    await withTempDirectory(async (directory) => {
      const tasks = [{ cmd: family(directory) }, { cmd: `touch ${directory}/next` }];
      const args = ["-q", "-j1", "--executor", executor];
      const { child, output, ended } = startTaskrunner(args, { stdin: jsonLines(tasks) });
      await waitFor("the grandchild", async () => (await pidsIn(directory)).every((pid) => pid > 0));
      for (const times of [1, 2]) {
        process.kill(child.pid!, "SIGHUP");
        await waitFor("the answer", () => output.stderr.split("starting no more\n").length > times);
      }
      await writeFile(join(directory, "go"), "");
      const { status, stdout } = await ended;
      assertEquals([status, parseResults(stdout).map(({ id, outcome }) => [id, outcome])], [129, [["1", "ok"]]]);
      assert(!existsSync(join(directory, "next")));
      const grandchild = (await pidsIn(directory))[2]!;
      if (isAlive(grandchild)) process.kill(grandchild, "SIGKILL");
    });
  });
}

test("a signal ends a run whose standard error has no reader", async () => {
  await withTempDirectory(async (directory) => {
    const tasks = await taskFile(directory, [{ cmd: `touch ${directory}/on; sleep 300` }]);
    const run = `$RUNTIME cli.ts ${tasks} & echo $! > ${directory}/pid; wait $!; echo $? > ${directory}/status`;
    const { ended } = startShell(`{ ${run}; } 2>&1 > ${directory}/out | true`);
    await waitFor("the task", () => existsSync(join(directory, "on")));
    process.kill(Number(await readFile(join(directory, "pid"), "utf8")), "SIGTERM");
    await ended;
    assertEquals(await readFile(join(directory, "status"), "utf8"), "143\n");
    const results = parseResults(await readFile(join(directory, "out"), "utf8"));
    assertEquals(results.map(({ outcome }) => outcome), ["canceled"]);
  });
});

test("SIGUSR1 increases the concurrency, and SIGUSR2 decreases it to at least 1", async () => {
  await withTempDirectory(async (directory) => {
    const cmd = "touch started.$TASKRUNNER_ID; until test -e go.$TASKRUNNER_ID; do sleep 0.01; done";
    const tasks = Array.from({ length: 6 }, () => ({ cmd, cwd: directory }));
    const { child, output, ended } = startTaskrunner(["-q", "-j1"], { stdin: jsonLines(tasks) });
    const started = (id: number) => existsSync(join(directory, `started.${id}`));
    const finish = async (id: number) => {
      await writeFile(join(directory, `go.${id}`), "");
      await waitFor(`the result of task ${id}`, () => output.stdout.includes(`"id":"${id}"`));
    };
    await waitFor("the first task", () => started(1));
    process.kill(child.pid!, "SIGUSR1");
    await waitFor("a second task at once", () => started(2));
    assert(!started(3));
    for (const times of [1, 2, 3]) {
      process.kill(child.pid!, "SIGUSR2");
      await waitFor("the answer", () => output.stderr.split("running up to 1 task at once\n").length > times);
    }
    await finish(1);
    // The second task occupies the only slot, so the third starts only after it.
    await finish(2);
    await waitFor("the third task", () => started(3));
    assert(!started(4));
    for (const id of [3, 4, 5, 6]) await finish(id);
    assertEquals((await ended).status, 0);
  });
});

test("SIGUSR1 leaves no debugger open to other users", async () => {
  await withTempDirectory(async (directory) => {
    const [started, go] = [join(directory, "started"), join(directory, "go")];
    const tasks = [{ cmd: `touch ${started}; until test -e ${go}; do sleep 0.01; done` }];
    const { child, output, ended } = startTaskrunner(["-q"], { stdin: jsonLines(tasks) });
    await waitFor("the task", () => existsSync(started));
    const opensDebugger = RUNTIME === "deno" && !/^2\.9\.[01]$/.test(process.versions["deno"]!);
    const message = opensDebugger ? /Debugger listening|Failed to start inspector/ : /running up to \d+ tasks? at once/;
    for (let times = 1; times <= 3; times++) {
      const before = output.stderr.length;
      // Sends the signal repeatedly, because Deno handles it only after its first half second.
      await waitFor("the message", () => {
        process.kill(child.pid!, "SIGUSR1");
        return message.test(output.stderr.slice(before));
      });
      await waitFor("the end of the debugger", () => !isListening(child.pid!));
    }
    await writeFile(go, "");
    assertEquals((await ended).status, 0);
  });
});

test("under nohup, a run survives its terminal", async () => {
  await withTempDirectory(async (directory) => {
    const wait = { cmd: "echo $PPID > worker; until test -e go; do sleep 0.01; done", cwd: directory };
    const tasks = await taskFile(directory, [wait, { cmd: "echo last" }]);
    // nohup redirects standard input only if it is a terminal, which `script` provides.
    const command = `nohup $RUNTIME cli.ts -q -j1 ${tasks} -o ${directory}/out > /dev/null 2>&1`;
    const { ended } = startShell(`exec script -qec '${command}' /dev/null`);
    const worker = () => readFile(join(directory, "worker"), "utf8").catch(() => "");
    await waitFor("the task", async () => await worker() !== "");
    process.kill(parentOf(Number(await worker())), "SIGHUP");
    await writeFile(join(directory, "go"), "");
    await ended;
    const results = parseResults(await readFile(join(directory, "out"), "utf8"));
    assertEquals(results.map(({ stdout }) => stdout), ["", "last\n"]);
  });
});

test("tasks do not inherit ignored signals, as from nohup and &", async () => {
  await withTempDirectory(async (directory) => {
    const tasks = await taskFile(directory, [{ cmd: ["grep", "^SigIgn", "/proc/self/status"] }]);
    const ignored = ["HUP", "INT", "QUIT", "USR1", "USR2", "TERM"] as const;
    for (const executor of ["shell", "process"]) {
      const { stdout } = await shell(
        `trap '' ${ignored.join(" ")}; exec $RUNTIME cli.ts -q --executor ${executor} ${tasks}`,
      );
      const bits = BigInt(`0x${/^SigIgn:\t([0-9a-f]+)\n$/.exec(parseResults(stdout)[0]!.stdout)![1]}`);
      assertEquals(ignored.filter((name) => bits >> BigInt(constants.signals[`SIG${name}`] - 1) & 1n), []);
    }
  });
});

test(
  "as the first process of a container, a run ends at a signal and warns about zombies",
  async () => {
    const canUnshare = (await shell("unshare --pid --fork true")).status === 0;
    if (!canUnshare) return skipTest("this user cannot create namespaces");
    await withTempDirectory(async (directory) => {
      const tasks = await taskFile(directory, [{ cmd: `touch ${directory}/on; sleep 300` }]);
      const { child, ended } = startShell(
        `exec unshare --pid --fork --kill-child --mount-proc $RUNTIME cli.ts -q ${tasks} -o ${directory}/out`,
      );
      await waitFor("the task", () => existsSync(join(directory, "on")));
      const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, "utf8");
      process.kill(Number(children.trim().split(" ")[0]), "SIGTERM");
      const { status, stderr } = await ended;
      assertEquals(status, 143);
      assertMatch(
        stderr,
        /^taskrunner: running as PID 1, so .* zombies; .* --init does\ntaskrunner: SIGTERM: ending 1 .*\n$/,
      );
      assertEquals(parseResults(await readFile(join(directory, "out"), "utf8")).map(({ outcome }) => outcome), [
        "canceled",
      ]);
    });
  },
);

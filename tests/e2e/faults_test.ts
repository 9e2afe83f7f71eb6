import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { exitStatusOf } from "../../cli/exit_status.ts";
import type { Task, TaskResult } from "../../mod.ts";
import {
  EFFORT,
  type Ended,
  isAlive,
  randomNumbers,
  SEED,
  signalIfThere,
  skipTest,
  TIMEOUT,
  waitFor,
} from "../support/helpers.ts";
import { Sandbox } from "../support/sandbox.ts";
import { test } from "../support/test.ts";

const EXECUTORS = ["shell", "process"] as const;
const LONG = { timeout: TIMEOUT.timeout * EFFORT };
const random = randomNumbers(SEED);
/** Returns a random integer below the limit. */
const below = (limit: number) => Math.floor(random() * limit);
const oneOf = <T>(values: readonly T[]) => values[below(values.length)]!;

/** Adds the seed to an error, so that `TASKRUNNER_TEST_SEED` can repeat the failure. */
async function withSeed(use: () => Promise<void>): Promise<void> {
  try {
    await use();
  } catch (error) {
    throw new Error(`With the seed ${SEED}: ${(error as Error).message}`, { cause: error });
  }
}

/** Signals to send in a row, the first at a random time, and the exit statuses that a run may then have. */
const FAULTS: readonly { signals: readonly NodeJS.Signals[]; statuses: readonly number[] }[] = [
  { signals: ["SIGKILL"], statuses: [137] },
  { signals: ["SIGTERM"], statuses: [143] },
  { signals: ["SIGKILL"], statuses: [137] },
  { signals: ["SIGINT"], statuses: [130] },
  { signals: ["SIGSTOP", "SIGCONT"], statuses: [] },
  { signals: ["SIGTERM", "SIGINT"], statuses: [143, 130] },
  { signals: ["SIGINT", "SIGKILL"], statuses: [130, 137] },
  { signals: ["SIGHUP"], statuses: [129] },
];
/** The exit statuses after which the results file has no incomplete line. */
const COMPLETE_LINES: readonly number[] = [143, 130, 129];

/** Returns tasks of every kind, with the expected end of each. A task appends its id and `$ROUND` to `ran`. */
function tasksOfAllKinds(count: number, ran: string, kinds = 7): { tasks: Task[]; ends: Map<string, string> } {
  const ends = new Map<string, string>();
  const tasks = Array.from({ length: count }, (_, index): Task => {
    const id = `t${index}`;
    const begin = `echo ${id} $ROUND >> ${ran}`;
    const bytes = Math.floor(random() ** 4 * 200_000); // some lines are too long for a single write
    const add = (end: string, task: Omit<Task, "id">): Task => {
      ends.set(id, end);
      return { id, ...task };
    };
    switch (index % kinds) {
      case 0:
        return add(`ok ${"x".repeat(bytes)}`, { cmd: `${begin}; head -c ${bytes} /dev/zero | tr '\\0' x` });
      case 1:
        return add("failed ", { cmd: ["sh", "-c", `${begin}; exit 3`] });
      case 2:
        return add(`ok ${id}`, { cmd: `${begin}; cat`, stdin: id });
      case 3:
        return add("ok slept\n", { cmd: `${begin}; if sleep 0.0${below(10)}; then echo slept; fi` });
      case 4:
        return add("killed ", { cmd: `${begin}; kill -9 $$` });
      case 5:
        return add("failed ", { cmd: `${begin}; false`, retries: 1 });
      default:
        return add("timeout ", { cmd: `${begin}; exec sleep 5`, timeoutMs: 50 + below(100) });
    }
  });
  return { tasks, ends };
}

const endOf = ({ outcome, stdout }: TaskResult) => `${outcome} ${stdout}`;

/** A run that is interrupted by faults and resumed until it is done. */
class InterruptedRun {
  readonly #sandbox: Sandbox;
  readonly #executor: string;
  readonly #ran: string;
  readonly #ends: ReadonlyMap<string, string>;
  readonly #tasks: Task[];
  /** The complete lines of the results file. */
  #text = "";
  /** The whole results file, including an incomplete last line. */
  #all = "";
  #round = 0;
  /** The round in which each task got its final result. */
  readonly #roundOfResult = new Map<string, number>();

  constructor(sandbox: Sandbox, executor: string, count: number) {
    this.#sandbox = sandbox;
    this.#executor = executor;
    this.#ran = join(sandbox.directory, "ran");
    // Without tasks that time out: when SIGKILL interrupts the collection of their output, files remain.
    ({ tasks: this.#tasks, ends: this.#ends } = tasksOfAllKinds(count, this.#ran, 6));
  }

  get isDone(): boolean {
    return this.#roundOfResult.size === this.#tasks.length;
  }

  /** Resumes the run, and sends the signals of a fault after `atMs`. */
  async resume(fault?: typeof FAULTS[number], atMs = 0): Promise<void> {
    this.#round++;
    const args = ["-j4", "--resume", "--executor", this.#executor, "--kill-after", "2s"];
    const { child, ended } = await this.#sandbox.run(this.#tasks, args, { env: { ROUND: `${this.#round}` } });
    let isOver = false;
    const over = ended.then((end) => {
      isOver = true;
      return end;
    });
    for (const [index, signal] of (fault?.signals ?? []).entries()) {
      await Promise.race([over, sleep(index === 0 ? atMs : below(50))]);
      if (!isOver) signalIfThere(child.pid!, signal);
    }
    this.#check(fault, await over);
    // When SIGKILL interrupts the collection of output after SIGINT, the files remain.
    if (fault?.signals.join() === "SIGINT,SIGKILL") await this.#sandbox.removeLeftovers();
    else await this.#sandbox.waitForCleanup();
    // Simulates an interrupted write, which is too rare to wait for.
    if (fault?.signals.includes("SIGKILL") && random() < 0.5) appendFileSync(this.#sandbox.output, tornLine());
    this.#all = this.#read();
  }

  #check(fault: typeof FAULTS[number] | undefined, { status, signal, stderr }: Ended): void {
    const text = this.#read();
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    assert(whole.startsWith(this.#text), "a result that was written has changed");
    const added = this.#sandbox.resultsIn(whole.slice(this.#text.length));
    this.#text = whole;
    let failures = 0;
    for (const result of added) {
      assert(!this.#roundOfResult.has(result.id), `${result.id} has two results`);
      if (result.outcome === "canceled") continue;
      assertEquals(endOf(result), this.#ends.get(result.id), `${result.id}: ${JSON.stringify(result).slice(0, 500)}`);
      this.#roundOfResult.set(result.id, this.#round);
      if (result.outcome !== "ok") failures++;
    }
    const isWhole = text === whole || text === this.#all;
    const details = `status ${status} ${signal} after ${
      fault?.signals ?? "nothing"
    }, ${added.length} results; ${stderr}`;
    if (signal !== null) {
      assert(fault?.signals.includes(signal as NodeJS.Signals), details);
      // The other signals end the program only before it handles them, or when it has finished.
      assert(signal === "SIGKILL" || added.length === 0 || this.isDone, details);
    } else if (this.isDone && status === exitStatusOf(failures)) assert(isWhole, details);
    else assert(fault?.statuses.includes(status!) && (isWhole || !COMPLETE_LINES.includes(status!)), details);
  }

  #read(): string {
    return existsSync(this.#sandbox.output) ? readFileSync(this.#sandbox.output, "utf8") : "";
  }

  /** Asserts that no task ran again after its final result. */
  assertNoRerun(): void {
    for (const line of readFileSync(this.#ran, "utf8").trimEnd().split("\n")) {
      const [id, round] = line.split(" ");
      assert(Number(round) <= this.#roundOfResult.get(id!)!, `${id} had a result and ran again in round ${round}`);
    }
  }
}

function tornLine(): string {
  const line = '{"id":"t1","status":0,"outcome":"ok","attempts":1,"slot":1,"stdout":"';
  return line.slice(0, 1 + below(line.length - 1));
}

for (const executor of EXECUTORS) {
  test(
    `a run that signals interrupt at random times leaves nothing behind and can be resumed, with ${executor}`,
    LONG,
    () =>
      withSeed(async () => {
        const count = 21;
        let wholeMs = 0;
        for (let faults = 0; faults < FAULTS.length * EFFORT;) {
          await Sandbox.with(async (sandbox) => {
            const run = new InterruptedRun(sandbox, executor, count);
            if (wholeMs === 0) {
              // The first run measures how long an undisturbed run takes.
              const startedMs = performance.now();
              await run.resume();
              wholeMs = performance.now() - startedMs;
            }
            for (; !run.isDone && faults < FAULTS.length * EFFORT; faults++) {
              await run.resume(FAULTS[faults % FAULTS.length], random() * wholeMs);
            }
            await run.resume();
            assert(run.isDone);
            run.assertNoRerun();
          });
        }
      }),
  );

  test(
    `a signal to a shell of the run affects at most one task, with ${executor}`,
    LONG,
    () =>
      withSeed(async () => {
        for (let round = 0; round < 2 * EFFORT; round++) {
          await Sandbox.with(async (sandbox) => {
            const { tasks, ends } = tasksOfAllKinds(21, join(sandbox.directory, "ran"));
            const { child, ended } = await sandbox.run(tasks, ["-j3", "--executor", executor]);
            let isOver = false;
            ended.then(() => isOver = true, () => isOver = true); // awaited below
            let signals = 0;
            while (!isOver) {
              await sleep(below(60));
              const shell = oneOf(shellsOf(child.pid!));
              if (shell === undefined) continue;
              // The run continues a stopped worker, but not a task in its own process, which may have stopped itself.
              const signal = oneOf(["SIGKILL", "SIGTERM", "SIGSTOP"] as const);
              if (!signalIfThere(shell, signal)) continue;
              if (signal !== "SIGSTOP") signals++;
              else if (executor === "process") signalIfThere(shell, "SIGCONT");
            }
            const { status, stderr } = await ended;
            sandbox.assertOneResultEach(tasks.map(({ id }) => String(id)));
            const results = sandbox.results();
            const affected = results.filter((result) => endOf(result) !== ends.get(result.id));
            assert(
              affected.length <= signals,
              JSON.stringify({ signals, affected: affected.map((result) => endOf(result).slice(0, 200)) }),
            );
            for (const result of affected) assertEquals(result.outcome, "killed", JSON.stringify(result).slice(0, 500));
            assertEquals(status, exitStatusOf(results.filter(({ outcome }) => outcome !== "ok").length), stderr);
            await sandbox.waitForCleanup();
          });
        }
      }),
  );
}

test("another shell removes the files of a killed shell when the run is killed too", LONG, async () => {
  await Sandbox.with(async (sandbox) => {
    const file = join(sandbox.directory, "worker");
    const tasks = [
      { id: "long", cmd: `echo lost; echo $PPID > ${file}.new; mv ${file}.new ${file}; sleep 60` },
      { id: "short", cmd: "echo kept" },
    ];
    const { child, ended } = await sandbox.run(tasks, ["-j2", "--executor", "shell"]);
    await waitFor("one running task and one result", () => existsSync(file) && sandbox.results().length === 1);
    process.kill(child.pid!, "SIGSTOP"); // so that it does not collect the output
    const worker = Number(readFileSync(file));
    process.kill(-worker, "SIGKILL");
    await waitFor("the end of the shell", () => !isAlive(worker)); // the other shell keeps the files of running shells
    process.kill(child.pid!, "SIGKILL");
    await ended;
    await sandbox.waitForCleanup();
  });
});

/** Returns the running shells that a program has started. */
function shellsOf(parent: number): number[] {
  try {
    const name = readFileSync(`/proc/${parent}/comm`, "latin1");
    if (name === "unshare\n" || name === "sh\n") return []; // it has not executed the command yet
    const threads = readdirSync(`/proc/${parent}/task`);
    const children = threads.map((thread) => readFileSync(`/proc/${parent}/task/${thread}/children`, "latin1"));
    const pids = children.flatMap((pids) => pids.trim().split(" ")).map(Number);
    return pids.filter((pid) => pid > 0 && isAlive(pid) && readFileSync(`/proc/${pid}/comm`, "latin1") === "sh\n");
  } catch {
    return []; // a process has just ended
  }
}

/**
 * Sets `d` to the scratch directory of the worker, and fails for any other directory, because the attacks remove `$d`. The
 * glob keeps the worker from seeing that the command names its descriptors, which would make them pipes.
 */
const FIND = "d=$(dirname $(readlink /proc/$$/f?/2)); case $d in */taskrunner-????????????/*) ;; *) exit 9 ;; esac";

/** Commands that attack their process group, themselves or their limits. */
const ATTACKS: readonly string[] = [
  "kill 0",
  "kill -9 0",
  "kill -STOP 0",
  "kill -TERM -$$; kill -9 $$",
  "kill -TERM -$(ps -o pgid= -p $$ | tr -d ' ')",
  "trap '' TERM; kill -TERM 0; echo unimpressed",
  "exec <&- >&- 2>&-; sleep 0.01",
  "sleep 0.2 & kill -9 $$",
  "ulimit -f 0; ulimit -n 3; ulimit -v 1000; exec true",
  "exec nosuch",
  "setsid -w kill -9 $$",
  "head -c 3000000 /dev/urandom",
];
/** Commands that attack the shell of their slot. */
const ATTACKS_ON_WORKERS: readonly string[] = [
  "kill -9 $PPID; sleep 60",
  "kill -STOP $PPID; echo stopped",
  "kill -TERM -$PPID; echo asked",
  "kill -9 -$PPID",
  "pkill -9 -P $PPID; sleep 60",
  "for f in /proc/$PPID/f?/*; do true > $f; done 2>/dev/null; echo written",
  "for f in /proc/$PPID/f?/1; do echo nonsense > $f; done; echo written",
];

/**
 * Commands that attack the directory of their worker. Without a directory, a task gets its own process, whose parent is
 * the run, so these commands do not run beside {@linkcode ATTACKS_ON_WORKERS}, which would attack the run.
 */
const ATTACKS_ON_DIRECTORIES: readonly string[] = [
  `${FIND}; rm -rf "$d"; echo lost`,
  `${FIND}; rm -rf "$d"; ln -s /nowhere "$d"; echo lost`,
  `${FIND}; rm -rf "$d"; ln -s "$PWD" "$d"; echo lost`,
  `${FIND}; rm -rf "$d"; : > "$d"; echo lost`,
  `${FIND}; chmod 0 "$d"; echo locked`,
  `${FIND}; rm -rf "$(dirname "$d")"; echo lost`,
];

/** Runs attacks beside harmless tasks, and asserts that the harmless tasks have the expected results. */
async function attack(attacks: readonly string[], executor: string): Promise<void> {
  await Sandbox.with(async (sandbox) => {
    const cwd = join(sandbox.directory, "work");
    await mkdir(cwd);
    const tasks = attacks.flatMap((cmd, index): Task[] => [
      { id: cmd, cmd, cwd, timeoutMs: cmd.includes("STOP 0") ? 1_000 : 60_000 },
      { id: `plain ${index}`, cmd: `sleep 0.0${index % 4}; echo plain` },
      { id: `array ${index}`, cmd: ["echo", "array"] },
      { id: `other ${index}`, cmd: "if read -r word; then echo $word; fi", stdin: "other\n" },
    ]);
    const { ended } = await sandbox.run(tasks, ["-j3", "--kill-after", "1s", "--executor", executor]);
    const { status, stderr } = await ended;
    sandbox.assertOneResultEach(tasks.map(({ id }) => String(id)));
    const results = sandbox.results();
    for (const { id, outcome, stdout, stderr, error } of results) {
      if (attacks.includes(id)) continue;
      assertEquals([id, outcome, stdout, stderr, error], [id, "ok", `${id.split(" ")[0]}\n`, "", undefined]);
    }
    assertEquals(status, exitStatusOf(results.filter(({ outcome }) => outcome !== "ok").length), stderr);
    await sandbox.waitForCleanup();
  });
}

for (const executor of EXECUTORS) {
  test(
    `a task that kills processes and removes files does not affect other tasks, with ${executor}`,
    LONG,
    async () => {
      const lists = executor === "shell" ? [[...ATTACKS, ...ATTACKS_ON_WORKERS], ATTACKS_ON_DIRECTORIES] : [ATTACKS];
      for (const attacks of lists) await attack(attacks, executor);
    },
  );

  test(`a run can be resumed after a task killed all processes, with ${executor}`, LONG, async () => {
    const canUnshare = spawnSync("unshare", ["--pid", "--fork", "true"]).status === 0;
    if (!canUnshare) return skipTest("this user cannot create namespaces");
    await Sandbox.with(async (sandbox) => {
      const killed = join(sandbox.directory, "killed");
      // Only once, so that the resumed run finishes.
      const cmd = `test -e ${killed} || { touch ${killed}; kill -9 -1; sleep 60; }`;
      const tasks = Array.from({ length: 20 }, (_, index) => ({
        id: `${index}`,
        cmd: index === 12 ? cmd : `sleep 0.0${index % 4}; echo ${index}`,
      }));
      const args = ["-j3", "--resume", "--executor", executor];
      const inNamespace = `exec unshare --pid --fork --kill-child --mount-proc sh -c '"$@"; exit $?' sh "$@"`;
      const first = await (await sandbox.run(tasks, args, {}, inNamespace)).ended;
      assertEquals(first.status, 137, first.stderr);
      const before = readFileSync(sandbox.output, "utf8");
      const whole = before.slice(0, before.lastIndexOf("\n") + 1);
      assert(sandbox.resultsIn(whole).length > 5);
      const { status, stderr } = await (await sandbox.run(tasks, args)).ended;
      assertEquals(status, 0, stderr);
      assert(readFileSync(sandbox.output, "utf8").startsWith(whole), "a result that was written has changed");
      sandbox.assertOneResultEach(tasks.map(({ id }) => id));
      await waitFor("the end of all processes", () => sandbox.processes().length === 0);
    });
  });
}

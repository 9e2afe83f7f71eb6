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
/** Starting a runtime takes seconds where much else goes on, and these start many. */
const LONG = { timeout: TIMEOUT.timeout * EFFORT };
const random = randomNumbers(SEED);
/** An integer below the limit. */
const below = (limit: number) => Math.floor(random() * limit);
const oneOf = <T>(values: readonly T[]) => values[below(values.length)]!;

/** What a test says when it fails, so that the same is tried again: TASKRUNNER_TEST_SEED. */
async function withSeed(use: () => Promise<void>): Promise<void> {
  try {
    await use();
  } catch (error) {
    throw new Error(`With the seed ${SEED}: ${(error as Error).message}`, { cause: error });
  }
}

/** Sent at a random instant, some in a row, with the statuses that a run may end with then. */
const BLOWS: readonly { signals: readonly NodeJS.Signals[]; statuses: readonly number[] }[] = [
  { signals: ["SIGKILL"], statuses: [137] },
  { signals: ["SIGTERM"], statuses: [143] },
  { signals: ["SIGKILL"], statuses: [137] },
  { signals: ["SIGINT"], statuses: [130] },
  { signals: ["SIGSTOP", "SIGCONT"], statuses: [] },
  { signals: ["SIGTERM", "SIGINT"], statuses: [143, 130] },
  { signals: ["SIGINT", "SIGKILL"], statuses: [130, 137] },
  { signals: ["SIGHUP"], statuses: [129] },
];
const LEAVES_WHOLE_LINES: readonly number[] = [143, 130, 129];

/** A task of every kind, and how it ends. Each writes down that it was begun, and in which round. */
function tasksOfAllKinds(count: number, ran: string, kinds = 7): { tasks: Task[]; ends: Map<string, string> } {
  const ends = new Map<string, string>();
  const tasks = Array.from({ length: count }, (_, index): Task => {
    const id = `t${index}`;
    const begin = `echo ${id} $ROUND >> ${ran}`;
    const bytes = Math.floor(random() ** 4 * 200_000); // some are long enough for a line to be written in pieces
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

/** A run that is hit, and resumed until it is done. */
class Series {
  readonly #sandbox: Sandbox;
  readonly #executor: string;
  readonly #ran: string;
  readonly #ends: ReadonlyMap<string, string>;
  readonly #tasks: Task[];
  /** What is written of whole lines. */
  #text = "";
  /** All that is written, with half of a line that nobody has cut off yet. */
  #all = "";
  #round = 0;
  /** The round after which a task had its final result. */
  readonly #roundOfResult = new Map<string, number>();

  constructor(sandbox: Sandbox, executor: string, count: number) {
    this.#sandbox = sandbox;
    this.#executor = executor;
    this.#ran = join(sandbox.directory, "ran");
    // Without those that the run has to end, for the reason that is given below.
    ({ tasks: this.#tasks, ends: this.#ends } = tasksOfAllKinds(count, this.#ran, 6));
  }

  get isDone(): boolean {
    return this.#roundOfResult.size === this.#tasks.length;
  }

  /** Goes on with it, and hits it at an instant of the time that a whole run takes. */
  async go(blow?: typeof BLOWS[number], atMs = 0): Promise<void> {
    this.#round++;
    const args = ["-j4", "--resume", "--executor", this.#executor, "--kill-after", "2s"];
    const { child, ended } = await this.#sandbox.run(this.#tasks, args, { env: { ROUND: `${this.#round}` } });
    let isOver = false;
    const over = ended.then((end) => {
      isOver = true;
      return end;
    });
    for (const [index, signal] of (blow?.signals ?? []).entries()) {
      await Promise.race([over, sleep(index === 0 ? atMs : below(50))]);
      if (!isOver) signalIfThere(child.pid!, signal);
    }
    this.#check(blow, await over);
    // A run that is killed in the moment in which it takes the output of what it has ended leaves that.
    if (blow?.signals.join() === "SIGINT,SIGKILL") await this.#sandbox.removeLeftovers();
    else await this.#sandbox.waitForCleanup();
    // As a write that was not finished leaves it, which is too rare to wait for.
    if (blow?.signals.includes("SIGKILL") && random() < 0.5) appendFileSync(this.#sandbox.output, tornLine());
    this.#all = this.#read();
  }

  #check(blow: typeof BLOWS[number] | undefined, { status, signal, stderr }: Ended): void {
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
    const said = `status ${status} ${signal} after ${blow?.signals ?? "nothing"}, ${added.length} results; ${stderr}`;
    if (signal !== null) {
      assert(blow?.signals.includes(signal as NodeJS.Signals), said);
      // One that can be caught ends the program by itself only before it listens, or when it has nothing more to do.
      assert(signal === "SIGKILL" || added.length === 0 || this.isDone, said);
    } else if (this.isDone && status === exitStatusOf(failures)) assert(isWhole, said);
    else assert(blow?.statuses.includes(status!) && (isWhole || !LEAVES_WHOLE_LINES.includes(status!)), said);
  }

  #read(): string {
    return existsSync(this.#sandbox.output) ? readFileSync(this.#sandbox.output, "utf8") : "";
  }

  /** Nothing that had a result has run again. */
  checkRuns(): void {
    for (const line of readFileSync(this.#ran, "utf8").trimEnd().split("\n")) {
      const [id, round] = line.split(" ");
      assert(Number(round) <= this.#roundOfResult.get(id!)!, `${id} ran again in round ${round}, and had a result`);
    }
  }
}

function tornLine(): string {
  const line = '{"id":"t1","status":0,"outcome":"ok","attempts":1,"slot":1,"stdout":"';
  return line.slice(0, 1 + below(line.length - 1));
}

for (const executor of EXECUTORS) {
  test(
    `a run that is sent signals at any instant leaves nothing, and is resumed until it is done, with ${executor}`,
    LONG,
    () =>
      withSeed(async () => {
        const count = 21;
        let wholeMs = 0;
        for (let blows = 0; blows < BLOWS.length * EFFORT;) {
          await Sandbox.with(async (sandbox) => {
            const series = new Series(sandbox, executor, count);
            if (wholeMs === 0) {
              // The first is left alone, to see how long it takes.
              const startedMs = performance.now();
              await series.go();
              wholeMs = performance.now() - startedMs;
            }
            for (; !series.isDone && blows < BLOWS.length * EFFORT; blows++) {
              await series.go(BLOWS[blows % BLOWS.length], random() * wholeMs);
            }
            await series.go();
            assert(series.isDone);
            series.checkRuns();
          });
        }
      }),
  );

  test(
    `a shell of the run that is sent a signal hurts no other task, with ${executor}`,
    LONG,
    () =>
      withSeed(async () => {
        for (let round = 0; round < 2 * EFFORT; round++) {
          await Sandbox.with(async (sandbox) => {
            const { tasks, ends } = tasksOfAllKinds(21, join(sandbox.directory, "ran"));
            const { child, ended } = await sandbox.run(tasks, ["-j3", "--executor", executor]);
            let isOver = false;
            ended.then(() => isOver = true, () => isOver = true); // why it failed is seen below
            let blows = 0;
            while (!isOver) {
              await sleep(below(60));
              const shell = oneOf(shellsOf(child.pid!));
              if (shell === undefined) continue;
              // A worker is made to go on by the run; a task that is a process of its own may stop itself for good reasons.
              const signal = oneOf(["SIGKILL", "SIGTERM", "SIGSTOP"] as const);
              if (!signalIfThere(shell, signal)) continue;
              if (signal !== "SIGSTOP") blows++;
              else if (executor === "process") signalIfThere(shell, "SIGCONT");
            }
            const { status, stderr } = await ended;
            sandbox.assertOneResultEach(tasks.map(({ id }) => String(id)));
            const results = sandbox.results();
            const hurt = results.filter((result) => endOf(result) !== ends.get(result.id));
            assert(
              hurt.length <= blows,
              JSON.stringify({ blows, hurt: hurt.map((result) => endOf(result).slice(0, 200)) }),
            );
            for (const result of hurt) assertEquals(result.outcome, "killed", JSON.stringify(result).slice(0, 500));
            assertEquals(status, exitStatusOf(results.filter(({ outcome }) => outcome !== "ok").length), stderr);
            await sandbox.waitForCleanup();
          });
        }
      }),
  );
}

test("what a shell that was killed leaves is removed by another one when the run is killed as well", LONG, async () => {
  await Sandbox.with(async (sandbox) => {
    const file = join(sandbox.directory, "worker");
    const tasks = [
      { id: "long", cmd: `echo lost; echo $PPID > ${file}.new; mv ${file}.new ${file}; sleep 60` },
      { id: "short", cmd: "echo kept" },
    ];
    const { child, ended } = await sandbox.run(tasks, ["-j2", "--executor", "shell"]);
    await waitFor("a task that runs and one that has run", () => existsSync(file) && sandbox.results().length === 1);
    process.kill(child.pid!, "SIGSTOP"); // so that it does not take what the task has printed
    const worker = Number(readFileSync(file));
    process.kill(-worker, "SIGKILL");
    await waitFor("the end of the shell", () => !isAlive(worker)); // the other one spares those that run
    process.kill(child.pid!, "SIGKILL");
    await ended;
    await sandbox.waitForCleanup();
  });
});

/** The shells that a program has started and that have not ended. */
function shellsOf(parent: number): number[] {
  try {
    const name = readFileSync(`/proc/${parent}/comm`, "latin1");
    if (name === "unshare\n" || name === "sh\n") return []; // it has not become the tool yet
    const threads = readdirSync(`/proc/${parent}/task`);
    const children = threads.map((thread) => readFileSync(`/proc/${parent}/task/${thread}/children`, "latin1"));
    const pids = children.flatMap((pids) => pids.trim().split(" ")).map(Number);
    return pids.filter((pid) => pid > 0 && isAlive(pid) && readFileSync(`/proc/${pid}/comm`, "latin1") === "sh\n");
  } catch {
    return []; // one of them has gone meanwhile
  }
}

/**
 * Finds the directory of the worker that a task runs in, and nothing else: what has it is removed. The glob hides from the
 * tool that it asks for a descriptor, for which it would get a pipe.
 */
const FIND = "d=$(dirname $(readlink /proc/$$/f?/2)); case $d in */taskrunner-????????????/*) ;; *) exit 9 ;; esac";

/** What a task may do to others when nothing keeps it from that. Those with `$PPID` reach the shell of the slot. */
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
const ATTACKS_ON_WORKERS: readonly string[] = [
  "kill -9 $PPID; sleep 60",
  "kill -STOP $PPID; echo stopped",
  "kill -TERM -$PPID; echo asked",
  "kill -9 -$PPID",
  "pkill -9 -P $PPID; sleep 60",
  "for f in /proc/$PPID/f?/*; do true > $f; done 2>/dev/null; echo written",
  "for f in /proc/$PPID/f?/1; do echo nonsense > $f; done; echo written",
];

/** A task that finds no directory runs in a process of its own, whose parent is the run: these are apart from the others. */
const ATTACKS_ON_DIRECTORIES: readonly string[] = [
  `${FIND}; rm -rf "$d"; echo lost`,
  `${FIND}; rm -rf "$d"; ln -s /nowhere "$d"; echo lost`,
  `${FIND}; rm -rf "$d"; ln -s "$PWD" "$d"; echo lost`,
  `${FIND}; rm -rf "$d"; : > "$d"; echo lost`,
  `${FIND}; chmod 0 "$d"; echo locked`,
  `${FIND}; rm -rf "$(dirname "$d")"; echo lost`,
];

/** Runs these and others beside them, and checks that the others are as they should be. */
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
  test(`whatever a task kills or removes, others do not notice, with ${executor}`, LONG, async () => {
    const lists = executor === "shell" ? [[...ATTACKS, ...ATTACKS_ON_WORKERS], ATTACKS_ON_DIRECTORIES] : [ATTACKS];
    for (const attacks of lists) await attack(attacks, executor);
  });

  test(`a task that kills all there is leaves results that the run goes on with, with ${executor}`, LONG, async () => {
    const canUnshare = spawnSync("unshare", ["--pid", "--fork", "true"]).status === 0;
    if (!canUnshare) return skipTest("this user must not make namespaces");
    await Sandbox.with(async (sandbox) => {
      const asked = join(sandbox.directory, "asked");
      // Once: the run that is resumed is to come to its end.
      const cmd = `test -e ${asked} || { touch ${asked}; kill -9 -1; sleep 60; }`;
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

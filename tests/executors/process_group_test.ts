import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { GroupWatch } from "../../executors/group_watch.ts";
import { type ProcessGroup, ProcessGroupTermination } from "../../executors/process_group.ts";
import { PROCESSES, type ProcessGroups, type ProcessList, type RunningProcess } from "../../system/process_list.ts";
import { type SendSignal, signalSender } from "../../executors/send_signal.ts";
import { defaultSpawnAdapter, type SpawnAdapter } from "../../spawn_adapters/mod.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { signalIfThere, start, waitFor } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** A process of a {@linkcode FakeMachine}. */
interface FakeProcess extends RunningProcess {
  isZombie?: boolean;
  /** Called for each signal. Without a handler, SIGTERM ends the process; SIGKILL always does. */
  onSignal?: (signal: string) => void;
}

/** The duration of a scan. */
const SCAN_MS = 150;

/** A machine on which each scan takes {@linkcode SCAN_MS} of its clock. */
class FakeMachine implements ProcessList {
  readonly clock = new FakeClock();
  readonly watch = new GroupWatch(this);
  /** Processes by pid. */
  readonly processes = new Map<number, FakeProcess>();
  /** All signals except 0, as `TERM 12`. */
  readonly signals: string[] = [];
  scans = 0;
  reads = 0;
  #lastPid = 100;

  add(fields: Partial<FakeProcess>): FakeProcess {
    const pid = fields.pid ?? ++this.#lastPid;
    const added = { pid, parentPid: 1, groupId: pid, startTicks: pid, ...fields };
    this.processes.set(pid, added);
    return added;
  }

  /** Adds a worker with its attempt, and with `left` background processes of earlier attempts. */
  addWorker({ left = 0 } = {}): { worker: FakeProcess; left: FakeProcess[]; child: FakeProcess } {
    const worker = this.add({ onSignal: () => {} });
    const groupId = worker.pid;
    const background = Array.from({ length: left }, () => this.add({ groupId }));
    const child = this.add({ groupId, parentPid: worker.pid });
    return { worker, left: background, child };
  }

  end(ended: FakeProcess): void {
    this.processes.delete(ended.pid);
    const parent = this.processes.get(ended.parentPid);
    if (parent?.onSignal && parent.groupId === parent.pid) this.processes.delete(parent.pid); // a retired worker exits after its child
  }

  terminate(group: ProcessGroup, killAfterMs = 5_000): ProcessGroupTermination {
    return new ProcessGroupTermination(group, killAfterMs, this.sendSignal, this.watch);
  }

  scan(): ProcessGroups {
    this.scans++;
    this.clock.passes(SCAN_MS);
    const running = [...this.processes.values()].filter(({ isZombie }) => !isZombie);
    return Map.groupBy(running, ({ groupId }) => groupId);
  }

  isRunning(pid: number, startTicks?: number): boolean {
    this.reads++;
    const found = this.processes.get(pid);
    return found !== undefined && !found.isZombie && (startTicks ?? found.startTicks) === found.startTicks;
  }

  handlesSigterm(): boolean {
    this.reads++;
    return false;
  }

  children(pid: number): RunningProcess[] {
    return [...this.processes.values()].filter(({ parentPid }) => parentPid === pid);
  }

  readonly sendSignal: SendSignal = (target, signal) => {
    const all = target < 0
      ? [...this.processes.values()].filter(({ groupId }) => groupId === -target)
      : [this.processes.get(target)].filter((one) => one !== undefined);
    if (signal !== 0) {
      this.signals.push(`${signal.slice("SIG".length)} ${target}`);
      for (const each of all) {
        if (each.isZombie) continue;
        if (signal === "SIGKILL" || !each.onSignal && signal === "SIGTERM") this.end(each);
        else each.onSignal?.(signal);
      }
    }
    return Promise.resolve(all.length > 0);
  };
}

/** Calls a function with a new machine, under the clock of the machine. */
async function withMachine(use: (machine: FakeMachine) => Promise<void>): Promise<void> {
  const machine = new FakeMachine();
  await machine.clock.during(() => use(machine));
}

/** Terminates `count` groups at once. Returns the number of scans, and of reads per group. */
async function terminateMany(
  count: number,
  addGroup: (machine: FakeMachine) => ProcessGroup,
): Promise<{ scans: number; readsOfEach: number }> {
  let counts = { scans: 0, readsOfEach: 0 };
  await withMachine(async (machine) => {
    const groups = Array.from({ length: count }, () => addGroup(machine));
    const terminations = groups.map((group) => machine.terminate(group));
    let gone = 0;
    for (const termination of terminations) termination.gone.then(() => gone++).catch(() => {});
    await machine.clock.advance(60_000);
    assertEquals(gone, count);
    counts = { scans: machine.scans, readsOfEach: Math.ceil(machine.reads / count) };
  });
  return counts;
}

const GROUPS: Readonly<Record<string, (machine: FakeMachine) => ProcessGroup>> = {
  "workers": (machine) => ({ id: machine.addWorker().worker.pid, attemptSinceMs: 0 }),
  "workers with background processes": (machine) => ({
    id: machine.addWorker({ left: 1 }).worker.pid,
    attemptSinceMs: 0,
  }),
  "processes": (machine) => ({ id: machine.add({}).pid }),
  "processes that nobody reaps": (machine) => {
    const { pid } = machine.add({ isZombie: true });
    return { id: pid };
  },
  "processes that ignore SIGTERM": (machine) => ({ id: machine.add({ onSignal: () => {} }).pid }),
};

for (const [kind, addGroup] of Object.entries(GROUPS)) {
  test(`terminating 100 ${kind} takes no more scans than terminating two`, async () => {
    const [few, many] = [await terminateMany(2, addGroup), await terminateMany(100, addGroup)];
    assertEquals(many.scans, few.scans);
    assert(many.scans <= 2, `${many.scans} scans`);
    assert(
      many.readsOfEach <= few.readsOfEach,
      `${many.readsOfEach} reads for each, ${few.readsOfEach} when there are two`,
    );
  });
}

test("scans take at most a quarter of the time when attempts are terminated one after another", async () => {
  await withMachine(async (machine) => {
    const terminations: ProcessGroupTermination[] = [];
    for (let count = 0; count < 1_000; count++) {
      const { worker } = machine.addWorker();
      const attemptSinceMs = performance.now(); // after all earlier scans
      terminations.push(machine.terminate({ id: worker.pid, attemptSinceMs }));
      await machine.clock.advance(10);
    }
    await machine.clock.advance(1_000);
    await Promise.all(terminations.map(({ gone }) => gone));
    const share = machine.scans * SCAN_MS / performance.now();
    assert(share <= 0.25, `${machine.scans} scans in ${performance.now()} ms`);
    assertEquals(terminations.filter(({ foundAttempt }) => !foundAttempt), []);
  });
});

test("100 groups get SIGTERM at once", async () => {
  await withMachine(async (machine) => {
    const pids = Array.from({ length: 100 }, () => machine.add({}).pid);
    for (const id of pids) machine.terminate({ id });
    await machine.clock.advance(0);
    assertEquals(machine.clock.nowMs, 0);
    assertEquals(machine.processes.size, 0);
    assertEquals(machine.signals.filter((signal) => signal.startsWith("TERM")), pids.map((pid) => `TERM -${pid}`));
  });
});

test("killAfter(0) sends SIGKILL at once, whatever the termination waits for", async () => {
  await withMachine(async (machine) => {
    const groups = Array.from({ length: 100 }, () => machine.add({ onSignal: () => {} }).pid);
    const terminations = groups.map((id) => machine.terminate({ id }, 3_600_000));
    await machine.clock.advance(1_234);
    for (const termination of terminations) termination.killAfter(0);
    await machine.clock.advance(0);
    assertEquals(machine.processes.size, 0);
    await machine.clock.advance(1_000);
    await Promise.all(terminations.map(({ gone }) => gone));
  });
});

test("SIGKILL is sent when it is due, not at the next poll", async () => {
  await withMachine(async (machine) => {
    const groups = Array.from({ length: 300 }, () => machine.add({ onSignal: () => {} }).pid);
    for (const id of groups) machine.terminate({ id }, 234);
    await machine.clock.advance(233);
    assertEquals(machine.processes.size, 300);
    await machine.clock.advance(1);
    assertEquals(machine.processes.size, 0);
    await machine.clock.advance(1_000);
  });
});

test("processes of an earlier attempt get no signal", async () => {
  await withMachine(async (machine) => {
    const { worker, left, child } = machine.addWorker({ left: 2 });
    const { gone } = machine.terminate({ id: worker.pid, attemptSinceMs: 0 });
    await machine.clock.advance(5_000);
    await gone;
    assertEquals(machine.signals, [`TERM ${child.pid}`, `CONT ${child.pid}`]);
    assertEquals([...machine.processes.keys()], left.map(({ pid }) => pid));
  });
});

test("a leader that stands for a shell gets SIGTERM before its children", async () => {
  await withMachine(async (machine) => {
    const { worker, left, child } = machine.addWorker({ left: 1 });
    const other = machine.add({ groupId: worker.pid, parentPid: worker.pid });
    const { gone } = machine.terminate({ id: worker.pid, attemptSinceMs: 0, leaderIsShell: true });
    await machine.clock.advance(5_000);
    await gone;
    const members = [child.pid, other.pid].flatMap((pid) => [`TERM ${pid}`, `CONT ${pid}`]);
    assertEquals(machine.signals, [`TERM ${worker.pid}`, ...members]);
    assertEquals([...machine.processes.keys()], left.map(({ pid }) => pid));
  });
});

test("processes of a pipeline whose first program has ended are terminated, wherever pids begin again", async () => {
  await withMachine(async (machine) => {
    const { worker, left, child } = machine.addWorker({ left: 1 });
    const groupId = worker.pid;
    child.isZombie = true;
    const background = machine.add({ groupId, startTicks: child.startTicks + 1 });
    const last = machine.add({ pid: 50, groupId, parentPid: groupId, startTicks: child.startTicks + 2 });
    const { gone } = machine.terminate({ id: groupId, attemptSinceMs: 0, leaderIsShell: true });
    await machine.clock.advance(5_000);
    await gone;
    const members = [background.pid, last.pid].flatMap((pid) => [`TERM ${pid}`, `CONT ${pid}`]);
    assertEquals(machine.signals, [`TERM ${worker.pid}`, ...members]);
    assert(machine.processes.has(left[0]!.pid));
  });
});

test("processes that an attempt starts during its termination are terminated, too", async () => {
  await withMachine(async (machine) => {
    const { worker, left } = machine.addWorker({ left: 1 });
    const groupId = worker.pid;
    const grandchild = { groupId, onSignal: () => {} };
    const child = machine.add({
      groupId,
      parentPid: groupId,
      onSignal: (signal) => {
        if (signal !== "SIGTERM") return;
        machine.add(grandchild);
        machine.end(child);
      },
    });
    machine.processes.delete(child.pid - 1); // the attempt that addWorker() added
    const { gone } = machine.terminate({ id: groupId, attemptSinceMs: 0 }, 4_000);
    await machine.clock.advance(3_000);
    assertEquals(machine.signals, [child.pid, child.pid + 1].flatMap((pid) => [`TERM ${pid}`, `CONT ${pid}`]));
    await machine.clock.advance(2_000);
    await gone;
    assertEquals(machine.signals.slice(4), [`KILL ${child.pid + 1}`]);
    assertEquals([...machine.processes.keys()], [left[0]!.pid]);
  });
});

test("a process that reuses a pid gets no signal", async () => {
  await withMachine(async (machine) => {
    const { worker, left, child } = machine.addWorker({ left: 1 });
    const stubborn = machine.add({ groupId: worker.pid, onSignal: () => {} });
    const { gone } = machine.terminate({ id: worker.pid, attemptSinceMs: 0 }, 2_000);
    await machine.clock.advance(1_000);
    machine.processes.delete(stubborn.pid);
    const other = machine.add({ pid: stubborn.pid, startTicks: 1_000 });
    await machine.clock.advance(4_000);
    await gone;
    assertEquals(machine.signals.filter((signal) => signal.startsWith("KILL")), []);
    assertEquals([...machine.processes.keys()], [left[0]!.pid, other.pid]);
    assert(!machine.processes.has(child.pid));
  });
});

test("a worker that never starts its attempt is killed after the time for it", async () => {
  await withMachine(async (machine) => {
    const worker = machine.add({ onSignal: () => {} });
    const termination = machine.terminate({ id: worker.pid, attemptSinceMs: 0 }, 1_000);
    await machine.clock.advance(900);
    assert(machine.processes.has(worker.pid));
    await machine.clock.advance(60_000);
    await termination.gone;
    assertEquals([termination.foundAttempt, machine.processes.size], [false, 0]);
  });
});

test("a termination settles when no signal can be sent", async () => {
  await withMachine(async (machine) => {
    const { pid } = machine.add({});
    const fails = () => Promise.reject(new Error("no more processes"));
    const { gone } = new ProcessGroupTermination({ id: pid }, 1_000, fails, machine.watch);
    await machine.clock.advance(10_000);
    await gone;
  });
});

test("PROCESSES lists running processes without zombies, and children with zombies", async () => {
  // The shell executes a program that never reaps the child of the shell.
  const untilExec = "until grep -q sleep /proc/$$/comm; do :; done";
  const { child, output, ended } = start("sh", ["-c", `(${untilExec}) & echo $!; exec sleep 300`]);
  await waitFor("the child", () => output.stdout !== "");
  const zombie = Number(output.stdout);
  await waitFor("the child to end", () => !PROCESSES.isRunning(zombie));
  const members = [...(await PROCESSES.scan())!.values()].flat();
  const found = members.find(({ pid }) => pid === child.pid)!;
  assertEquals(found.parentPid, process.pid);
  assertEquals(members.filter(({ pid }) => pid === zombie), []);
  assertEquals(PROCESSES.children(child.pid!)!.map(({ pid, parentPid }) => [pid, parentPid]), [[zombie, child.pid]]);
  assertEquals(PROCESSES.isRunning(found.pid, found.startTicks), true);
  assertEquals(PROCESSES.isRunning(found.pid, found.startTicks + 1), false);
  process.kill(child.pid!, "SIGKILL");
  await ended;
  assertEquals(PROCESSES.isRunning(found.pid), false);
  assertEquals(PROCESSES.children(found.pid), undefined);
});

test(
  "signalSender() sends many signals through one shell, and returns which targets exist",
  async () => {
    const real = await defaultSpawnAdapter();
    let spawned = 0;
    const adapter: SpawnAdapter = {
      name: real.name,
      canSignal: false,
      spawn: (options) => {
        spawned++;
        return real.spawn(options);
      },
    };
    const children = await Promise.all(
      Array.from({ length: 50 }, () => real.spawn({ program: "sleep", args: ["300"], stdin: "null", stderr: "null" })),
    );
    try {
      const sendSignal = signalSender(() => adapter, "sh");
      const there = await Promise.all(children.map(({ pid }) => sendSignal(-pid, "SIGTERM")));
      assertEquals(there, children.map(() => true));
      for (const { exited } of children) assertEquals((await exited).signal, "SIGTERM");
      const [own, gone] = await Promise.all([sendSignal(process.pid, 0), sendSignal(-children[0]!.pid, 0)]);
      assertEquals([own, gone, spawned], [true, false, 2]);
    } finally {
      for (const { pid } of children) signalIfThere(pid, "SIGKILL"); // after a failure
    }
  },
);

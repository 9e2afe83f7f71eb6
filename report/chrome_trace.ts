/**
 * Converts a run to Chrome's trace event format, for Perfetto and chrome://tracing: one track per slot, with each attempt of
 * a task as a slice, arrows from prerequisites to the tasks that waited for them, skipped tasks as instants on a track of
 * their own, and the number of running tasks as a counter.
 *
 * https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
 *
 * @module
 */

import type { AttemptFacts, ResultFacts } from "../results/statistics/results_reader.ts";
import { slotKey, workerName } from "../results/statistics/slots.ts";

/** An event of a trace. Times are in microseconds since the run began. */
export type TraceEvent =
  & { name: string; pid: number; args: Record<string, unknown> }
  & (
    | { ph: "M"; tid?: number }
    | { ph: "X"; tid: number; cat: string; ts: number; dur: number }
    | { ph: "C"; ts: number }
    | { ph: "i"; s: "t"; tid: number; cat: string; ts: number }
    | { ph: "s"; tid: number; cat: string; ts: number; id: number }
    | { ph: "f"; bp: "e"; tid: number; cat: string; ts: number; id: number }
  );

/** Maximum number of arrows to a task: those of its prerequisites that ended last. More would hide the trace. */
const MAX_ARROWS = 16;

/** Process of the counter and of local slots in the trace. Each worker on another machine is a further process. */
const RUN_PID = 1;

/** An attempt of a task. */
interface TaskAttempt extends AttemptFacts {
  id: string;
  /** The number of the attempt, from 1. */
  attempt: number;
  /** The number of attempts of the task. */
  attempts: number;
  uses: ResultFacts["uses"];
  /** Present if the task occupied several slots. */
  slots: number | undefined;
}

/** A result with attempts. */
interface Task {
  id: string;
  after: readonly string[];
  first: TaskAttempt;
  last: TaskAttempt;
}

/** The place of an attempt in the trace. Times are in microseconds. */
interface Slice {
  pid: number;
  tid: number;
  ts: number;
  dur: number;
}

/** Collects results and converts them to trace events. */
export class ChromeTrace {
  readonly #tracks = new Map<string | number, TaskAttempt[]>();
  readonly #tasks: Task[] = [];
  readonly #skipped: ResultFacts[] = [];
  #hasPrerequisites = false;
  #attempts = 0;

  /** The number of results. */
  get results(): number {
    return this.#tasks.length + this.#skipped.length;
  }

  add(facts: ResultFacts): void {
    if (facts.outcome === "skipped") {
      this.#skipped.push(facts);
      return;
    }
    const { id, attempts, earlierAttempts, after, uses, slots, ...last } = facts;
    const task = { id, attempts, uses, slots: slots > 1 ? slots : undefined };
    const first = attempts - earlierAttempts.length;
    const all = earlierAttempts.map((facts, index) => ({ attempt: first + index, ...task, ...facts }));
    all.push({ attempt: attempts, ...task, ...last });
    for (const attempt of all) this.#add(attempt);
    this.#tasks.push({ id, after, first: all[0]!, last: all.at(-1)! });
    this.#hasPrerequisites ||= after.length > 0;
  }

  #add(attempt: TaskAttempt): void {
    const key = slotKey(attempt);
    const track = this.#tracks.get(key);
    if (track) track.push(attempt);
    else this.#tracks.set(key, [attempt]);
    this.#attempts++;
  }

  /** Start of the first attempt, in milliseconds since 1970. */
  get startedMs(): number {
    let startedMs = Infinity;
    for (const attempts of [...this.#tracks.values(), this.#skipped]) {
      for (const attempt of attempts) startedMs = Math.min(startedMs, attempt.startedMs);
    }
    return startedMs;
  }

  *events(): Generator<TraceEvent, void> {
    const { startedMs } = this;
    const pids = new Map([["taskrunner", RUN_PID]]);
    yield { name: "process_name", ph: "M", pid: RUN_PID, args: { name: "taskrunner" } };
    const [starts, ends] = [new Float64Array(this.#attempts), new Float64Array(this.#attempts)];
    const placed = this.#hasPrerequisites ? new Map<TaskAttempt, Slice>() : undefined;
    let index = 0;
    for (const track of this.#tracks.values()) {
      const { slot: tid } = track[0]!;
      const process = workerName(track[0]!) ?? "taskrunner";
      const pid = pids.get(process) ?? pids.size + 1;
      if (!pids.has(process)) yield { name: "process_name", ph: "M", pid, args: { name: process } };
      pids.set(process, pid);
      yield { name: "thread_name", ph: "M", pid, tid, args: { name: `slot ${tid}` } };
      yield { name: "thread_sort_index", ph: "M", pid, tid, args: { sort_index: tid } };
      for (const { attempt, ts, dur } of slices(track, startedMs)) {
        [starts[index], ends[index++]] = [ts, ts + dur];
        placed?.set(attempt, { pid, tid, ts, dur });
        const { id, outcome, startedMs: _started, durationMs: _duration, slot: _slot, worker: _worker, ...args } =
          attempt;
        yield { name: id, cat: outcome, ph: "X", ts, dur, pid, tid, args: { outcome, ...args } };
      }
    }
    yield* runningCount(starts.sort(), ends.sort());
    if (this.#skipped.length > 0) yield* skippedTasks(this.#skipped, pids.size + 1, startedMs);
    // Viewers bind an arrow to the slices that they have seen.
    if (placed) yield* arrows(this.#tasks, placed);
  }
}

/** Yields an instant for each skipped task, on a track of its own. */
function* skippedTasks(tasks: readonly ResultFacts[], pid: number, runStartedMs: number): Generator<TraceEvent, void> {
  const [tid, name] = [1, "skipped tasks"];
  yield { name: "process_name", ph: "M", pid, args: { name } };
  yield { name: "thread_name", ph: "M", pid, tid, args: { name } };
  for (const { id, outcome, error, startedMs } of tasks) {
    const ts = Math.round((startedMs - runStartedMs) * 1000);
    yield { name: id, cat: outcome, ph: "i", s: "t", ts, pid, tid, args: { outcome, error } };
  }
}

/** Yields the arrows from the last attempts of prerequisites to the first attempt of each task. */
function* arrows(tasks: readonly Task[], placed: ReadonlyMap<TaskAttempt, Slice>): Generator<TraceEvent, void> {
  const latest = new Map(tasks.map((task) => [task.id, task]));
  let id = 0;
  for (const { after, first } of latest.values()) {
    const to = placed.get(first)!;
    const from = after.flatMap((prerequisite) => placed.get(latest.get(prerequisite)?.last!) ?? []);
    from.sort((one, other) => other.ts + other.dur - one.ts - one.dur);
    for (const slice of from.slice(0, MAX_ARROWS)) yield* arrow(slice, to, ++id);
  }
}

/**
 * Yields an arrow between slices. A viewer binds each of its events to the slice in which the event is, and a slice does not
 * include its end. Omits an arrow that would lead back in time, as after a change of the clock, or to a slice without length.
 */
function* arrow(from: Slice, to: Slice, id: number): Generator<TraceEvent, void> {
  if (from === to || from.dur === 0 || to.dur === 0 || from.ts > to.ts) return;
  const flow = { name: "after", cat: "after", id, args: {} };
  yield { ...flow, ph: "s", ts: Math.min(from.ts + from.dur - 1, to.ts), pid: from.pid, tid: from.tid };
  yield { ...flow, ph: "f", bp: "e", ts: to.ts, pid: to.pid, tid: to.tid };
}

/**
 * Yields the attempts of a track as consecutive slices. Start times are rounded to milliseconds, and the clock may have
 * been set back, so slices could overlap, which the format does not allow: each starts no earlier than its predecessor
 * ends.
 */
function* slices(
  track: TaskAttempt[],
  runStartedMs: number,
): Generator<{ attempt: TaskAttempt; ts: number; dur: number }, void> {
  let end = 0;
  for (const attempt of track.sort((one, other) => one.startedMs - other.startedMs)) {
    const ts = Math.max(end, Math.round((attempt.startedMs - runStartedMs) * 1000));
    const dur = Math.round(attempt.durationMs * 1000);
    end = ts + dur;
    yield { attempt, ts, dur };
  }
}

/** Yields the number of running tasks each time that it changes. */
function* runningCount(starts: Float64Array, ends: Float64Array): Generator<TraceEvent, void> {
  let [started, ended, before] = [0, 0, 0];
  while (ended < ends.length) {
    const ts = Math.min(starts[started] ?? Infinity, ends[ended]!);
    while (starts[started]! <= ts) started++;
    while (ends[ended]! <= ts) ended++;
    const running = started - ended;
    if (running !== before) yield { name: "running", ph: "C", ts, pid: RUN_PID, args: { running } };
    before = running;
  }
}

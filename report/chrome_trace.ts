/**
 * Converts a run to Chrome's trace event format, for Perfetto and chrome://tracing: one track per slot, with each attempt of
 * a task as a slice, and the number of running tasks as a counter.
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
  );

/** Process of the counter and of local slots in the trace. Each worker on another machine is a further process. */
const RUN_PID = 1;

/** An attempt of a task. */
interface TaskAttempt extends AttemptFacts {
  id: string;
  /** The number of the attempt, from 1. */
  attempt: number;
  /** The number of attempts of the task. */
  attempts: number;
}

/** Collects results and converts them to trace events. */
export class ChromeTrace {
  readonly #tracks = new Map<string | number, TaskAttempt[]>();
  #attempts = 0;

  /** The number of results. */
  results = 0;

  add({ id, attempts, earlierAttempts, ...last }: ResultFacts): void {
    const first = attempts - earlierAttempts.length;
    earlierAttempts.forEach((facts, index) => this.#add({ id, attempt: first + index, attempts, ...facts }));
    this.#add({ id, attempt: attempts, attempts, ...last });
    this.results++;
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
    for (const track of this.#tracks.values()) {
      for (const attempt of track) startedMs = Math.min(startedMs, attempt.startedMs);
    }
    return startedMs;
  }

  *events(): Generator<TraceEvent, void> {
    const { startedMs } = this;
    const pids = new Map([["taskrunner", RUN_PID]]);
    yield { name: "process_name", ph: "M", pid: RUN_PID, args: { name: "taskrunner" } };
    const [starts, ends] = [new Float64Array(this.#attempts), new Float64Array(this.#attempts)];
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
        const { id, outcome, startedMs: _started, durationMs: _duration, slot: _slot, worker: _worker, ...args } =
          attempt;
        yield { name: id, cat: outcome, ph: "X", ts, dur, pid, tid, args: { outcome, ...args } };
      }
    }
    yield* runningCount(starts.sort(), ends.sort());
  }
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

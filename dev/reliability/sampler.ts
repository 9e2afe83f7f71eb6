/** What a run has of everything that could run out, looked at again and again. */

import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import type { RunPlace } from "../../tests/support/run_place.ts";
import type { Tolerance } from "./flatness.ts";

/** One look at a run. */
export interface Sample {
  /** Since it began. */
  seconds: number;
  /** The results it has written. */
  tasks: number;
  /** Memory of the tool that is its own or in use, and of it with its workers and tasks. */
  memoryMiB: number;
  treeMiB: number;
  /** Descriptors of the tool, and of all. */
  descriptors: number;
  treeDescriptors: number;
  threads: number;
  processes: number;
  /** Files and directories. */
  temporaryFiles: number;
}

/** A run that was watched. */
export interface Watched {
  /** What the tool did. */
  part: string;
  runtime: string;
  executor: string;
  samples: readonly Sample[];
}

/** What has to stay as it is. What is rounded up or shared by some tasks comes and goes by one or two. */
export const TOLERANCES = {
  memoryMiB: { part: 0.1, least: 8 },
  treeMiB: { part: 0.1, least: 16 },
  descriptors: { part: 0.1, least: 4 },
  treeDescriptors: { part: 0.1, least: 16 },
  threads: { part: 0.1, least: 2 },
  processes: { part: 0.1, least: 4 },
  temporaryFiles: { part: 0.1, least: 8 },
} as const satisfies Partial<Record<keyof Sample, Tolerance>>;

const LF = 0x0a;

/** Looks at a run at intervals. */
export class Sampler {
  readonly samples: Sample[] = [];
  readonly #place: RunPlace;
  readonly #pid: number;
  readonly #startedMs = performance.now();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #piece = new Uint8Array(256 * 1024);
  #results: number | undefined;
  #tasks = 0;

  /** @param pid the process of the tool. */
  constructor(place: RunPlace, pid: number, everyMs = 1_000) {
    this.#place = place;
    this.#pid = pid;
    this.#timer = setInterval(() => this.#look(), everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    if (this.#results !== undefined) closeSync(this.#results);
  }

  #look(): void {
    const tool = processAt(this.#pid);
    if (!tool) return; // it has ended
    const others = this.#place.processes().filter((pid) => pid !== this.#pid).map(processAt);
    const tree = [tool, ...others.filter((process) => process !== undefined)];
    this.samples.push({
      seconds: (performance.now() - this.#startedMs) / 1000,
      tasks: this.#countResults(),
      memoryMiB: tool.memoryMiB,
      treeMiB: sum(tree.map(({ memoryMiB }) => memoryMiB)),
      descriptors: tool.descriptors,
      treeDescriptors: sum(tree.map(({ descriptors }) => descriptors)),
      threads: tool.threads,
      processes: tree.length,
      temporaryFiles: this.#place.temporaryFiles().length,
    });
  }

  /** Counts the lines that have come since. */
  #countResults(): number {
    if (!existsSync(this.#place.output)) return 0;
    this.#results ??= openSync(this.#place.output, "r");
    for (let bytes; (bytes = readSync(this.#results, this.#piece)) > 0;) {
      for (let at = -1; (at = this.#piece.subarray(0, bytes).indexOf(LF, at + 1)) !== -1;) this.#tasks++;
    }
    return this.#tasks;
  }
}

/** What the system says of a process, `undefined` when it has ended. */
function processAt(pid: number) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const number = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
    const memoryMiB = number("VmRSS") / 1024;
    if (memoryMiB === 0) return undefined;
    return { memoryMiB, threads: number("Threads"), descriptors: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return undefined;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

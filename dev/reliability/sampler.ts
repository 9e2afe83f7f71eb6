/** Samples the resources that a run uses. */

import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import type { Sandbox } from "../../tests/support/sandbox.ts";
import type { Tolerance } from "./flatness.ts";

/** A sample of a run. */
export interface Sample {
  /** Time since the start of the run. */
  seconds: number;
  /** Number of written results. */
  tasks: number;
  /** Resident memory of the command. */
  memoryMiB: number;
  /** Resident memory of the command, its workers and its tasks. */
  treeMiB: number;
  /** Descriptors of the command. */
  descriptors: number;
  /** Descriptors of the command, its workers and its tasks. */
  treeDescriptors: number;
  threads: number;
  processes: number;
  /** Number of temporary files and directories. */
  temporaryFiles: number;
}

/** A run with its samples. */
export interface Watched {
  /** Description of the run. */
  part: string;
  runtime: string;
  executor: string;
  samples: readonly Sample[];
}

/** Values that must not grow. Small absolute tolerances allow for rounding and for resources shared by tasks. */
export const TOLERANCES = {
  memoryMiB: { part: 0.1, min: 8 },
  treeMiB: { part: 0.1, min: 16 },
  descriptors: { part: 0.1, min: 4 },
  treeDescriptors: { part: 0.1, min: 16 },
  threads: { part: 0.1, min: 2 },
  processes: { part: 0.1, min: 4 },
  temporaryFiles: { part: 0.1, min: 8 },
} as const satisfies Partial<Record<keyof Sample, Tolerance>>;

const LF = 0x0a;

/** Samples a run at intervals. */
export class Sampler {
  readonly samples: Sample[] = [];
  readonly #sandbox: Sandbox;
  readonly #pid: number;
  readonly #startedMs = performance.now();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #buffer = new Uint8Array(256 * 1024);
  #results: number | undefined;
  #tasks = 0;

  /** @param pid Process of the command. */
  constructor(sandbox: Sandbox, pid: number, everyMs = 1_000) {
    this.#sandbox = sandbox;
    this.#pid = pid;
    this.#timer = setInterval(() => this.#look(), everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    if (this.#results !== undefined) closeSync(this.#results);
  }

  #look(): void {
    const tool = processAt(this.#pid);
    if (!tool) return; // the run has ended
    const others = this.#sandbox.processes().filter((pid) => pid !== this.#pid).map(processAt);
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
      temporaryFiles: this.#sandbox.temporaryFiles().length,
    });
  }

  /** Counts the lines that were added since the last sample. */
  #countResults(): number {
    if (!existsSync(this.#sandbox.output)) return 0;
    this.#results ??= openSync(this.#sandbox.output, "r");
    for (let bytes; (bytes = readSync(this.#results, this.#buffer)) > 0;) {
      for (let at = -1; (at = this.#buffer.subarray(0, bytes).indexOf(LF, at + 1)) !== -1;) this.#tasks++;
    }
    return this.#tasks;
  }
}

/** Reads the resource usage of a process; returns `undefined` if it has ended. */
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

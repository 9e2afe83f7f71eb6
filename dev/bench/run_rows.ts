/** Measures rows in rounds. @module */

import { measureState } from "./machine.ts";
import { measure } from "./measure.ts";
import { hasCommand, type Programs } from "./programs.ts";
import type { FailureLine, RawLine } from "./raw_data.ts";
import type { Contender, Measured, Row, Services } from "./row.ts";

/** Options of {@linkcode measureRow}. */
export interface RunOptions {
  rounds: number;
  scale: number;
  /** A directory for files. */
  directory: string;
  packageDirectory: string;
  programs: Programs;
  /** Called with each line of raw data. */
  onLine: (line: RawLine) => Promise<void>;
}

/** Runs every contender of a row once in each round. A contender that fails does not run again. */
export async function measureRow(row: Row, options: RunOptions): Promise<void> {
  const running = await contendersToRun(row, options);
  let services: Services | undefined;
  try {
    services = await row.services?.(options);
  } catch (error) {
    for (const contender of running) await options.onLine(failureOf(row, contender, error));
    return;
  }
  try {
    for (let round = 1; round <= Math.min(options.rounds, row.maxRounds ?? Infinity) && running.size > 0; round++) {
      await measureRound(row, { ...options, round, running, env: services?.env ?? {} });
    }
  } finally {
    await services?.stop();
  }
}

/** Returns the contenders whose programs are installed. */
async function contendersToRun(row: Row, { onLine }: RunOptions): Promise<Set<Contender>> {
  const running = new Set(row.contenders);
  for (const contender of row.contenders) {
    const missing = contender.needs.find((program) => !hasCommand(program));
    if (missing === undefined) continue;
    running.delete(contender);
    await onLine(failureOf(row, contender, `${missing} is not installed`));
  }
  return running;
}

/** A round of a row. */
interface Round extends RunOptions {
  round: number;
  /** The contenders; those that fail are removed. */
  running: Set<Contender>;
  env: Readonly<Record<string, string>>;
}

async function measureRound(row: Row, options: Round): Promise<void> {
  const { round, running, programs, onLine } = options;
  const state = measureState(programs);
  const save = async (contender: Contender, getMeasured: () => Promise<Measured>): Promise<void> => {
    try {
      const names = { row: row.name, contender: contender.name, round };
      await onLine({ kind: "measurement", ...names, ...await getMeasured(), ...state });
    } catch (error) {
      running.delete(contender);
      await onLine({ ...failureOf(row, contender, error), round });
    }
  };
  if (row.measureAll) {
    const all = await row.measureAll(options);
    for (const contender of running) await save(contender, () => all.get(contender.name)!);
    return;
  }
  // Every other round runs in reverse, so that a trend of the machine favors no contender.
  const order = round % 2 === 0 ? [...running].reverse() : [...running];
  for (const contender of order) await save(contender, () => measure(row, contender, options));
}

function failureOf(row: Row, contender: Contender, error: unknown): FailureLine {
  const reason = error instanceof Error ? error.message : `${error}`;
  return { kind: "failure", row: row.name, contender: contender.name, reason };
}

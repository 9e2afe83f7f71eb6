/** The types of the rows of `deno task bench`. @module */

import { type RuntimeName, taskrunnerOn } from "./runtimes.ts";

/** Work that several programs do, and the speed, CPU time or memory that they should reach. */
export interface Row {
  /** Selects the row in `--rows`; the part before `/` selects a group. */
  name: string;
  /** Description of a task, in Markdown. */
  title: string;
  /** The number of tasks at scale 1. */
  tasks: number;
  /** Maximum number of rounds, for rows that take long. */
  maxRounds?: number;
  /** Returns the command of a task: a shell command, or a program with arguments. */
  command: (number: number) => string | readonly string[];
  /** If true, the working directory has a file `fN` of 4 KiB for each task N, and nothing else. */
  hasFiles?: boolean;
  /** If true, each task prints its number, and the benchmark checks the output of each result. */
  echoesNumber?: boolean;
  contenders: readonly Contender[];
  /** The contender that others are compared with; absent if each goal names its own one. */
  reference?: string;
  goals?: readonly Goal[];
  /** Starts the services that the contenders use. */
  services?: (options: ServiceOptions) => Promise<Services>;
  /** Measures all contenders at the same time, by name; their commands are not used. */
  measureAll?: (options: MeasureAllOptions) => Promise<ReadonlyMap<string, Promise<Measured>>>;
  /** If true, the row runs only when `--rows` names it. */
  isExtra?: boolean;
}

/** A program that does the work of a row. */
export interface Contender {
  name: string;
  /**
   * Shell command that does the work. The command can use these variables: `$TASKS` is a file of tasks, `$COMMANDS` a file
   * of NUL-terminated commands, `$VALUES` a file with a number on each line, `$MAKEFILE` a makefile, `$OUT` the path of a
   * new file, `$COUNT` the number of tasks, `$SPAWN` the program of `peers/spawn.c`, `$BENCH` the directory `dev/bench`,
   * and `$PACKAGE` that of the npm package.
   */
  command: string;
  /** Programs that the command needs. */
  needs: readonly string[];
  /** Share of the tasks to run, for slow contenders; default: 1. */
  part?: number;
  /** The content of `$OUT`, which is checked: a result, or any line, for each task. */
  writes?: "results" | "lines";
  /** If true, the program prints {@linkcode SelfMeasured}, which leaves out its preparations. */
  measuresItself?: boolean;
}

/** The times that a program measures itself, as JSON. */
export interface SelfMeasured {
  seconds: number;
  cpuMs?: number;
}

/** A measurement of a contender. */
export interface Measured {
  tasks: number;
  seconds: number;
  /** CPU time of the program without its children; of a JavaScript program, with all threads. */
  cpuSeconds?: number;
  peakMiB?: number;
}

/** Options of {@linkcode Row.services}. */
export interface ServiceOptions {
  /** A directory for files. */
  directory: string;
  /** The directory of the npm package. */
  packageDirectory: string;
}

/** Services of a row, such as a server. */
export interface Services {
  /** Variables for the commands of the contenders. */
  env: Readonly<Record<string, string>>;
  stop: () => Promise<void>;
}

/** Options of {@linkcode Row.measureAll}. */
export interface MeasureAllOptions {
  directory: string;
  scale: number;
}

/** A figure of a row that should reach a target on each runtime. */
export interface Goal {
  /** Description of the figure, in Markdown. */
  title: string;
  /** Speeds and memory are ratios to the reference; CPU time is in µs per task. */
  figure: Figure;
  /** Returns the name of the contender for a runtime, or `undefined` if the goal does not apply to the runtime. */
  contender: (runtime: RuntimeName) => string | undefined;
  /** Returns the name of the reference for a runtime; default: the reference of the row. */
  reference?: (runtime: RuntimeName) => string;
  targets: Targets;
}

/** A quantity. More speed is better, and less of the others. */
export type Figure = "speed" | "cpu" | "memory";

/** The targets in the states of the machine: a fork costs little or much. */
export interface Targets {
  cheap: Target;
  expensive: Target;
}

/** The figures to reach. */
export interface Target {
  least: number | ByRuntime;
  /** A figure, or contenders of which each should be exceeded. */
  aim: number | readonly string[];
}

/** A figure for each runtime. */
export type ByRuntime = Readonly<Record<RuntimeName, number>>;

/** Returns targets that do not depend on the state of the machine. */
export function inAnyState(least: Target["least"], aim: Target["aim"]): Targets {
  return { cheap: { least, aim }, expensive: { least, aim } };
}

/** Returns the goal of a speed of the command relative to the reference of the row. */
export function speedGoal(targets: Targets): Goal {
  return { title: "speed", figure: "speed", contender: taskrunnerOn, targets };
}

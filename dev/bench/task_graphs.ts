/** Graphs of tasks, and the files that describe a graph to taskrunner, ninja and make. @module */

import { randomNumbers } from "../../tests/support/helpers.ts";

/** A task of a graph. Its prerequisites have smaller numbers, except in a graph that was shuffled. */
export interface GraphTask {
  number: number;
  /** The numbers of the tasks that must end first. */
  after: readonly number[];
  /** The shell command. */
  command: string;
  /** The approximate duration. */
  seconds: number;
}

/**
 * A command that costs every tool the same: the redirection makes make start a shell, as ninja does for every command, and
 * taskrunner runs the command in a subshell of a worker.
 */
const quickCommand = (number: number) => `echo ${number} >/dev/null`;

function quickTask(number: number, after: readonly number[] = []): GraphTask {
  return { number, after, command: quickCommand(number), seconds: 0 };
}

function sleepingTask(number: number, seconds: number, after: readonly number[] = []): GraphTask {
  return { number, after, command: `sleep ${seconds.toFixed(3)}`, seconds };
}

/** Returns tasks in layers. Each task waits for three random ones of the layer before. */
export function layers(count: number, width: number, random = randomNumbers(1)): GraphTask[] {
  return Array.from({ length: count }, (_, number) => {
    const first = (Math.floor(number / width) - 1) * width;
    const after = new Set<number>();
    while (first >= 0 && after.size < Math.min(3, width)) after.add(first + Math.floor(random() * width));
    return quickTask(number, [...after]);
  });
}

/** Returns tasks of which each waits for the one before. */
export function chain(count: number): GraphTask[] {
  return Array.from({ length: count }, (_, number) => quickTask(number, number === 0 ? [] : [number - 1]));
}

/** Returns independent tasks, and a last one that waits for all of them. */
export function fanIn(count: number): GraphTask[] {
  return [...independent(count), quickTask(count, Array.from({ length: count }, (_, number) => number))];
}

/** Returns tasks without prerequisites. */
export function independent(count: number): GraphTask[] {
  return Array.from({ length: count }, (_, number) => quickTask(number));
}

/** Returns short independent tasks, and then a chain of long ones, which should start first. */
export function lateChain(): GraphTask[] {
  const short = Array.from({ length: 160 }, (_, number) => sleepingTask(number, 0.1 + number % 5 * 0.05));
  const long = Array.from({ length: 12 }, (_, index) => {
    const number = short.length + index;
    return sleepingTask(number, 0.5, index === 0 ? [] : [number - 1]);
  });
  return [...short, ...long];
}

/** Returns tasks with durations between 20 ms and 2 s, mostly short, in random order. Most wait for up to two others. */
export function unevenTasks(random = randomNumbers(3)): GraphTask[] {
  const count = 250;
  const tasks = Array.from({ length: count }, (_, number) => {
    const after = new Set<number>();
    for (let left = number < 40 ? 0 : Math.floor(random() * 3); left > 0; left--) {
      after.add(Math.floor(number * random()));
    }
    return sleepingTask(number, 0.02 * 100 ** random(), [...after]);
  });
  for (let index = count - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1));
    [tasks[index], tasks[other]] = [tasks[other]!, tasks[index]!];
  }
  return tasks;
}

/** Returns the least time in which any scheduler can run tasks: the longest path, or the work divided by the slots. */
export function leastSeconds(tasks: readonly GraphTask[], slots: number): number {
  const byNumber = tasks.toSorted((one, other) => one.number - other.number);
  const ends: number[] = [];
  for (const { number, after, seconds } of byNumber) {
    ends[number] = seconds + Math.max(0, ...after.map((prerequisite) => ends[prerequisite]!));
  }
  const work = tasks.reduce((sum, { seconds }) => sum + seconds, 0);
  return Math.max(work / slots, ...ends);
}

const name = (number: number) => `t${number}`;

/** Yields the lines of a task file. */
export function* taskLines(tasks: readonly GraphTask[]): Generator<string> {
  for (const { number, after, command } of tasks) {
    const prerequisites = after.length > 0 && { after: after.map(name) };
    yield JSON.stringify({ id: name(number), cmd: command, ...prerequisites });
  }
}

/** Yields the lines of a `build.ninja`. No task creates its output, so every run of ninja runs all tasks. */
export function* ninjaLines(tasks: readonly GraphTask[]): Generator<string> {
  yield* ["rule run", "  command = $run"];
  for (const { number, after, command } of tasks) {
    yield* [`build ${[`${name(number)}:`, "run", ...after.map(name)].join(" ")}`, `  run = ${command}`];
  }
}

/** Yields the lines of a makefile. Its targets are phony, so make neither looks for files nor for implicit rules. */
export function* makeLines(tasks: readonly GraphTask[]): Generator<string> {
  const all = tasks.map(({ number }) => name(number)).join(" ");
  yield* [`.PHONY: all ${all}`, `all: ${all}`];
  for (const { number, after, command } of tasks) {
    yield* [[`${name(number)}:`, ...after.map(name)].join(" "), `\t@${command}`];
  }
}

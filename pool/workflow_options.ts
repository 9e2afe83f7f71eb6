import { isReservedResourceName, isResourceName } from "../records/resource_use.ts";
import { excerpt } from "../text/excerpt.ts";
import { checkOptionNames, type OptionHint, optionNames } from "../text/unknown_option.ts";
import type { RecordedOutcomes } from "./workflow/source_facts.ts";

/** A resource of a run, such as the GPUs of a machine or the licenses of a program. */
export interface ResourceOptions {
  /** The number of units: tasks that run at once use at most this number of units. An integer of at least 1. */
  units: number;
  /**
   * A variable that lists the units of a task in its environment, such as `CUDA_VISIBLE_DEVICES`, besides
   * `TASKRUNNER_NAME`.
   *
   * @default no further variable
   */
  variable?: string | undefined;
}

/** The limits of tasks that have been read from a stream, and wait. */
export interface MaxWaiting {
  /**
   * The number of tasks.
   *
   * @default {100_000}
   */
  tasks?: number | undefined;
  /**
   * About the memory that the tasks take, in bytes.
   *
   * @default {268_435_456} (256 MiB)
   */
  bytes?: number | undefined;
}

/** Options for tasks with prerequisites, priorities or resources. */
export interface WorkflowOptions {
  /**
   * The resources that tasks may occupy with {@linkcode Task.uses}, by name. A number is short for `{ units: … }`. Units have
   * numbers from 0. A task with `uses: { gpu: 2 }` finds the numbers of its units in the variable `TASKRUNNER_GPU`, such as
   * `0,3`; resources of more than 1,000 units have no variable.
   *
   * When a task does not fit, later tasks that fit start first, but at most twice as many as there are slots; then no task
   * starts that would take a unit or a slot that the task needs. The count begins again when a task with the same needs
   * starts.
   *
   * @default no resources
   *
   * @example Run at most two tasks with a license at once
   * ```ts
   * import { run } from "@x/taskrunner";
   * import { assert } from "@std/assert/assert";
   *
   * const tasks = Array.from({ length: 5 }, () => ({ cmd: 'echo "$TASKRUNNER_LICENSE"', uses: { license: 1 } }));
   * for await (const { stdout } of run(tasks, { concurrency: 4, resources: { license: 2 } })) {
   *   assert(stdout === "0\n" || stdout === "1\n");
   * }
   * ```
   */
  resources?: Readonly<Record<string, number | ResourceOptions>> | undefined;
  /**
   * The limit of tasks that have been read and wait for prerequisites, resources or a slot. At the limit, the run reads no
   * further task until one has started. When all of them wait for tasks that have not been read, the run ends with an
   * error. A number is short for `{ tasks: … }`. Only workflows are read ahead, that is, tasks with `after`, `priority`,
   * `uses` or `slots`.
   *
   * @default { tasks: 100_000, bytes: 268_435_456 }
   */
  maxWaiting?: number | MaxWaiting | undefined;
  /**
   * Returns the expected duration of a task in milliseconds, for example from an earlier run; `undefined` when it is
   * unknown. Of the tasks of a workflow that could start, the one starts first whose dependents will take longest, as on
   * the critical path, after {@linkcode Task.priority} and before the order of the input. Tasks without an expected
   * duration count with the average of the others. Called when all tasks have been read.
   *
   * @default the order of the input
   */
  estimateMs?: ((id: string) => number | undefined) | undefined;
  /**
   * The outcomes of earlier runs, such as a {@linkcode ResultsFile}: prerequisites that are not run again count by them.
   *
   * @default no outcomes
   *
   * @example Resume a workflow
   * ```ts
   * import { ResultsFile, run, type Task } from "@x/taskrunner";
   *
   * async function resume(tasks: Task[], path: string): Promise<void> {
   *   const file = await ResultsFile.open(path, { resume: true });
   *   for await (const result of run(file.remaining(tasks), { recorded: file })) await file.append(result);
   *   await file.close();
   * }
   * ```
   */
  recorded?: RecordedOutcomes | undefined;
}

/** A resource of a run, checked. */
export interface ResourceSettings {
  name: string;
  units: number;
  variable: string | undefined;
}

/** {@linkcode WorkflowOptions}, checked and complete. */
export interface WorkflowSettings {
  resources: readonly ResourceSettings[];
  maxWaiting: { tasks: number; bytes: number };
  estimateMs: WorkflowOptions["estimateMs"];
  recorded: RecordedOutcomes | undefined;
}

/** The default of {@linkcode WorkflowOptions.maxWaiting}. */
export const DEFAULT_MAX_WAITING = { tasks: 100_000, bytes: 256 * 1024 ** 2 } as const;

const RESOURCE_HINTS: Record<keyof ResourceOptions, OptionHint> = {
  units: { otherNames: "amount available capacity count limit max total" },
  variable: { otherNames: "env envVar variableName" },
};
const WAITING_HINTS: Record<keyof MaxWaiting, OptionHint> = {
  tasks: { otherNames: "count limit" },
  bytes: { otherNames: "memory size" },
};
const RESOURCE_NAMES = optionNames(RESOURCE_HINTS);
const WAITING_NAMES = optionNames(WAITING_HINTS);
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const VARIABLE_PREFIX = "TASKRUNNER_";

/** Returns the name of the variable that lists the units of a resource. */
export function variableOfResource(name: string): string {
  return VARIABLE_PREFIX + name.toUpperCase();
}

/**
 * Checks the options for workflows, and fills in the defaults.
 *
 * @param action The beginning of error messages.
 * @throws `RangeError` for an option out of range, `TypeError` for an unknown key.
 */
export function workflowSettings(
  { resources = {}, maxWaiting = {}, estimateMs, recorded }: WorkflowOptions,
  action: string,
): WorkflowSettings {
  if (estimateMs !== undefined && typeof estimateMs !== "function") {
    throw new RangeError(`${action}: estimateMs must be a function, got ${excerpt(estimateMs)}`);
  }
  if (recorded !== undefined && typeof (recorded as Partial<RecordedOutcomes> | null)?.outcomeOf !== "function") {
    throw new RangeError(`${action}: recorded must be an object with a method outcomeOf, got ${excerpt(recorded)}`);
  }
  return {
    resources: resourceSettings(resources, action),
    maxWaiting: waitingSettings(maxWaiting, action),
    estimateMs,
    recorded,
  };
}

function resourceSettings(resources: NonNullable<WorkflowOptions["resources"]>, action: string): ResourceSettings[] {
  if (!isObject(resources)) {
    throw new RangeError(`${action}: resources must be an object such as { gpu: 2 }, got ${excerpt(resources)}`);
  }
  /** By variable: the name of its resource. */
  const owners = new Map<string, string>();
  const own = (variable: string, name: string) => {
    const other = owners.get(variable) ?? name;
    if (other !== name) {
      throw new RangeError(`${action}: the resources ${excerpt(other)} and ${excerpt(name)} have the same variable`);
    }
    owners.set(variable, name);
  };
  return Object.entries(resources).map(([name, value]) => {
    const key = `resources.${name}`;
    if (!isResourceName(name)) {
      const rule = "begin with a letter and have only letters, digits and _";
      throw new RangeError(`${action}: the name of a resource must ${rule}, got ${excerpt(name)}`);
    }
    if (isReservedResourceName(name)) {
      throw new RangeError(`${action}: ${excerpt(name)} cannot be the name of a resource, because TASKRUNNER_\
${name.toUpperCase()} has another meaning`);
    }
    own(variableOfResource(name), name);
    if (typeof value !== "number" && !isObject(value)) {
      throw new RangeError(`${action}: ${key} must be a number of units or { units, variable }, got ${excerpt(value)}`);
    }
    if (typeof value !== "number") checkOptionNames(value, RESOURCE_NAMES, `${action}: in ${key}`);
    const { units, variable }: ResourceOptions = typeof value === "number" ? { units: value } : value;
    if (!isCount(units)) {
      throw new RangeError(`${action}: ${key} must have an integer of at least 1 as units, got ${excerpt(units)}`);
    }
    if (variable !== undefined && !(typeof variable === "string" && VARIABLE.test(variable))) {
      throw new RangeError(`${action}: ${key}.variable must be the name of a variable, got ${excerpt(variable)}`);
    }
    if (variable?.startsWith(VARIABLE_PREFIX) && isReservedResourceName(variable.slice(VARIABLE_PREFIX.length))) {
      throw new RangeError(`${action}: ${key}.variable cannot be ${variable}, which has another meaning`);
    }
    if (variable !== undefined) own(variable, name);
    return { name, units, variable };
  });
}

function waitingSettings(maxWaiting: number | MaxWaiting, action: string): { tasks: number; bytes: number } {
  const isNumber = typeof maxWaiting === "number";
  if (!isNumber) {
    if (!isObject(maxWaiting)) {
      const expected = "a number of tasks or { tasks, bytes }";
      throw new RangeError(`${action}: maxWaiting must be ${expected}, got ${excerpt(maxWaiting)}`);
    }
    checkOptionNames(maxWaiting, WAITING_NAMES, `${action}: in maxWaiting`);
  }
  const { tasks = DEFAULT_MAX_WAITING.tasks, bytes = DEFAULT_MAX_WAITING.bytes } = isNumber
    ? { tasks: maxWaiting }
    : maxWaiting;
  for (const [key, value] of Object.entries({ tasks, bytes })) {
    if (isCount(value)) continue;
    const name = isNumber ? "maxWaiting" : `maxWaiting.${key}`;
    throw new RangeError(`${action}: ${name} must be an integer of at least 1, got ${excerpt(value)}`);
  }
  return { tasks, bytes };
}

/** Returns true for objects with named values, not for a `Map`, whose values would be ignored. */
function isObject(value: unknown): value is object {
  return Object.prototype.toString.call(value) === "[object Object]";
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1;
}

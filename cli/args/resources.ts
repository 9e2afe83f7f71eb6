/** Resources of a run: the units of flags about them. @module */

import { excerpt } from "../../text/excerpt.ts";
import type { Unit } from "./flag.ts";
import { parseSize } from "./units.ts";
import { UsageError } from "./usage_error.ts";

/** A resource of a run. */
export interface ResourceFlag {
  readonly name: string;
  readonly units: number;
  /** A variable for the numbers of the units, besides the usual one. */
  readonly variable: string | undefined;
}

/** A resource of the run. */
export const RESOURCE: Unit<ResourceFlag> = {
  placeholder: "NAME=N[:VARIABLE]",
  legend: "NAME=N[:VARIABLE]: N units of the resource NAME; a task that uses the units 0 and 1 of gpu sees " +
    "TASKRUNNER_GPU=0,1, and VARIABLE with the same value.",
  parse: parseResource,
};

/** A number of units of a resource that each task uses. */
export const RESOURCE_USE: Unit<readonly [name: string, units: number]> = { placeholder: "NAME=N", parse: parseUse };

/** A limit of waiting tasks: a number of tasks, or their size. */
export const WAITING_LIMIT: Unit<{ readonly tasks: number } | { readonly bytes: number }> = {
  placeholder: "N|SIZE",
  legend: "N|SIZE of --max-waiting: a number of tasks, or with a letter such as M, the size of the tasks.",
  parse: parseWaitingLimit,
};

const RESOURCE_FORM = "NAME=N or NAME=N:VARIABLE, such as gpu=2 or gpu=2:CUDA_VISIBLE_DEVICES";

/** @throws {UsageError} for text that is not a resource. */
export function parseResource(flag: string, text: string): ResourceFlag {
  const [, name, digits, variable] = /^([^=]*)=(\d+)(?::(.*))?$/s.exec(text) ?? [];
  if (name === undefined) throw new UsageError(`${flag} must be ${RESOURCE_FORM}, got ${excerpt(text)}`);
  const units = Number(digits);
  if (!Number.isSafeInteger(units) || units < 1) {
    throw new UsageError(`${flag} must have at least 1 unit, and fewer than 2^53, got ${excerpt(text)}`);
  }
  if (variable !== undefined && !/^[A-Za-z_]\w*$/.test(variable)) {
    throw new UsageError(`${flag} must name a variable after the colon, such as GPUS, got ${excerpt(variable)}`);
  }
  return { name, units, variable };
}

function parseUse(flag: string, text: string): readonly [name: string, units: number] {
  const [, name, digits] = /^([^=]*)=(\d+)$/s.exec(text) ?? [];
  const units = Number(digits);
  if (name === undefined || !Number.isSafeInteger(units)) {
    throw new UsageError(`${flag} must be NAME=N, such as gpu=1, got ${excerpt(text)}`);
  }
  return [name, units];
}

function parseWaitingLimit(flag: string, text: string): { tasks: number } | { bytes: number } {
  const isCount = /^\d+$/.test(text);
  if (!isCount && !/^\d.*[A-Za-z]$/.test(text)) {
    throw new UsageError(`${flag} must be a number of tasks, or a size such as 256M, got ${excerpt(text)}`);
  }
  const limit = isCount ? Number(text) : parseSize(flag, text);
  if (Number.isSafeInteger(limit) && limit >= 1) return isCount ? { tasks: limit } : { bytes: limit };
  throw new UsageError(`${flag} must be at least 1 and less than 2^53, got ${excerpt(text)}`);
}

/**
 * Returns the resources of a run by their names. The last of several flags with a name counts.
 *
 * @throws {UsageError} for a wrong name, and for two names with the same variable.
 */
export async function resourcesOf(
  flags: readonly ResourceFlag[],
): Promise<Record<string, Pick<ResourceFlag, "units" | "variable">>> {
  if (flags.length === 0) return {};
  const { isReservedResourceName, isResourceName } = await import("../../records/resource_use.ts");
  const resources = new Map(flags.map(({ name, units, variable }) => [name, { units, variable }]));
  const variables = new Map<string, string>();
  for (const name of resources.keys()) {
    if (!isResourceName(name)) {
      throw new UsageError(
        `--resource must begin with a name, which is a letter and then letters, digits and _, got ${excerpt(name)}`,
      );
    }
    const variable = `TASKRUNNER_${name.toUpperCase()}`;
    if (isReservedResourceName(name)) {
      throw new UsageError(`--resource must not name ${excerpt(name)}, because ${variable} has another meaning`);
    }
    const other = variables.get(variable);
    if (other !== undefined) {
      throw new UsageError(
        `--resource names ${excerpt(other)} and ${excerpt(name)}, but the variable of both is ${variable}`,
      );
    }
    variables.set(variable, name);
  }
  return Object.fromEntries(resources);
}

import { InvalidTaskError } from "../../records/invalid_task_error.ts";
import type { CheckedTask } from "../../records/task.ts";
import { excerpt } from "../../text/excerpt.ts";
import { type ResourceSettings, variableOfResource } from "../workflow_options.ts";

/** The slots and the units of resources that a task occupies. Tasks with the same demand share the object. */
export interface Demand {
  readonly slots: number;
  /** Units by resource, without zeros. */
  readonly units: ReadonlyMap<Resource, number>;
}

/** The largest number of units that are numbered. */
export const MAX_NUMBERED_UNITS = 1_000;

const NO_UNITS: ReadonlyMap<Resource, number> = new Map();
/** The demand of most tasks. */
export const ONE_SLOT: Demand = { slots: 1, units: NO_UNITS };

/** A resource of a run. */
export class Resource {
  readonly name: string;
  readonly units: number;
  /** The number of units that no task occupies. */
  free: number;
  /** The variables that list the units of a task. */
  readonly variables: readonly string[];
  /** By unit: 1 if a task occupies the unit. Absent for a resource with too many units to be numbered. */
  readonly #isTaken: Uint8Array | undefined;

  constructor({ name, units, variable }: ResourceSettings) {
    this.name = name;
    this.units = this.free = units;
    this.variables = [variableOfResource(name), ...(variable === undefined ? [] : [variable])];
    this.#isTaken = units <= MAX_NUMBERED_UNITS ? new Uint8Array(units) : undefined;
  }

  /** Occupies units: those with the lowest numbers. Returns the numbers. */
  take(count: number): number[] {
    this.free -= count;
    const numbers: number[] = [];
    for (let unit = 0; this.#isTaken && numbers.length < count; unit++) {
      if (this.#isTaken[unit] === 1) continue;
      this.#isTaken[unit] = 1;
      numbers.push(unit);
    }
    return numbers;
  }

  /** Frees units. */
  release(count: number, numbers: readonly number[]): void {
    this.free += count;
    for (const unit of numbers) this.#isTaken![unit] = 0;
  }
}

/** The units that a running task occupies. */
export interface Allocation {
  readonly demand: Demand;
  readonly numbers: ReadonlyMap<Resource, readonly number[]>;
}

/** The resources of a run, and the demands of its tasks. */
export class Resources {
  readonly #resources: ReadonlyMap<string, Resource>;
  readonly #demands = new Map<string, Demand>();

  constructor(settings: readonly ResourceSettings[]) {
    this.#resources = new Map(settings.map((one) => [one.name, new Resource(one)]));
  }

  /**
   * Returns the demand of a task.
   *
   * @throws {InvalidTaskError} when the run can never meet the demand.
   */
  demandOf({ slots = 1, uses }: CheckedTask, maxSlots: number, number: number): Demand {
    if (slots > maxSlots) {
      const problem = `"slots" must be at most ${maxSlots}, the number of slots of the run, got ${slots}`;
      throw new InvalidTaskError(problem, { number, field: "slots" });
    }
    const units = uses ? this.#unitsOf(uses, number) : NO_UNITS;
    if (slots === 1 && units.size === 0) return ONE_SLOT;
    const key = `${slots} ${[...units].map(([{ name }, count]) => `${name}=${count}`).sort().join()}`;
    const known = this.#demands.get(key);
    if (known) return known;
    const demand = { slots, units };
    this.#demands.set(key, demand);
    return demand;
  }

  /** Occupies what a task demands. */
  allocate(demand: Demand): Allocation {
    return { demand, numbers: new Map([...demand.units].map(([resource, count]) => [resource, resource.take(count)])) };
  }

  /** Frees what a task has occupied. */
  release({ demand, numbers }: Allocation): void {
    for (const [resource, count] of demand.units) resource.release(count, numbers.get(resource)!);
  }

  #unitsOf(uses: NonNullable<CheckedTask["uses"]>, number: number): Map<Resource, number> {
    const units = new Map<Resource, number>();
    for (const [name, count] of Object.entries(uses)) {
      const resource = this.#resources.get(name);
      const field = `uses.${name}`;
      if (!resource) {
        const known = this.#resources.size === 0 ? "none" : [...this.#resources.keys()].join(", ");
        const problem = `${excerpt(field)} names a resource that the run does not have; the resources are: ${known}`;
        throw new InvalidTaskError(problem, { number, field });
      }
      if (count > resource.units) {
        const problem = `${excerpt(field)} must be at most ${resource.units}, the units of the run, got ${count}`;
        throw new InvalidTaskError(problem, { number, field });
      }
      if (count > 0) units.set(resource, count);
    }
    return units;
  }
}

/** Returns whether a demand can be met now. */
export function fits({ slots, units }: Demand, freeSlots: number): boolean {
  if (slots > freeSlots) return false;
  for (const [resource, count] of units) if (count > resource.free) return false;
  return true;
}

/** Returns whether a task would leave too little for another one that waits for more than is free now. */
export function delays(task: Demand, waiting: Demand, freeSlots: number): boolean {
  // A waiting task for one slot gets the slot of the task that frees the last unit.
  if (waiting.slots > 1 && freeSlots - task.slots < waiting.slots) return true;
  for (const [resource, count] of waiting.units) {
    const taken = task.units.get(resource) ?? 0;
    if (taken > 0 && resource.free - taken < count) return true;
  }
  return false;
}

/** Returns the variables that tell a task which units it occupies; `undefined` for a task without resources. */
export function variablesOf({ numbers }: Allocation): Record<string, string> | undefined {
  const variables: Record<string, string> = {};
  for (const [resource, units] of numbers) {
    if (resource.units <= MAX_NUMBERED_UNITS) { for (const name of resource.variables) variables[name] = units.join(); }
  }
  return numbers.size === 0 ? undefined : variables;
}

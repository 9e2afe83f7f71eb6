import * as v from "valibot";

/** The name of a resource, which is a part of the name of a variable. */
const RESOURCE_NAME = /^[A-Za-z][A-Za-z0-9_]*$/;

/** Returns whether text can be the name of a resource. */
export function isResourceName(name: string): boolean {
  return RESOURCE_NAME.test(name);
}

/** The names of the variables of each task, after `TASKRUNNER_`. */
const RESERVED = ["ID", "SLOT", "ATTEMPT", "FLAGS"];

/** Returns whether the variable of a resource with this name would be that of something else. */
export function isReservedResourceName(name: string): boolean {
  return RESERVED.includes(name.toUpperCase());
}

/** Returns true for objects with named values, not for a `Map`, whose values would be ignored. */
function isDictionary(value: unknown): boolean {
  return Object.prototype.toString.call(value) === "[object Object]";
}

/** The definition of `uses`. Not a `v.record`, which ignores `constructor` and `__proto__`, and accepts an array. */
export const resourceUse = v.pipe(
  v.custom<Record<string, number>>(isDictionary, 'must be an object such as {"gpu":1}'),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const input = dataset.value;
    for (const [key, value] of Object.entries(input)) {
      const isUnits = Number.isSafeInteger(value) && value >= 0;
      if (isUnits && isResourceName(key)) continue;
      const message = isUnits
        ? "is not the name of a resource: it must begin with a letter and have only letters, digits and _"
        : "must be an integer of at least 0";
      addIssue({ message, path: [{ type: "object", origin: "value", input, key, value }] });
      return;
    }
  }),
);

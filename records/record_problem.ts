import type * as v from "valibot";
import { excerpt } from "../text/excerpt.ts";
import { nearest } from "../text/nearest.ts";

/** The reason why a value is not a record of its kind. */
export interface RecordProblem {
  /** The reason as a sentence that names the field, the rule, and the given value. */
  problem: string;
  /** The field at fault, such as `cmd[1]`; `undefined` when the value is not an object. */
  field: string | undefined;
}

/** Describes the first problem that a schema has found in a value. */
export function recordProblem(
  value: unknown,
  issues: readonly v.BaseIssue<unknown>[],
  knownFields: readonly string[],
): RecordProblem {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    const problem = `it must be a JSON object such as {"cmd":"echo hi"}, got ${excerpt(value)}`;
    return { problem, field: undefined };
  }
  // An unknown field comes first: a misspelled field is often the reason why a required field is missing.
  const unknown = issues.find((issue) => issue.type === "strict_object" && issue.expected === "never");
  if (unknown) {
    const field = String(unknown.path?.[0].key);
    const near = nearest(field, knownFields);
    const hint = near ? `did you mean ${excerpt(near)}?` : `known fields are ${knownFields.join(", ")}`;
    return { problem: `unknown field ${excerpt(field)}, ${hint}`, field };
  }
  const { type, path = [], message } = issues[0]!;
  const field = path.map(({ key }) => typeof key === "number" ? `[${key}]` : `.${key}`).join("").slice(1);
  if (type === "strict_object") return { problem: `the field ${excerpt(field)} is missing`, field };
  return { problem: `${excerpt(field)} ${message}, got ${excerpt(path.at(-1)?.value)}`, field };
}

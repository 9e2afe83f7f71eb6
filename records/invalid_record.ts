import type * as v from "valibot";
import { excerpt } from "../text/excerpt.ts";
import { nearest } from "../text/nearest.ts";

/** The error for a value that is no record of its kind: it names the field, what would be right, and what was there. */
export function invalidRecord(
  name: string,
  value: unknown,
  issues: readonly v.BaseIssue<unknown>[],
  knownFields: readonly string[],
): TypeError | RangeError {
  const TypeOrRangeError = issues[0]?.kind === "schema" ? TypeError : RangeError;
  return new TypeOrRangeError(`Cannot read ${name}: ${problem(value, issues, knownFields)}`);
}

function problem(value: unknown, issues: readonly v.BaseIssue<unknown>[], knownFields: readonly string[]): string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return `it must be a JSON object such as {"cmd":"echo hi"}, got ${excerpt(value)}`;
  }
  // An unknown field goes first: a misspelt field is often the reason why a required one is missing.
  const unknown = issues.find((issue) => issue.type === "strict_object" && issue.expected === "never");
  if (unknown) {
    const name = String(unknown.path?.[0].key);
    const near = nearest(name, knownFields);
    const hint = near ? `did you mean ${excerpt(near)}?` : `known fields are ${knownFields.join(", ")}`;
    return `unknown field ${excerpt(name)}, ${hint}`;
  }
  const { type, path = [], message } = issues[0]!;
  const field = path.map(({ key }) => typeof key === "number" ? `[${key}]` : `.${key}`).join("").slice(1);
  if (type === "strict_object") return `the field ${excerpt(field)} is missing`;
  return `${excerpt(field)} ${message}, got ${excerpt(path.at(-1)?.value)}`;
}

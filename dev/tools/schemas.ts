/** Generates `records/task.schema.json` and `records/result.schema.json`; run by `deno task schemas`. */

import { type ConversionConfig, type JsonSchema, toJsonSchema } from "@valibot/to-json-schema";
import { writeFile } from "node:fs/promises";
import { resultSchema } from "../../records/result.ts";
import { taskSchema } from "../../records/task.ts";

/** Converts the schemas that the library cannot: a lazy choice of schema, and custom checks. */
const config: ConversionConfig = {
  errorMode: "ignore",
  overrideSchema({ valibotSchema }) {
    if (valibotSchema.type === "lazy") {
      const text = { type: "string" } as const;
      return { anyOf: [{ ...text, minLength: 1 }, { type: "array", items: text, minItems: 1 }] };
    }
    if (valibotSchema.type === "custom") return { type: "object", additionalProperties: { type: "string" } };
  },
};

function convert(schema: Parameters<typeof toJsonSchema>[0]): JsonSchema {
  const { $schema: _, ...rest } = toJsonSchema(schema, config);
  return rest;
}

/** Rules about several fields of a task, which the converter cannot see in a check. */
const TASK_RULES: JsonSchema = {
  not: { required: ["stdin", "stdinFile"] },
  dependencies: { stdinEncoding: ["stdin"] },
};

/** Returns the text of each schema file by its path. */
export function schemaFiles(): Record<string, string> {
  const text = (title: string, description: string, schema: JsonSchema) =>
    JSON.stringify({ $schema: "http://json-schema.org/draft-07/schema#", title, description, ...schema }, null, 2) +
    "\n";
  return {
    "records/task.schema.json": text("taskrunner task", "One line of a task file.", {
      ...convert(taskSchema),
      ...TASK_RULES,
    }),
    "records/result.schema.json": text("taskrunner result", "One line of a results file.", convert(resultSchema)),
  };
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(schemaFiles())) {
    await writeFile(new URL(`../../${name}`, import.meta.url), text);
  }
}

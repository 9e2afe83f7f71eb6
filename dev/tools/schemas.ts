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
    if (valibotSchema.type === "custom") return {};
  },
};

/** The types of the fields with custom checks. */
type CustomFields = Readonly<Record<string, JsonSchema>>;

const USES: JsonSchema = {
  type: "object",
  propertyNames: { pattern: "^[A-Za-z][A-Za-z0-9_]*$" },
  additionalProperties: { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
};

const ID: JsonSchema = { anyOf: [{ type: "string" }, { type: "number" }] };

const TASK_FIELDS: CustomFields = {
  env: { type: "object", additionalProperties: { type: "string" } },
  after: { anyOf: [...ID.anyOf!, { type: "array", items: ID }] },
  uses: USES,
};

const RESULT_FIELDS: CustomFields = {
  after: { type: "array", items: { type: "string" } },
  uses: USES,
};

/** Rules about several fields of a task, which the converter cannot see in a check. */
const TASK_RULES: JsonSchema = {
  not: { required: ["stdin", "stdinFile"] },
  dependencies: { stdinEncoding: ["stdin"], after: ["id"], runIf: ["after"] },
  if: { required: ["runIf"], properties: { runIf: { const: "failed" } } },
  then: { properties: { after: { minItems: 1 } } },
};

/** The same for a result. */
const RESULT_RULES: JsonSchema = {
  if: { properties: { outcome: { const: "skipped" } } },
  then: { properties: { attempts: { const: 0 }, slot: { const: 0 } } },
  else: { properties: { attempts: { minimum: 1 }, slot: { minimum: 1 } } },
};

function convert(
  schema: Parameters<typeof toJsonSchema>[0],
  custom: CustomFields,
  rules: JsonSchema,
): JsonSchema {
  const { $schema: _, ...rest } = toJsonSchema(schema, config);
  const fields = Object.entries(rest.properties ?? {}).map((
    [name, field],
  ) => [name, Object.assign({}, custom[name], field)]);
  return { ...rest, properties: Object.fromEntries(fields), ...rules };
}

/** Returns the text of each schema file by its path. */
export function schemaFiles(): Record<string, string> {
  const text = (title: string, description: string, schema: JsonSchema) =>
    JSON.stringify({ $schema: "http://json-schema.org/draft-07/schema#", title, description, ...schema }, null, 2) +
    "\n";
  return {
    "records/task.schema.json": text(
      "taskrunner task",
      "One line of a task file.",
      convert(taskSchema, TASK_FIELDS, TASK_RULES),
    ),
    "records/result.schema.json": text(
      "taskrunner result",
      "One line of a results file.",
      convert(resultSchema, RESULT_FIELDS, RESULT_RULES),
    ),
  };
}

if (import.meta.main) {
  for (const [name, text] of Object.entries(schemaFiles())) {
    await writeFile(new URL(`../../${name}`, import.meta.url), text);
  }
}

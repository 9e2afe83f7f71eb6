import { readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import { VERSION } from "../../text/version.ts";
import { parseResult } from "../../records/result.ts";
import { schemaFiles } from "../../dev/tools/schemas.ts";
import { PROJECT } from "../support/helpers.ts";
import { test } from "../support/test.ts";

async function manifest(name: string): Promise<{ version: string; exports: unknown }> {
  return JSON.parse(await readFile(join(PROJECT, name), "utf8"));
}

test("the schema files are up to date (run 'deno task schemas')", async () => {
  for (const [name, text] of Object.entries(schemaFiles())) {
    assertEquals(await readFile(join(PROJECT, name), "utf8"), text, name);
  }
});

test("the task schema describes all fields of a task", () => {
  const schema = JSON.parse(schemaFiles()["records/task.schema.json"]!);
  assertEquals(schema.required, ["cmd"]);
  assertEquals(schema.additionalProperties, false);
  assertEquals(Object.keys(schema.properties), [
    "cmd",
    "id",
    "cwd",
    "env",
    "stdin",
    "stdinFile",
    "stdinEncoding",
    "timeoutMs",
    "retries",
    "after",
    "runIf",
    "priority",
    "uses",
    "slots",
    "meta",
  ]);
  assertEquals(schema.properties.cmd.anyOf, [
    { type: "string", minLength: 1 },
    { type: "array", items: { type: "string" }, minItems: 1 },
  ]);
  assertEquals(schema.properties.env.additionalProperties, { type: "string" });
  assertEquals(schema.properties.stdinEncoding.const, "base64");
  assertEquals(schema.not, { required: ["stdin", "stdinFile"] });
  assertEquals(schema.dependencies, { stdinEncoding: ["stdin"], after: ["id"], runIf: ["after"] });
  const id = [{ type: "string" }, { type: "number" }];
  assertEquals(schema.properties.after.anyOf, [...id, { type: "array", items: { anyOf: id } }]);
  assertEquals(schema.properties.uses.additionalProperties.minimum, 0);
  assert(new RegExp(schema.properties.uses.propertyNames.pattern).test("Mem_gb"));
});

test("no module uses `using`, which Node 22 cannot parse", async () => {
  const names = (await readdir(PROJECT)).filter((name) => !name.startsWith(".") && name !== "node_modules");
  const paths = (await Promise.all(names.map(async (name) => {
    const path = join(PROJECT, name);
    if (!(await stat(path)).isDirectory()) return [path];
    return (await readdir(path, { recursive: true })).map((inside) => join(path, inside));
  }))).flat().filter((path) => path.endsWith(".ts"));
  assert(paths.length > 100);
  for (const path of paths) assert(!/^\s*(?:await )?using \w+ =/m.test(await readFile(path, "utf8")), path);
});

test("VERSION equals the version in both manifests", async () => {
  const deno = await manifest("deno.json");
  const node = await manifest("package.json");
  assertEquals([deno.version, node.version], [VERSION, VERSION]);
  assertEquals(deno.exports, node.exports);
});

test("parseResult() is as strict as parseTask()", () => {
  const result = {
    id: "1",
    status: null,
    outcome: "canceled",
    attempts: 1,
    slot: 1,
    startedAt: "2026-01-02T03:04:05.678Z",
    durationMs: 1.5,
    stdout: "",
    stderr: "",
  };
  assert(parseResult(result) === result as unknown);
  assertThrows(
    () => parseResult({ ...result, statuss: 0 }),
    TypeError,
    'unknown field "statuss", did you mean "status"?',
  );
  assertThrows(() => parseResult({ ...result, outcome: "fine" }), TypeError, 'Cannot read the result: "outcome"');
  assertThrows(() => parseResult({ id: "1" }), TypeError, 'the field "status" is missing');
  for (const bytes of [-1, 0.5, 2 ** 53]) {
    assertThrows(() => parseResult({ ...result, stdoutBytes: bytes }), RangeError, '"stdoutBytes" must');
  }
});

/** Returns a module and all modules of the project that it loads statically. */
async function modulesLoadedWith(path: string, loaded = new Set<string>()): Promise<Set<string>> {
  if (loaded.has(path)) return loaded;
  loaded.add(path);
  const text = await readFile(join(PROJECT, path), "utf8");
  for (const [, specifier] of text.matchAll(/^(?:import|export)(?! type)\b[^;"]*"(\.[^"]*)";/gm)) {
    await modulesLoadedWith(join(dirname(path), specifier!), loaded);
  }
  return loaded;
}

test("a local run loads no modules for NATS and telemetry, and --help loads only the modules of the command", async () => {
  const forNats = async (path: string) => {
    return [...await modulesLoadedWith(path)].filter((name) => name.startsWith("nats/")).sort();
  };
  for (const path of ["mod.ts", "cli/run_tasks.ts"]) assertEquals(await forNats(path), []);
  assertEquals((await forNats("nats/mod.ts")).includes("nats/client/connection.ts"), true);
  const forTelemetry = [...await modulesLoadedWith("cli/run_tasks.ts")].filter((name) => name.startsWith("telemetry/"));
  assertEquals(forTelemetry.sort(), ["telemetry/open.ts", "telemetry/settings.ts"]);
  const forHelp = new Set<string>();
  const commands = (await readdir(join(PROJECT, "cli/commands"))).map((name) => `commands/${name}`);
  for (const name of ["start.ts", "command_process.ts", "main.ts", "wrong_arguments.ts", "help_text.ts", ...commands]) {
    await modulesLoadedWith(`cli/${name}`, forHelp);
  }
  assertEquals([...forHelp].filter((name) => !/^(?:cli|system|text)(?:\.ts$|\/)/.test(name)), []);
});

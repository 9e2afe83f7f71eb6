import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import { workflowSettings } from "../../pool/workflow_options.ts";
import { test } from "../support/test.ts";

const settingsOf = (options: object) => workflowSettings(options, "Cannot start");

test("workflowSettings() fills in the defaults", () => {
  const defaults = {
    resources: [],
    maxWaiting: { tasks: 100_000, bytes: 268_435_456 },
    estimateMs: undefined,
    recorded: undefined,
  };
  assertEquals(settingsOf({}), defaults);
  const unset = { resources: undefined, maxWaiting: undefined, estimateMs: undefined, recorded: undefined };
  assertEquals(settingsOf(unset), defaults);
  assertEquals(settingsOf({ resources: {}, maxWaiting: {} }), defaults);
  assertEquals(settingsOf({ maxWaiting: 5 }).maxWaiting, { tasks: 5, bytes: 268_435_456 });
  assertEquals(settingsOf({ maxWaiting: { bytes: 1 } }).maxWaiting, { tasks: 100_000, bytes: 1 });
  const resources = { gpu: 2, mem_gb: { units: 64, variable: "MEMORY" }, l1: { units: 1, variable: undefined } };
  assertEquals(settingsOf({ resources }).resources, [
    { name: "gpu", units: 2, variable: undefined },
    { name: "mem_gb", units: 64, variable: "MEMORY" },
    { name: "l1", units: 1, variable: undefined },
  ]);
  const estimateMs = () => 5;
  const recorded = { outcomeOf: () => undefined };
  const { estimateMs: given, recorded: kept } = settingsOf({ estimateMs, recorded });
  assertEquals([given === estimateMs, kept === recorded], [true, true]);
  class Recorded {
    outcomeOf() {}
  }
  assertEquals(settingsOf({ recorded: new Recorded() }).recorded !== undefined, true);
});

const REFUSED: [options: object, message: string][] = [
  ...[null, 5, "gpu", [], new Map([["gpu", 1]])].map((resources): [object, string] => [
    { resources },
    "resources must be an object such as { gpu: 2 }",
  ]),
  ...["", "1a", "a-b", "a b", "ä", "a\n", "_a", "__proto__x", "a=b"].map((name): [object, string] => [
    { resources: { [name]: 1 } },
    "the name of a resource must begin with a letter and have only letters, digits and _",
  ]),
  [{ resources: JSON.parse('{"__proto__": 1}') }, "the name of a resource must begin with a letter"],
  ...["id", "SLOT", "Attempt", "flags"].map((name): [object, string] => [
    { resources: { [name]: 1 } },
    `"${name}" cannot be the name of a resource, because TASKRUNNER_${name.toUpperCase()} has another meaning`,
  ]),
  [{ resources: { gpu: 1, GPU: 1 } }, 'the resources "gpu" and "GPU" have the same variable'],
  [
    { resources: { gpu: { units: 1, variable: "V" }, tpu: { units: 1, variable: "V" } } },
    'the resources "gpu" and "tpu" have the same variable',
  ],
  [
    { resources: { gpu: 1, tpu: { units: 1, variable: "TASKRUNNER_GPU" } } },
    'the resources "gpu" and "tpu" have the same variable',
  ],
  [
    { resources: { tpu: { units: 1, variable: "TASKRUNNER_GPU" }, gpu: 1 } },
    'the resources "tpu" and "gpu" have the same variable',
  ],
  ...["TASKRUNNER_ID", "TASKRUNNER_FLAGS"].map((variable): [object, string] => [
    { resources: { gpu: { units: 1, variable } } },
    `resources.gpu.variable cannot be ${variable}, which has another meaning`,
  ]),
  ...[null, undefined, "2", true, []].map((value): [object, string] => [
    { resources: { gpu: value } },
    "resources.gpu must be a number of units or { units, variable }",
  ]),
  ...[0, -1, 1.5, NaN, Infinity, 2 ** 53].flatMap((units): [object, string][] => [
    [{ resources: { gpu: units } }, "resources.gpu must have an integer of at least 1 as units"],
    [{ resources: { gpu: { units } } }, "resources.gpu must have an integer of at least 1 as units"],
  ]),
  [{ resources: { gpu: {} } }, "resources.gpu must have an integer of at least 1 as units, got undefined"],
  [{ resources: { gpu: { units: "1" } } }, "resources.gpu must have an integer of at least 1 as units"],
  ...["", "1A", "A-B", "A=B", "A\n", "ä", 5, null].map((variable): [object, string] => [
    { resources: { gpu: { units: 1, variable } } },
    "resources.gpu.variable must be the name of a variable",
  ]),
  ...[null, "5", [], true, new Map()].map((maxWaiting): [object, string] => [
    { maxWaiting },
    "maxWaiting must be a number of tasks or { tasks, bytes }",
  ]),
  ...[0, -1, 1.5, NaN, Infinity].flatMap((value): [object, string][] => [
    [{ maxWaiting: value }, "maxWaiting must be an integer of at least 1"],
    [{ maxWaiting: { tasks: value } }, "maxWaiting.tasks must be an integer of at least 1"],
    [{ maxWaiting: { bytes: value } }, "maxWaiting.bytes must be an integer of at least 1"],
  ]),
  ...[null, 5, {}].map((estimateMs): [object, string] => [{ estimateMs }, "estimateMs must be a function"]),
  ...[null, 5, "file", {}, { outcomeOf: 5 }, () => undefined].map((recorded): [object, string] => [
    { recorded },
    "recorded must be an object with a method outcomeOf",
  ]),
];

test("workflowSettings() refuses values out of range", () => {
  for (const [options, message] of REFUSED) {
    const error = assertThrows(() => settingsOf(options), RangeError);
    assertEquals(error.message.slice(0, `Cannot start: ${message}`.length), `Cannot start: ${message}`);
  }
});

test("workflowSettings() names the key that an unknown key stands for", () => {
  const messageOf = (options: object) => assertThrows(() => settingsOf(options), TypeError).message;
  const [count, env] = [{ resources: { gpu: { count: 1 } } }, { resources: { gpu: { units: 1, env: "A" } } }];
  assertEquals(messageOf(count), 'Cannot start: in resources.gpu: unknown option "count", use "units"');
  assertEquals(messageOf(env), 'Cannot start: in resources.gpu: unknown option "env", use "variable"');
  assertEquals(
    messageOf({ maxWaiting: { memory: 1 } }),
    'Cannot start: in maxWaiting: unknown option "memory", use "bytes"',
  );
});

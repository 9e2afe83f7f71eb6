/**
 * Runs the tests of several files in this process, for one mutant after the other:
 *
 *     bun dev/reliability/mutation_tests.ts tests/pool/one_test.ts tests/jsonl/other_test.ts
 *
 * Reads one {@linkcode Order} per line from standard input and runs its tests until one fails. One process serves many
 * mutants, because starting Bun and loading the files takes longer than detecting most mutants.
 *
 * @module
 */

import { readFileSync, writeSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { resolve } from "node:path";
import { EVENT, GIVE_UP, type Order, type TestEvent } from "./mutation_events.ts";
import { hooks, tests } from "./mutation_register.ts";

/** The global with which the instrumented code selects the active mutant and counts coverage. */
const stryker = (globalThis as { __stryker__?: Stryker }).__stryker__ ??= {};
interface Stryker {
  activeMutant?: string | undefined;
  currentTestId?: string;
  mutantCoverage?: { static: Record<string, number>; perTest: Record<string, Record<string, number>> };
}

/** Fails the current test. */
let fail: (error: unknown) => void = () => {};
process.on("uncaughtException", (error) => fail(error));
process.on("unhandledRejection", (error) => fail(error));

// Bun does not allow replacing node:test, so the import in the files is rewritten.
const register = new URL("./mutation_register.ts", import.meta.url).pathname;
(globalThis as unknown as { Bun: { plugin(plugin: object): void } }).Bun.plugin({
  name: "tests",
  setup: (build: { onLoad(filter: object, load: (file: { path: string }) => object): void }) =>
    build.onLoad({ filter: /\/tests\/(?:\w+\/)*\w+\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replace('from "node:test"', `from ${JSON.stringify(register)}`),
      loader: "ts",
    })),
});

const all = new Map<string, { file: string; callback: () => unknown }>();
for (const file of process.argv.slice(2)) {
  await import(resolve(file));
  for (const { name, callback } of tests.splice(0)) all.set(`${file}: ${name}`, { file, callback });
}
emit({ type: "loaded", covered: Object.keys(stryker.mutantCoverage?.static ?? {}) });
createInterface({ input: process.stdin }).on("close", () => process.exit()).on("line", (line) => {
  if (line === GIVE_UP) fail(new Error("Timed out"));
  else execute(JSON.parse(line)).catch((error) => fail(error));
});

async function execute({ mutant, tests = [...all.keys()], without }: Order): Promise<void> {
  // The environment variable activates the mutant in processes that the tests start.
  if (mutant !== undefined) process.env.__STRYKER_ACTIVE_MUTANT__ = stryker.activeMutant = mutant;
  for (const id of tests) {
    if (without && id.includes(without)) continue;
    const { file, callback } = all.get(id)!;
    stryker.currentTestId = id;
    emit({ type: "begun", id });
    let isStray = false;
    try {
      const failure = new Promise((_, reject) => {
        fail = (error) => {
          isStray = true;
          reject(error);
        };
      });
      await Promise.race([callback(), failure]);
    } catch (error) {
      return emit({ type: "failed", id, message: `${(error as Error)?.message ?? error}`, isStray });
    } finally {
      for (const hook of hooks) await hook();
    }
    emit({ type: "passed", id, file, covered: Object.keys(stryker.mutantCoverage?.perTest[id] ?? {}) });
  }
  emit({ type: "done" });
}

function emit(event: TestEvent): void {
  writeSync(1, `\n${EVENT}${JSON.stringify(event)}\n`);
}

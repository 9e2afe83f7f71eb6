import { execFileSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { type Example, readExamples } from "../../dev/peers/examples.ts";
import { compare, type Output } from "../../dev/peers/run_example.ts";
import { lacks, PROJECT, RUN_MODULE, skipTest, TIMEOUT } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const EXAMPLES = readExamples();
const COMMAND = [process.execPath, ...RUN_MODULE, join(PROJECT, "cli.ts")];
/** Number of examples to compare at once. */
const CONCURRENCY = 3;
/** Number of examples of which one is compared. `deno task peers:examples` compares all, which takes minutes. */
const STRIDE = 8;

/** Debian has another program with the name `parallel`, in moreutils. */
function lacksGnuParallel(): boolean {
  if (lacks("bash", "bzip2", "jq", "parallel", "perl", "xargs")) return true;
  const version = execFileSync("parallel", ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  if (version.startsWith("GNU parallel")) return false;
  skipTest("no GNU parallel");
  return true;
}

for (const manual of new Set(EXAMPLES.map(({ manual }) => manual))) {
  test(`examples of ${manual} have the same output as stated`, { timeout: 3 * TIMEOUT.timeout }, async () => {
    if (lacksGnuParallel()) return;
    const failures: unknown[] = [];
    const examples = EXAMPLES.filter((example, index) => example.manual === manual && index % STRIDE === 0).values();
    await Promise.all(Array.from({ length: CONCURRENCY }, async () => {
      for (const example of examples) failures.push(...await failureOf(example));
    }));
    assertEquals(failures, []);
  });
}

/**
 * Returns the example with both outputs if it is not as stated. Compares such an example again, because the output of a
 * program that waits for seconds can differ on a busy machine.
 */
async function failureOf(example: Example): Promise<{ name: string; theirs: Output; ours: Output }[]> {
  const isStated = ({ isSame }: { isSame: boolean }) => isSame === (example.differs === undefined);
  const first = await compare(example, COMMAND);
  if (isStated(first)) return [];
  const { theirs, ours, ...second } = await compare(example, COMMAND);
  return isStated(second) ? [] : [{ name: example.name, theirs, ours }];
}

test("at least 60 examples are compared, and 90 % of them have the same output", () => {
  const same = EXAMPLES.filter(({ differs }) => differs === undefined).length;
  assert(EXAMPLES.length >= 60 && same >= 0.9 * EXAMPLES.length, `${same} of ${EXAMPLES.length}`);
});

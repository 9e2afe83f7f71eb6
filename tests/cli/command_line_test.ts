/** Parsing the command line with the flags of one command. */

import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { spellingsOf } from "../../cli/args/flag.ts";
import { flagsOfAll } from "../../cli/command.ts";
import { type CommandLine, parseForOneCommand, type WrongCommandLine } from "../../cli/command_line.ts";
import { COMMAND_NAMES, loadCommands } from "../../cli/commands/mod.ts";
import { parseForAllCommands } from "../../cli/wrong_arguments.ts";
import { randomNumbers, SEED } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const TRIALS = 5_000;

/** Returns the parts of a command line that decide what runs. */
function partsOf(line: CommandLine | WrongCommandLine) {
  if ("error" in line) return line.error.message;
  const { command, isNamed, given, operands } = line;
  return { command: command.name, isNamed, given, operands };
}

test("parsing for one command gives the same as parsing for all commands, or nothing", async () => {
  const spellings = Object.entries(flagsOfAll(await loadCommands())).flatMap(([name, flag]) => spellingsOf(name, flag));
  const words = [...COMMAND_NAMES, "-", "--", "/", "none/such", "echo {}", "4", "", "-k-q", "--no-jobs", "--resume=x"];
  const random = randomNumbers(SEED);
  const oneOf = (list: readonly string[]) => list[Math.floor(random() * list.length)]!;
  let parsed = 0;
  for (let trial = 0; trial < TRIALS; trial++) {
    const args = Array.from({ length: Math.floor(random() * 5) }, () => oneOf(random() < 0.4 ? spellings : words));
    const line = await parseForOneCommand(args);
    if (!line) continue;
    parsed++;
    assertEquals(partsOf(line), partsOf(await parseForAllCommands(args, args)), `seed ${SEED}: ${args.join(" ")}`);
  }
  assert(parsed > TRIALS / 10, `only ${parsed} command lines were right`);
});

test("a command may follow flags, and the default command needs no name", async () => {
  const cases: [args: string[], parts: ReturnType<typeof partsOf> | undefined][] = [
    [["-j", "4", "each", "-k", "echo", "-k"], {
      command: "each",
      isNamed: true,
      given: { "jobs": "4", "keep-order": true },
      operands: ["echo", "-k"],
    }],
    [["-q", "/"], { command: "run", isNamed: false, given: { quiet: true }, operands: ["/"] }],
    [["stats", "run"], { command: "stats", isNamed: true, given: {}, operands: ["run"] }],
    [["--json", "stats", "x"], { command: "stats", isNamed: true, given: { json: true }, operands: ["x"] }],
    [["--halt", "never", "--replace", "each"], undefined],
    [["none/such.jsonl"], undefined],
    [["eahc", "x"], undefined],
    [["run", "--pipe"], undefined],
  ];
  for (const [args, parts] of cases) {
    const line = await parseForOneCommand(args);
    assertEquals(line && partsOf(line), parts, args.join(" "));
  }
});

import { parseArgs } from "node:util";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { splitArguments } from "../../cli/args/arguments.ts";
import { checkCommandWords } from "../../cli/args/command_words.ts";
import { type Flags, spellingsOf } from "../../cli/args/flag.ts";
import { JOBS, text } from "../../cli/args/units.ts";
import { excerpt } from "../../text/excerpt.ts";
import { startTaskrunner, taskFile, taskrunner, withTempDirectory } from "../support/helpers.ts";
import { runHere } from "../support/fake_io.ts";
import { test } from "../support/test.ts";

// cspell:ignore eahc wokrer

const FLAGS: Flags = {
  "jobs": { short: "j", aliases: ["--max-procs", "-P"], unit: JOBS, help: "" },
  "output": { short: "o", unit: text("FILE"), help: "" },
  "keep-order": { short: "k", help: "" },
  "quiet": { short: "q", help: "" },
};

const split = (args: readonly string[]) => splitArguments(args, FLAGS, (name) => name === "each");

test("the flags of each end at the first word of its command", () => {
  const cases: [args: string[], given: object, operands: string[]][] = [
    [["each", "gzip", "-k", "{}"], {}, ["each", "gzip", "-k", "{}"]],
    [["-k", "each", "-j4", "gzip", "-j", "5"], { "keep-order": true, jobs: "4" }, ["each", "gzip", "-j", "5"]],
    [["each", "-j", "4", "gzip", "--", "-k"], { jobs: "4" }, ["each", "gzip", "--", "-k"]],
    [["each", "-kj", "4", "a", "-q"], { "keep-order": true, jobs: "4" }, ["each", "a", "-q"]],
    [["each", "-kj4", "a", "-q"], { "keep-order": true, jobs: "4" }, ["each", "a", "-q"]],
    [["each", "--jobs=4", "--output", "each", "each", "each"], { jobs: "4", output: "each" }, ["each", "each", "each"]],
    [["each", "-k", "--", "-q", "--", "-k"], { "keep-order": true }, ["each", "-q", "--", "-k"]],
    [["--", "each", "-q", "-k"], {}, ["each", "-q", "-k"]],
    [["each", "-", "-k"], {}, ["each", "-", "-k"]],
    [["each", "", "-k"], {}, ["each", "", "-k"]],
    [["each", "--help-me", "-k", "x", "--nope"], {}, ["each", "x", "--nope"]],
    [["each", "-k"], { "keep-order": true }, ["each"]],
    [["run", "each", "-k"], { "keep-order": true }, ["run", "each"]],
  ];
  for (const [args, given, operands] of cases) {
    const unknown = args.includes("--help-me") ? "--help-me" : undefined;
    assertEquals<object>(split(args), { given, operands, unknown, error: undefined });
  }
});

test("a missing value of a flag after the command is not an error of each", () => {
  for (const words of [["gzip", "-j"], ["gzip", "--quiet=no", "-zzz", "--nope"]]) {
    assertEquals(split(["each", ...words]), {
      given: {},
      operands: ["each", ...words],
      unknown: undefined,
      error: undefined,
    });
  }
});

/** A generator of pseudo-random numbers below a limit, with a fixed seed. */
function randomNumbers(): (limit: number) => number {
  let state = 1;
  return (limit) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % limit;
  };
}

const WORDS = [
  ..."each run - -- -k -q -kq -j -j4 -kj -kj4 -P -P4 -j=4 -o -ox -qo --jobs --jobs=4 --max-procs --max-procs=4 --output"
    .split(" "),
  ..."--output=x --keep-order --quiet 4 -1 x ::: {} gzip".split(" "),
  "",
  "a b",
];

const OPTIONS = Object.fromEntries(
  Object.entries(FLAGS).flatMap(([name, flag]) =>
    spellingsOf(name, flag).map((spelling) => {
      const key = spelling.replace(/^-+/, "");
      return [key, { type: flag.unit ? "string" : "boolean", ...(key.length === 1 && { short: key }) } as const];
    })
  ),
);

/** Returns the operands of `node:util` in strict mode; `undefined` if it cannot parse the arguments. */
function operandsOf(args: readonly string[]): string[] | undefined {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true }).positionals;
  } catch {
    return undefined;
  }
}

test("the flags of each end where node:util finds the second operand, for generated arguments", () => {
  const random = randomNumbers();
  let compared = 0;
  for (let round = 0; round < 4_000; round++) {
    const args = Array.from({ length: 1 + random(7) }, () => WORDS[random(WORDS.length)]!);
    if (random(2)) args.unshift("each");
    // The command begins at the first word that gives node:util a second operand.
    const end = args.findIndex((_, index) => operandsOf(args.slice(0, index + 1))?.length === 2);
    if (end === -1) continue;
    const before = operandsOf(args.slice(0, end));
    if (!before || before.length !== 1) continue; // the words before it are not complete
    const { operands } = split(args);
    const expected = before[0] === "each" ? ["each", ...args.slice(end)] : operandsOf(args) ?? operands;
    assertEquals(operands, expected, JSON.stringify(args));
    compared++;
  }
  assert(compared > 400, `${compared} arguments were compared`);
});

test("a word that is neither a command nor a file is an error with the nearest command, or with each", async () => {
  const cases: [args: string[], message: string][] = [
    [["eahc", "gzip", ":::", "a"], 'Unknown command "eahc", did you mean each?'],
    [["-j4", "stat", "results.jsonl"], 'Unknown command "stat", did you mean stats?'],
    [["wokrer", "--queue", "a"], 'Unknown command "wokrer", did you mean worker?'],
    [["rn"], 'Unknown command "rn", did you mean run?'],
    [
      ["-0", "-P4", "wc", "-c"],
      'Unknown command "wc": no command or file has this name; to run it for each line, write taskrunner each -0 -P4 wc -c',
    ],
    [
      ["-k", "gzip", "--best", "{}"],
      'Unknown command "gzip": to run it for each value, write taskrunner each -k gzip --best {}',
    ],
    [
      ["x".repeat(300)],
      `Unknown command ${excerpt("x".repeat(300))}: no command or file has this name; to run it for each line, write ${
        `taskrunner each ${"x".repeat(300)}`.slice(0, 200)
      }…`,
    ],
    [
      ["zebra", "--nope"],
      'Unknown command "zebra": no command or file has this name; to run it for each line, write taskrunner each zebra --nope',
    ],
    [["echo", "a b"], `Unknown command "echo": to run it for each value, write taskrunner each echo 'a b'`],
    [
      ["-j4", "gzip", "-k", "{}", ":::", "it's"],
      `Unknown command "gzip": to run it for each value, write taskrunner each -j4 gzip -k {} ::: 'it'\\''s'`,
    ],
    [
      ["gzip -k {}", ":::", "a", "b"],
      `Unknown command "gzip -k {}": to run it for each value, write taskrunner each 'gzip -k {}' ::: a b`,
    ],
    [["gzip -k {}"], `Unknown command "gzip -k {}": to run it for each value, write taskrunner each 'gzip -k {}'`],
    [["--nope", "zebra"], 'Unknown flag "--nope"'],
    [["missing.jsonl"], 'Cannot read tasks from "missing.jsonl": no such file or directory'],
    [["no/such"], 'Cannot read tasks from "no/such": no such file or directory'],
    [[":::", "a"], "Values after ::: need a command: taskrunner each 'gzip -k {}' ::: a b c"],
  ];
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = await runHere(args);
    assertEquals([status, stdout], [255, ""]);
    const hint = message.startsWith("Unknown command") ? "Try 'taskrunner --help'.\n" : "";
    assert(stderr.startsWith(`taskrunner: ${message}\n${hint}`), stderr);
  }
  const { stderr } = await startTaskrunner(["echo", ":::", ...Array(1_000).fill("x")], { stdin: "" }).ended;
  assert(stderr.length < 400 && stderr.includes("…"), stderr);
});

test("a file with a name like a mistyped command is read", async () => {
  await withTempDirectory(async (directory) => {
    await taskFile(directory, [{ cmd: "echo hi" }], "eahc");
    const { status, results } = await taskrunner(["eahc"], { cwd: directory });
    assertEquals([status, results.map(({ stdout }) => stdout)], [0, ["hi\n"]]);
  });
});

test("checkCommandWords() accepts a program with any arguments", () => {
  for (const words of [["gzip -k {}"], ["gzip", "-k", "{}"], ["[", "-f", "{}", "]"], ["{}", "-j4"], ["/", "a b"], []]) {
    checkCommandWords(words, FLAGS);
  }
});

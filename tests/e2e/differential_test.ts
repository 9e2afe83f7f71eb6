import { Buffer } from "node:buffer";
import { symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import fc from "fast-check";
import { plainPrograms } from "../../executors/shell/launcher/plain_programs.ts";
import { classifyCommand } from "../../executors/shell/plain_command.ts";
import { run, sh } from "../../mod.ts";
import { PLAIN_COMMANDS, randomPipeline } from "../fixtures/plain_pipelines.ts";
import { COMMANDS_BY_CONSTRUCT } from "../fixtures/shell_grammar.ts";
import { SNIPPETS } from "../fixtures/snippets.ts";
import {
  collect,
  EFFORT,
  lacks,
  randomNumbers,
  scaledCount,
  SEED,
  start,
  withTempDirectory,
} from "../support/helpers.ts";
import { ShellCommandGenerator } from "../support/shell_command_generator.ts";
import { bytesOf, type Observation, shellDifferences } from "../support/shell_differences.ts";
import { test } from "../support/test.ts";

/** Long enough for thousands of processes. */
const TIMEOUT = { timeout: 900_000 };

/** Selects every third snippet; with a higher {@linkcode EFFORT}, all. */
const isSelected = (_: unknown, index: number) => EFFORT > 1 || index % 3 === 0;

/** Removes process ids from the messages of shells. */
const withoutPids = ({ stderr, ...observation }: Observation) => ({
  ...observation,
  stderr: stderr.replace(/ +\d+ (?=Killed|Terminated)/g, " "),
});

/** Sorts the characters of messages: the programs of a pipeline, and the shell, write parts of them concurrently. */
const withSortedMessages = ({ status, stdout, stderr }: Observation) => [status, stdout, [...stderr].sort().join("")];

/** Commands whose last program is ended by a signal: dash prints its name, a worker reports it only in the result. */
const SIGNALED = new Set(["sh -c 'kill -KILL $$'"]);

test("commands have the same result in a worker as with a fresh dash -c", TIMEOUT, async () => {
  if (lacks("python3")) return;
  assert(new Set(SNIPPETS).size > 500);
  const some = SNIPPETS.filter((snippet) => !SIGNALED.has(snippet)).filter(isSelected);
  assertEquals(await shellDifferences("dash", some), []);
});

/** Commands of all constructs. */
const CONSTRUCTS = [...COMMANDS_BY_CONSTRUCT.values()].flat();

for (const [shell, program] of [["bash", "bash"], ["mksh", "mksh"], ["ash", "busybox"]] as const) {
  test(`commands have the same result in a ${shell} worker as with a fresh ${shell} -c`, TIMEOUT, async () => {
    if (lacks(program, "python3")) return;
    await withTempDirectory(async (directory) => {
      const path = join(directory, shell);
      const { stdout } = await start("sh", ["-c", `command -v ${program}`], { stdin: "" }).ended;
      await symlink(stdout.trim(), path);
      const some = SNIPPETS.filter((_, index) => EFFORT > 1 || index % 4 === 0).filter(isSelected);
      const constructs = CONSTRUCTS.filter((_, index) => EFFORT > 1 || index % 29 === 0);
      // For some here-documents, ash of Debian's busybox starts a process that never ends, also outside of workers.
      const commands = [...some, ...constructs].filter((command) => !command.includes("<<"));
      assertEquals(await shellDifferences(path, commands, withoutPids), []);
    });
  });
}

test("commands of each construct have the same result in a worker as with a fresh dash -c", TIMEOUT, async () => {
  if (lacks("python3")) return;
  const some = CONSTRUCTS.filter((_, index) => EFFORT > 1 || index % 5 === 0);
  assertEquals(await shellDifferences("dash", some), []);
});

test("random commands of the grammar have the same result in a worker as with a fresh dash -c", TIMEOUT, async () => {
  if (lacks("python3")) return;
  const generator = new ShellCommandGenerator(randomNumbers(SEED));
  for (let round = 0; round < EFFORT; round++) {
    const commands = Array.from({ length: 100 }, (_, index) => generator.command().replaceAll("@", `f${index}_`));
    assertEquals(commands.filter((command) => classifyCommand(command) === "other"), [], `seed ${SEED}`);
    assertEquals(await shellDifferences("dash", commands, withSortedMessages), [], `seed ${SEED}`);
  }
});

for (const [construct, commands] of PLAIN_COMMANDS) {
  test(`${construct} have the same result in a starter as with a fresh dash -c`, TIMEOUT, async () => {
    if (lacks("python3", "dash")) return;
    assert(commands.length >= 100);
    assertEquals(commands.filter((command) => plainPrograms(command) === undefined), []);
    const some = commands.filter((_, index) => EFFORT > 1 || index % 3 === 0);
    assertEquals(await shellDifferences("dash", some, withSortedMessages), []);
  });
}

test("random pipelines of programs have the same result in a starter as with a fresh dash -c", TIMEOUT, async () => {
  if (lacks("python3", "dash")) return;
  const random = randomNumbers(SEED);
  const commands = Array.from({ length: 150 * EFFORT }, (_, index) => {
    return randomPipeline(random).replaceAll("@", `f${index}_`);
  });
  assertEquals(commands.filter((command) => plainPrograms(command) === undefined), [], `seed ${SEED}`);
  assertEquals(await shellDifferences("dash", commands, withSortedMessages), [], `seed ${SEED}`);
});

/** Pieces that can make a command incomplete. */
const FRAGMENTS = [
  ..."' \" ` $ ( ) { } [ ] ; & | \\ # ! < > ~ = 1 E in do done then fi if for case esac while a) x=1 ;; << >&".split(
    " ",
  ),
  ..." \t\n\r\x01é\u00a0",
  ..."$( $(( )) ${ ${x <<E <<-E 2> <&- $$ $@ :- % // ^".split(" "),
  "\nE\n",
  "\\\n",
];

/** Returns a command with random deletions, insertions, cuts, and parts of other commands. */
function mutate(command: string, random: () => number): string {
  const pick = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)]!;
  const at = Math.floor(random() * (command.length + 1));
  const after = Math.min(command.length, at + 1 + Math.floor(random() * 4));
  const other = pick(CONSTRUCTS);
  const words = command.split(/(\s+|[;&|()])/);
  const [first, second] = [words, words].map(({ length }) => Math.floor(random() * length)) as [number, number];
  return pick([
    command.slice(0, at),
    command.slice(at),
    command.slice(0, at) + command.slice(after),
    command.slice(0, at) + pick(FRAGMENTS) + command.slice(at),
    command.slice(0, at) + pick(FRAGMENTS) + command.slice(after),
    command.slice(0, at) + other.slice(Math.floor(random() * other.length)),
    words.with(first, words[second]!).with(second, words[first]!).join(""),
  ]);
}

test("no damaged command that a worker runs is incomplete for dash, bash, mksh or ash", TIMEOUT, async () => {
  const shells = ["dash", "bash --posix", "mksh", "busybox ash"].filter((shell) => !lacks(shell.split(" ")[0]!));
  const random = randomNumbers(SEED);
  const commands = new Set<string>();
  const length = scaledCount(10_000);
  for (let index = 0; index < length; index++) {
    let command = CONSTRUCTS[Math.floor(random() * CONSTRUCTS.length)]!;
    for (let damages = 1 + Math.floor(random() * 3); damages > 0; damages--) command = mutate(command, random);
    if (classifyCommand(command) !== "other") commands.add(command);
  }
  assert(commands.size > length / 10);
  await withTempDirectory(async (directory) => {
    const files = [...commands].flatMap((command, index) =>
      [
        [`${index}`, command],
        // As in the script of a worker.
        [`${index}_subshell`, `(:; ${command}\n)\n`],
      ] as const
    );
    await Promise.all(files.map(([name, text]) => writeFile(join(directory, name), text)));
    for (const [index, shell] of shells.entries()) {
      // Only dash runs such commands in a worker; the other shells get a sample.
      const names = files.map(([name]) => name).filter((_, number) => index === 0 || number % 20 < 2);
      const check = `while read -r name; do ${shell} -n "$name" >/dev/null 2>&1 || echo "$name"; done`;
      const stdin = names.map((name) => `${name}\n`).join("");
      const { stdout } = await start("sh", ["-c", check], { cwd: directory, stdin }).ended;
      const incomplete = stdout.split("\n").slice(0, -1).map((name) => [...commands][parseInt(name)]);
      assertEquals(incomplete, [], `${shell}, seed ${SEED}`);
    }
  });
});

test("a worker has the environment of a fresh shell", TIMEOUT, async () => {
  if (lacks("python3")) return;
  assertEquals(
    await shellDifferences("dash", ["export", "env | sort", "set | sort | grep -v ^_="], withSortedErrors),
    [],
  );
});

/** Pieces of commands. No combination of them loops forever or creates a file. */
const PIECES = [
  ..."' \" ` $ ( ) { } [ ] ; \\ # ! = ~ * ? % @ : , . / - + ^ | ; ;".split(" "),
  ..." \t\n",
  ..."echo printf cat true false test nosuch exit cd exec eval export trap read command : a b c é 1 22 -e x=1 A=b"
    .split(" "),
  ..."$x $A ${x} ${A-b} $? $# $@ $HOME $((1+1)) $(echo `&& || <<E".split(" "),
  ..."if then else fi for in do done case esac EXIT 'a b' \"c $A\" '".split(" "),
  "\nE\n",
  " 2>&1 ",
  " >/dev/null ",
  " </dev/null ",
  "\x01",
  "\x7f",
];
const command = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 12 }).chain((pieces) =>
  fc.constantFrom("", " ").map((glue) => pieces.join(glue))
);
/** Sorts the characters of standard error, because the processes of a pipeline write their messages concurrently. */
const withSortedErrors = ({ status, stdout, stderr }: Observation) => [
  status,
  stdout.replace(/\d{3,}/g, "a process id"),
  [...stderr.replace(/\d/g, "")].sort().join(""),
];

test("commands of random pieces have the same result in a worker as with a fresh dash -c", TIMEOUT, async () => {
  if (lacks("python3")) return;
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 100, maxLength: 100 }), async (commands) => {
      assertEquals(await shellDifferences("dash", commands, withSortedErrors), []);
    }),
    { numRuns: scaledCount(4), endOnFailure: true },
  );
});

const text = fc.string({ unit: "binary", maxLength: 20 }).map((text) => text.replaceAll("\0", "").toWellFormed());

test("random arguments, variables and input reach a program unchanged", TIMEOUT, async () => {
  const variable = fc.constantFrom("A", "_a1", "not-a-name", "PS1", "IFS", "é");
  const task = fc.record({
    args: fc.array(text, { maxLength: 5 }),
    env: fc.dictionary(variable, text, { noNullPrototype: true }),
    input: fc.oneof(text, fc.uint8Array({ maxLength: 20 })),
    form: fc.constantFrom("stdin", "base64", "file", "stdinFile"),
    isShellCommand: fc.boolean(),
  });
  const script = 'printf "%s\\0" "$@"; cat';
  const isShellName = ([name]: [string, string]) => name === "A" || name === "_a1";
  const bothExecutors = fc.constantFrom("shell" as const, "process" as const);
  await fc.assert(
    fc.asyncProperty(fc.array(task, { minLength: 50, maxLength: 50 }), bothExecutors, async (tasks, executor) => {
      await withTempDirectory(async (cwd) => {
        const given = await Promise.all(tasks.map(async ({ args, env, input, form, isShellCommand }, index) => {
          const cmd = isShellCommand && args.length > 0
            ? sh`sh -c ${script} sh ${args}`
            : ["sh", "-c", script, "sh", ...args];
          if (form === "stdin") return { cmd, env, stdin: input };
          const bytes = Buffer.from(input);
          if (form === "base64") {
            return { cmd, env, stdin: bytes.toString("base64"), stdinEncoding: "base64" as const };
          }
          await writeFile(join(cwd, `${index}`), bytes);
          // A shell opens the file, and does not export variables whose names are invalid in a shell.
          const common = { cmd, cwd, env: Object.fromEntries(Object.entries(env).filter(isShellName)) };
          return form === "file" ? { ...common, stdin: { file: `${index}` } } : { ...common, stdinFile: `${index}` };
        }));
        const results = await collect(run(given, { keepOrder: true, concurrency: 4, executor }));
        for (const [index, { stdout, stdoutEncoding, stderr }] of results.entries()) {
          const { args, input } = tasks[index]!;
          const printed = args.length === 0 ? "\0" : args.map((arg) => arg + "\0").join("");
          const expected = Buffer.concat([Buffer.from(printed), Buffer.from(input)]).toString("latin1");
          assertEquals([bytesOf(stdout, stdoutEncoding), stderr], [expected, ""]);
        }
      });
      const environments = await collect(run(
        tasks.map(({ env }) => ({ cmd: ["env", "-0"], env })),
        { keepOrder: true, concurrency: 4 },
      ));
      for (const [index, { stdout, stdoutEncoding }] of environments.entries()) {
        const variables = bytesOf(stdout, stdoutEncoding).split("\0");
        for (const [name, value] of Object.entries(tasks[index]!.env)) {
          assert(variables.includes(bytesOf(`${name}=${value}`, undefined)), `${name}=${value}`);
        }
      }
    }),
    { numRuns: 4, endOnFailure: true },
  );
});

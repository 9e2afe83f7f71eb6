/** The completions of bash, zsh and fish, in these shells. */

import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { type Flag, spellingsOf, undoingSpelling } from "../../cli/args/flag.ts";
import { countFrom, text } from "../../cli/args/units.ts";
import { allFlagsOf, defineCommand } from "../../cli/command.ts";
import { loadCommands } from "../../cli/commands/mod.ts";
import { bashCompletions } from "../../cli/completions/bash.ts";
import { fishCompletions } from "../../cli/completions/fish.ts";
import { vocabularyOf } from "../../cli/completions/vocabulary.ts";
import { zshCompletions } from "../../cli/completions/zsh.ts";
import { TOPICS } from "../../cli/help_topics.ts";
import {
  DENO_DIR,
  lacks,
  pathWithTaskrunner,
  PROJECT,
  start,
  taskrunner,
  withTempDirectory,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

const COMMANDS = await loadCommands();

const FIXTURES = join(PROJECT, "tests", "fixtures");

/** Prints the words that a shell offers at the end of a line, with the completions of a script. */
const SHELLS = {
  bash: (script: string, line: string) => ["bash", join(FIXTURES, "complete.bash"), script, line],
  zsh: (script: string, line: string) => ["zsh", "-f", join(FIXTURES, "complete.zsh"), script, line],
  fish: (
    script: string,
    line: string,
  ) => ["fish", "--no-config", "-c", 'source $argv[1]; complete -C "$argv[2]"', script, line],
};

/** Calls a function that returns the sorted words that a shell offers, in a directory with the file `file.jsonl`. */
async function withShell(
  shell: keyof typeof SHELLS,
  use: (offered: (line: string) => Promise<string[]>, script: string, directory: string) => Promise<void>,
  text?: string,
): Promise<void> {
  await withTempDirectory(async (directory) => {
    const { status, stdout, stderr } = text === undefined
      ? await taskrunner(["completions", shell])
      : { status: 0, stdout: text, stderr: "" };
    assertEquals([status, stderr], [0, ""]);
    const script = join(directory, "script");
    const cwd = join(directory, "work");
    await writeFile(script, stdout);
    await mkdir(join(cwd, "folder"), { recursive: true });
    await writeFile(join(cwd, "file.jsonl"), "");
    await writeFile(join(cwd, "a b.txt"), "");
    await use(
      async (line) => {
        const [program, ...args] = SHELLS[shell](script, line) as [string, ...string[]];
        const { stdout, stderr } = await start(program, args, { cwd, stdin: "", env: { HOME: directory } }).ended;
        assertEquals(stderr, "", line);
        return stdout.split("\n").filter((word) => word !== "").map((word) => word.split("\t")[0]!).sort();
      },
      script,
      cwd,
    );
  });
}

/** Spellings that the shells offer: not the aliases, which the help omits, too. */
const offeredOf = (name: string, { short, help }: Flag) => spellingsOf(name, short ? { short, help } : { help });

for (const shell of ["bash", "zsh", "fish"] as const) {
  test(`completions ${shell} offers the flags of each command, as the tables have them`, async () => {
    if (lacks(shell)) return;
    await withShell(shell, async (offered) => {
      for (const command of COMMANDS) {
        const flags = Object.entries(allFlagsOf(command));
        assertEquals(
          await offered(`taskrunner ${command.name} -`),
          flags.flatMap(([name, flag]) => offeredOf(name, flag)).sort(),
          command.name,
        );
        const undoing = flags.flatMap(([name, flag]) => undoingSpelling(name, flag) ?? []);
        assertEquals(await offered(`taskrunner ${command.name} --no-`), [...undoing, "--no-config"].sort());
      }
      const ofDefault = Object.entries(allFlagsOf(COMMANDS[0]!)).flatMap(([name, flag]) => offeredOf(name, flag));
      for (const line of ["taskrunner -", "taskrunner file.jsonl -"]) {
        assertEquals(await offered(line), ofDefault.sort());
      }
    });
  });

  test(`completions ${shell} offers the words of each value`, async () => {
    if (lacks(shell)) return;
    await withShell(shell, async (offered) => {
      for (const command of COMMANDS) {
        for (const [name, { short, unit }] of Object.entries(allFlagsOf(command))) {
          if (!Array.isArray(unit?.completes)) continue;
          const words = [...unit.completes].sort();
          for (const word of words) assertMatch(word, /^[\w-]+$/);
          for (const spelling of [`--${name}`, ...short ? [`-${short}`] : []]) {
            assertEquals(await offered(`taskrunner ${command.name} ${spelling} `), words, spelling);
          }
        }
      }
      const list = await offered("taskrunner run --retry-on failed,ki");
      assertEquals(list.map((word) => word.replace(/^failed,/, "")), ["killed"]);
      const inline = await offered("taskrunner run --executor=pro");
      assertEquals(inline.map((word) => word.replace(/^--executor=/, "")), ["process"]);
    });
  });

  test(`completions ${shell} offers commands, operands, programs and files`, async () => {
    if (lacks(shell)) return;
    await withShell(shell, async (offered, _, directory) => {
      await writeFile(join(directory, "gzip-me"), "");
      const cases: [line: string, words: string[]][] = [
        ["taskrunner rep", ["report"]],
        ["taskrunner -q ea", ["each"]],
        ["taskrunner --jobs 4 ea", ["each"]],
        ["taskrunner -kj 4 ea", ["each"]],
        ["taskrunner runs ", ["ls", "rm", "show"]],
        ["taskrunner completions ", ["bash", "fish", "zsh"]],
        ["taskrunner help exit", ["exit-status"]],
        ["taskrunner -q each --nul", ["--null"]],
        ["taskrunner each --no-quiet --nul", ["--null"]],
        ["taskrunner each --output=x --nul", ["--null"]],
        ["taskrunner each gunzi", ["gunzip"]],
        ["taskrunner each -j 4 -k gunzi", ["gunzip"]],
        ["taskrunner each --shell das", ["dash"]],
        ["taskrunner each --nulls", []],
        ["taskrunner each cat --nul", []], // a flag of cat
        ["taskrunner each -- --nul", []],
        ["taskrunner run --jobs fi", []],
      ];
      for (const [line, words] of cases) assertEquals(await offered(line), words, line);
      const names = COMMANDS.map(({ name }) => name);
      assertEquals(await offered("taskrunner help "), [...names, ...TOPICS.map(({ name }) => name)].sort());
      const all = await offered("taskrunner ");
      assertEquals(names.filter((name) => !all.includes(name)), []);
      if (shell === "bash") return; // readline completes files, which the next test covers
      const files: [line: string, words: string[]][] = [
        ["taskrunner fi", ["file.jsonl"]],
        ["taskrunner report fi", ["file.jsonl"]],
        ["taskrunner run -o fi", ["file.jsonl"]],
        ["taskrunner each cat fi", ["file.jsonl"]],
        ["taskrunner each cat {} ::: fi", ["file.jsonl"]],
        ["taskrunner each cat {} ::: x :::: fi", ["file.jsonl"]],
        ["taskrunner run --spill-dir f", ["folder"]],
      ];
      for (const [line, words] of files) {
        assertEquals((await offered(line)).map((word) => word.replace(/\/$/, "")), words, line);
      }
    });
  });
}

/** A command whose texts are hostile to shells. */
const HOSTILE = defineCommand({
  name: "each",
  usage: "",
  summary: 'It\'s "a" $(touch ran): `touch ran` [x] \\ command',
  examples: [{ command: "", text: "" }, { command: "", text: "" }, { command: "", text: "" }],
  operandCompletes: ["plain"],
  flags: {
    "Flags": {
      jobs: {
        short: "j",
        aliases: ["--max-procs", "-P"],
        unit: countFrom(1),
        help: "it's [a] \\ 'test': $(touch ran)",
      },
      file: { short: "a", repeats: true, unit: text("FILE:[x]'$(touch ran)", "file"), help: "`touch ran`" },
      null: { short: "0", help: "end values with a NUL" },
    },
  },
  run: () => Promise.resolve(0),
});

for (
  const [shell, completions] of Object.entries({ bash: bashCompletions, zsh: zshCompletions, fish: fishCompletions })
) {
  test(`completions ${shell} recognizes aliases and flags that repeat, and runs no text`, async () => {
    if (lacks(shell)) return;
    const script = completions(vocabularyOf([HOSTILE], HOSTILE.name));
    await withShell(shell as keyof typeof SHELLS, async (offered, _, directory) => {
      for (const line of ["--max-procs 4", "-P 4", "-0j 4", "-P4", "--max-procs=4", "-a x -a y"]) {
        assertEquals(await offered(`taskrunner each ${line} --fi`), ["--file"], line);
      }
      assertEquals(await offered("taskrunner each --jo"), ["--jobs"]);
      assertEquals(await offered("taskrunner each --max"), []);
      assertEquals(await offered("taskrunner each -a x --fi"), ["--file"]);
      assertEquals(await offered("taskrunner each pl"), ["plain"]);
      assert((await offered("taskrunner ")).includes("each"));
      assert(!existsSync(join(directory, "ran")), "the shell ran text of the tables");
    }, script);
  });
}

test("an interactive bash completes words and files", async () => {
  if (lacks("bash", "zsh")) return;
  await withShell("bash", async (_, script, cwd) => {
    const cases: [line: string, args: string][] = [
      ["taskrunner rep", "<report>"],
      ["taskrunner each --exec", "<each><--executor>"],
      ["taskrunner each --executor=pr", "<each><--executor=process>"],
      ["taskrunner each --retry-on=failed,ki", "<each><--retry-on=failed,killed>"],
      ["taskrunner fil", "<file.jsonl>"],
      ["taskrunner report fi", "<report><file.jsonl>"],
      ["taskrunner report a\\ ", "<report><a b.txt>"],
      ["taskrunner run --output=fi", "<run><--output=file.jsonl>"],
      ["taskrunner run -o fi", "<run><-o><file.jsonl>"],
      ["taskrunner run --spill-dir f", "<run><--spill-dir><folder/>"],
      ["taskrunner run --jobs fi", "<run><--jobs><fi>"], // a number is no file
      ["taskrunner each gunzi", "<each><gunzip>"],
      ["taskrunner each cat fi", "<each><cat><file.jsonl>"],
      ["taskrunner each cat {} ::: fi", "<each><cat><{}><:::><file.jsonl>"],
    ];
    for (const [line, args] of cases) {
      const { stdout, stderr } = await start("zsh", ["-f", join(FIXTURES, "type_in_bash.zsh"), script, line], {
        cwd,
        stdin: "",
      }).ended;
      assertEquals([stdout.trim(), stderr], [args, ""], line);
    }
  });
});

test("the examples in the help of completions run in their shells", async () => {
  if (lacks("bash", "zsh", "fish")) return;
  const { examples } = COMMANDS.find(({ name }) => name === "completions")!;
  const exampleOf = (shell: string) => examples.find(({ text }) => text.includes(shell))!.command;
  const cases: [shell: string, args: string[], check: string][] = [
    ["bash", ["--norc", "-c"], "complete -p taskrunner"],
    ["zsh", ["-f", "-c"], "autoload -U compinit; compinit -u -D; print $_comps[taskrunner]"],
    ["fish", ["--no-config", "-c"], 'complete -C "taskrunner eac"'],
  ];
  await withTempDirectory(async (directory) => {
    const PATH = await pathWithTaskrunner(directory);
    for (const [shell, args, check] of cases) {
      const script = `${shell === "zsh" ? "fpath=($HOME $fpath); " : ""}${exampleOf(shell)}; ${check}`;
      const env = { PATH, HOME: directory, DENO_DIR };
      const { stdout, stderr } = await start(shell, [...args, script], { stdin: "", env }).ended;
      assertEquals(stderr, "");
      assertMatch(stdout, /^complete .* taskrunner\n$|^_taskrunner\n$|^each\t/, script);
    }
  });
});

test("a value that is a path completes files or directories", () => {
  for (const command of COMMANDS) {
    for (const [name, { unit }] of Object.entries(allFlagsOf(command))) {
      const expected = /\bFILE\b/.test(unit?.placeholder ?? "")
        ? "file"
        : unit?.placeholder === "DIR"
        ? "directory"
        : undefined;
      if (expected) assertEquals(unit!.completes, expected, `--${name} of ${command.name}`);
    }
  }
});

test("completions needs the name of a shell", async () => {
  const { status, stderr } = await taskrunner(["completions"]);
  assertEquals([status, stderr.split("\n")[0]], [255, "taskrunner: Missing the shell: bash, zsh or fish"]);
  const { stderr: unknown } = await taskrunner(["completions", "tcsh"]);
  assertEquals(unknown.split("\n")[0], 'taskrunner: Expected bash, zsh or fish, got "tcsh"');
});

import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertStringIncludes } from "@std/assert/string-includes";
import { assertThrows } from "@std/assert/throws";
import fc from "fast-check";
import { CommandTemplate } from "../../cli/each/command_template.ts";
import { PlaceholderSyntax } from "../../cli/each/placeholder.ts";
import { UsageError } from "../../cli/args/usage_error.ts";
import { run } from "../../mod.ts";
import {
  collect,
  lacks,
  parseResults,
  scaledCount,
  startTaskrunner,
  taskrunner,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { DANGER, RUNNING_VALUES } from "../support/hostile_values.ts";
import { runHere } from "../support/fake_io.ts";
import { test } from "../support/test.ts";

/** Returns the template of a command for one value. */
function templateOf(command: string): CommandTemplate {
  return new CommandTemplate(command, new PlaceholderSyntax({ width: 1 }));
}

test("replacement strings give the same as in GNU parallel", async () => {
  // As printed by: printf VALUES | parallel -k printf '%s,' {} {.} {/} {//} {/.} {#}
  const values: [value: string, replaced: string][] = [
    ["a", "a,a,a,.,a,1,"],
    ["a.b", "a.b,a,a.b,.,a,2,"],
    ["a/b.c", "a/b.c,a/b,b.c,a,b,3,"],
    ["/a", "/a,/a,a,/,a,4,"],
    ["a/b/", "a/b/,a/b/,,a,,5,"],
    ["a//b", "a//b,a//b,b,a,b,6,"],
    ["/", "/,/,,/,,7,"],
    ["a.b/c", "a.b/c,a.b/c,c,a.b,c,8,"],
    [".x", ".x,,.x,.,,9,"],
    ["a.tar.gz", "a.tar.gz,a.tar,a.tar.gz,.,a.tar,10,"],
    ["./x.y", "./x.y,./x,x.y,.,x,11,"],
    ["//a", "//a,//a,a,/,a,12,"],
    ["it's $HOME", "it's $HOME,it's $HOME,it's $HOME,.,it's $HOME,13,"],
    ["", ",,,.,,14,"],
  ];
  const template = templateOf("printf %s, {} {.} {/} {//} {/.} {#}");
  const tasks = values.map(([value], index) => ({
    id: value,
    cmd: template.commandFor({ values: [value], number: index + 1 }),
  }));
  const results = await collect(run(tasks, { keepOrder: true }));
  assertEquals(results.map(({ id, stdout }) => [id, stdout]), values);
});

test("a command without a replacement string gets the value appended", () => {
  assertEquals(templateOf("gzip -k").commandFor({ values: ["a b"], number: 1 }), "gzip -k 'a b'");
  assertEquals(templateOf("gzip -k\n").commandFor({ values: ["a b"], number: 1 }), "gzip -k 'a b'");
  assertEquals(templateOf(String.raw`echo \{}`).commandFor({ values: ["a"], number: 1 }), String.raw`echo \{} 'a'`);
});

test("a value is one word, whatever quotes the command has around it", async () => {
  const shells = ["dash", "bash", "mksh"].filter((shell) => !lacks(shell));
  const value = `it's "$HOME" \\ \`id\` $(id) * ~ #\n-n`;
  const commands: [command: string, printed: string][] = [
    ["printf %s {}", value],
    ['printf %s "{}"', value],
    ["printf %s '{}'", value],
    [`printf %s a{}b"c{}d"'e{}f'`, `a${value}bc${value}de${value}f`],
    ['v={}; printf %s "$v${v}$#"', `${value}${value}0`],
    [`printf %s "it's \\"{}\\" \\$"`, `it's "${value}" $`],
    [String.raw`printf %s it\'s{}`, `it's${value}`],
    ["printf %s $(printf %s a; [ -z {} ] || echo b)", "ab"],
    ['for i in {} x; do printf %s, "$i"; done', `${value},x,`],
    ["case {} in it*) printf %s {} ;; esac", value],
    ["printf %s {} # it's a comment", value],
    ["printf %s {}; printf %s `echo x`", `${value}x`],
    ['printf %s {}; printf %s "$(printf \'"%s\' x)"', `${value}"x`],
    [String.raw`printf '%s' {} \{}`, `${value}{}`],
    ["printf '%s' a[0-9] {}", `a[0-9]${value}`],
  ];
  const tasks = commands.flatMap(([command]) =>
    shells.map((shell) => ({ cmd: [shell, "-c", templateOf(command).commandFor({ values: [value], number: 1 })] }))
  );
  const results = await collect(run(tasks, { keepOrder: true }));
  const printed = commands.flatMap(([command, printed]) => shells.map(() => [command, printed, ""]));
  assertEquals(results.map(({ stdout, stderr }, index) => [printed[index]![0], stdout, stderr]), printed);
});

test("a command in which a value cannot be quoted safely is rejected", () => {
  const cases: [command: string, opaque: string][] = [
    ['echo "$(basename {})"', '"$("'],
    ['echo "$(date)" {}', '"$("'],
    ["echo `basename {}`", '"`"'],
    ['echo "`date`" {}', '"`"'],
    ["echo ${x:-{}}", '"${"'],
    ['echo "${x%.*}{}"', '"${"'],
    ["echo ${}", '"${"'],
    ["echo $((1 + {}))", '"(("'],
    ["cat <<END\n{}\nEND", '"<<"'],
    ["x[{}]=1", '"["'],
    ["x=([{}]=1)", '"=("'],
    ["echo $[{}]", '"$["'],
    ['echo "$[{}]"', '"$["'],
    ['echo "$(({}))"', '"$("'],
    ["echo $'{}'", `"$'"`],
    ["true # {}", '"#"'],
    ["true ;#{}", '"#"'],
    ["echo \\\n{}", '"\\\\\\n"'],
  ];
  for (const [command, opaque] of cases) {
    const { message } = assertThrows(() => templateOf(command), UsageError);
    assertStringIncludes(message, `Cannot quote {} after ${opaque}: the shell could run the value`);
    // A variable is no remedy in arithmetic, where some shells evaluate its value as an expression.
    assertEquals(message.includes("assign the value to a variable first"), !/\(\(|\$\[|x\[/.test(command), command);
  }
  for (const command of ["echo a;", "a &&", "a |", "echo a > ", "a &\n"]) {
    assertThrows(
      () => templateOf(command),
      UsageError,
      "it ends with an operator; write {} where the value goes",
    );
  }
  const comment = 'Cannot append {} to "echo a # b": it contains "#"; write {} where the value goes';
  assertThrows(() => templateOf("echo a # b"), UsageError, comment);
  assertThrows(
    () => templateOf("echo '{}"),
    UsageError,
    "Cannot parse COMMAND: it has a ' that is not closed",
  );
  assertThrows(
    () => templateOf('echo {}"'),
    UsageError,
    'Cannot parse COMMAND: it has a " that is not closed',
  );
});

const PIECES = [
  ...[
    "{}",
    "{}",
    "{}",
    "{.}",
    "{/}",
    "'",
    '"',
    "\\",
    "$",
    "(",
    ")",
    "`",
    "#",
    " ",
    " ",
    "\n",
    ";",
    "&&",
    "|",
    "<",
    ">",
  ],
  ...[
    "<<",
    "<<E",
    "E",
    "$(",
    "${x}",
    "${x:-",
    "}",
    "{",
    "$((",
    "))",
    "$'",
    '$"',
    "$#",
    "$$",
    "[",
    "]",
    "!",
    "=",
    "~",
    "a",
  ],
  ...["echo ", "x=", "case ", " in ", "esac", "if ", "then ", "fi", "\t", "*", "?", "@(", "$[", "[[ ", " ]]", ": "],
];
const VALUES = [
  ...RUNNING_VALUES,
  `'"; ${DANGER}; "'`,
  `E\n${DANGER}\nE\n`,
  `*/; ${DANGER}; \\`,
  `'\n${DANGER}\n'`,
  `a[$(${DANGER})]`,
  `"\n${DANGER}\n"`,
];

test("no value ever runs as a command, in any command", async () => {
  const commands = fc.array(fc.constantFrom(...PIECES), { minLength: 2, maxLength: 14 }).map((pieces) =>
    pieces.join("")
  );
  await withTempDirectory(async (directory) => {
    const filled: { shell: string; command: string; text: string }[] = [];
    for (const command of fc.sample(commands, { numRuns: scaledCount(300), seed: 8 })) {
      let template: CommandTemplate;
      try {
        template = templateOf(command);
      } catch (error) {
        assert(error instanceof UsageError, String(error));
        continue;
      }
      for (const value of VALUES) {
        const text = template.commandFor({ values: [value], number: 1 });
        for (const shell of ["dash", "bash"]) filled.push({ shell, command, text });
      }
    }
    assert(filled.length > scaledCount(1_000));
    await Promise.all(filled.map((_, index) => mkdir(join(directory, `${index}`))));
    const tasks = filled.map(({ shell, text }, index) => ({
      cmd: [shell, "-c", text],
      cwd: join(directory, `${index}`),
    }));
    const limits = { concurrency: 8, timeoutMs: 20_000, maxOutputBytes: 10_000, spillDir: directory };
    for await (const { id } of run(tasks, limits)) {
      const index = Number(id) - 1;
      assert(!existsSync(join(directory, `${index}`, "canary")), JSON.stringify(filled[index]));
    }
  });
});

test("each makes a task of each line, with the line as its id", async () => {
  const { status, results } = await taskrunner(["each", "--format", "json", "-k", "echo {#}: {}"], {
    stdin: "a b\n\n$HOME\r\nlast",
  });
  assertEquals(status, 0);
  assertEquals(results.map(({ id, stdout }) => [id, stdout]), [
    ["a b", "1: a b\n"],
    ["", "2: \n"],
    ["$HOME\r", "3: $HOME\r\n"],
    ["last", "4: last\n"],
  ]);
  assertEquals((await taskrunner(["each", "echo"])).stdout, "");
});

test("each takes values after :::, even if they look like flags", async () => {
  const { results } = await taskrunner([
    "-k",
    "each",
    "--format",
    "json",
    "--jobs",
    "1",
    "echo v",
    ":::",
    "-k",
    "a b",
    "--help",
    "x\ny",
  ]);
  assertEquals(results.map(({ stdout }) => stdout), ["v -k\n", "v a b\n", "v --help\n", "v x\ny\n"]);
  assertEquals((await taskrunner(["each", "echo", ":::"])).stdout, "");
});

test("each takes values that end with a NUL", async () => {
  const { results } = await taskrunner(["each", "--format", "json", "-k0", "printf %s {}"], { stdin: "a\nb\0c\0" });
  assertEquals(results.map(({ stdout }) => stdout), ["a\nb", "c"]);
});

test("each --dry-run prints commands, or tasks that run unchanged", async () => {
  const values = { stdin: "it's\na.b\n" };
  const printed = await taskrunner(["each", "--dry-run", "wc -c < {}"], values);
  assertEquals([printed.status, printed.stdout, printed.stderr], [0, "wc -c < 'it'\\''s'\nwc -c < 'a.b'\n", ""]);
  const program = await taskrunner(["each", "--dry-run", "if", "-k", "", "{}"], values);
  assertEquals(program.stdout, "'if' -k '' 'it'\\''s'\n'if' -k '' a.b\n");
});

test("each --dry-run stops at a signal, and has printed the commands so far", async () => {
  const { child, output, ended } = startTaskrunner(["each", "--dry-run", "echo"]);
  child.stdin!.write("a\n");
  await waitFor("the first command", () => output.stdout.includes("\n"));
  process.kill(child.pid!, "SIGINT");
  assertEquals((await ended).status, 130);
});

test("each --dry-run --resume prints only tasks without a result", async () => {
  await withTempDirectory(async (directory) => {
    const output = join(directory, "results.jsonl");
    await taskrunner(["each", "-o", output, "echo", ":::", "a", "b", "a"]);
    const { stdout } = await taskrunner([
      "each",
      "-o",
      output,
      "--resume",
      "--dry-run",
      "echo",
      ":::",
      "c",
      "a",
      "a",
      "a",
    ]);
    assertEquals(stdout, "echo 'c'\necho 'a'\n");
  });
});

test("each resumes a run by the values", async () => {
  await withTempDirectory(async (directory) => {
    const output = join(directory, "results.jsonl");
    const resume = (values: string[]) =>
      taskrunner(["each", "-j1", "-o", output, "--resume-failed", "[ {} != b ] || [ -e fixed ]", ":::", ...values], {
        cwd: directory,
      });
    assertEquals((await resume(["a", "b"])).status, 1);
    await writeFile(join(directory, "fixed"), "");
    assertEquals((await resume(["c", "b", "a"])).status, 0);
    const results = parseResults(await readFile(output, "utf8"));
    assertEquals(results.map(({ id, outcome }) => [id, outcome]), [["a", "ok"], ["b", "failed"], ["c", "ok"], [
      "b",
      "ok",
    ]]);
    assertEquals((await resume(["a", "a", "a"])).status, 0);
    const repeated = parseResults(await readFile(output, "utf8")).slice(results.length);
    assertEquals(repeated.map(({ id }) => id), ["a (2)", "a (3)"]);
    const changed = await taskrunner(["each", "-o", output, "--resume", "echo", ":::", "b"]);
    assertStringIncludes(changed.stderr, 'from a different command and was skipped: "b" (task 1)');
  });
});

test("an invalid value is an error that names its line, or is skipped", async () => {
  const bytes = "a\nb\0c\nd\n";
  const wrong = await taskrunner(["each", "--format", "json", "echo"], { stdin: bytes });
  assertEquals(wrong.status, 255);
  assertStringIncludes(
    wrong.stderr,
    "standard input:2: Cannot use the value: it contains a NUL character; if values end with NUL, add -0",
  );
  const skipped = await taskrunner(["each", "--format", "json", "-k", "--on-invalid", "skip", "echo"], {
    stdin: bytes,
  });
  assertEquals([skipped.status, skipped.results.map(({ id }) => id)], [255, ["a", "d"]]);
});

test("values after ::: are counted before the first task runs", async () => {
  const flags = ["each", "--format", "json", "-j1", "--halt", "soon,fail=50%", "exit", ":::", "1", "1", "0", "0"];
  const { results, status } = await taskrunner(flags);
  assertEquals([results.length, status], [2, 50]); // the status is the percentage, as in GNU parallel
});

test("wrong uses of each are errors with a remedy", async () => {
  const cases: [args: string[], message: string][] = [
    [["each"], "Missing COMMAND, as in taskrunner each 'gzip -k {}'"],
    [["each", " "], "Missing COMMAND"],
    [
      ["each", "gzip -k {}", "-j4", "--keep-order", ":::", "a"],
      `Cannot run "gzip -k {}" with arguments: flags of taskrunner go before it, as in taskrunner each -j4 --keep-order 'gzip -k {}'\n`,
    ],
    [
      ["each", "gzip -k {}", "a", "b"],
      `Cannot run "gzip -k {}" with arguments: a shell command is one argument; put flags of taskrunner before it, as in taskrunner each -j 4 'gzip -k {}'\n`,
    ],
    [
      ["each", "-k", "echo;ls", "-j"],
      'Cannot run "echo;ls" with arguments: a shell command is one argument; put flags',
    ],
    [[":::", "a"], "Values after ::: need a command: taskrunner each 'gzip -k {}' ::: a b c"],
    [["each", "--print", "echo"], 'Unknown flag "--print": --dry-run prints the commands of each'],
    [["-0"], "--null is a flag of taskrunner each, not of taskrunner run"],
    [
      ["each", "--halt", "now,fail=50%", "echo"],
      "Cannot use --halt with N%: the number of tasks is unknown; give --total N or --total auto, a task file, or values after :::",
    ],
  ];
  for (const [args, message] of cases) {
    const { status, stderr } = await runHere(args);
    assertEquals(status, 255);
    assertStringIncludes(stderr, message);
  }
});

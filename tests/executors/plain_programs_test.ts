import { readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { plainPrograms } from "../../executors/shell/launcher/plain_programs.ts";
import { decodeByteText, encodeByteText } from "../../text/byte_text.ts";
import { shellQuote } from "../../text/shell_quote.ts";
import {
  EFFORT,
  lacks,
  randomNumbers,
  SEED,
  shell,
  TIMEOUT,
  withTempDirectory,
  writeProgram,
} from "../support/helpers.ts";
import { ShellCommandGenerator } from "../support/shell_command_generator.ts";
import { test } from "../support/test.ts";

test("plainPrograms() splits a command that only starts a program", () => {
  const commands: [string, string[]][] = [
    ["cat", ["cat"]],
    [" \t cat\t ", ["cat"]],
    ["/usr/bin/env", ["/usr/bin/env"]],
    ["./a-b_c+d.e", ["./a-b_c+d.e"]],
    ["g++ -O2 -o a a.cc", ["g++", "-O2", "-o", "a", "a.cc"]],
    ["7z x", ["7z", "x"]],
    ["-x a", ["-x", "a"]],
    ["env A=b C=", ["env", "A=b", "C="]],
    ["cat \t a  b", ["cat", "a", "b"]],
    ["cat 'a  b' \"c\td\"", ["cat", "a  b", "c\td"]],
    ["cat '' \"\" ''\"\"", ["cat", "", "", ""]],
    ["cat a'b'\"c\"d", ["cat", "abcd"]],
    ["cat '\"' \"'\" '\"'\"'\"", ["cat", '"', "'", "\"'"]],
    ["cat '$a `b` \\c *' \"* ? [a] ~ {a,b} !a #a\"", ["cat", "$a `b` \\c *", "* ? [a] ~ {a,b} !a #a"]],
    ["cat 'a\nb' \"c\nd\"", ["cat", "a\nb", "c\nd"]],
    ["cat 'é𝄞' \"é\"", ["cat", "é𝄞", "é"]],
    ["cat '\udc80\udcff'", ["cat", "\udc80\udcff"]],
    ["cat -- - --a=b a@b a%b a:b a,b a^b +a =a", [
      "cat",
      "--",
      "-",
      "--a=b",
      "a@b",
      "a%b",
      "a:b",
      "a,b",
      "a^b",
      "+a",
      "=a",
    ]],
    ["cat if then echo exit '[' ']]' 1", ["cat", "if", "then", "echo", "exit", "[", "]]", "1"]],
  ];
  for (const [command, words] of commands) {
    assertEquals([command, plainPrograms(command)], [command, [{ words, redirections: [] }]]);
  }
});

/** Returns the programs of a command as text: words in brackets, then redirections. */
function described(command: string): string | undefined {
  return plainPrograms(command)?.map(({ words, redirections }) => {
    const redirected = redirections.map(({ descriptor, operator, target }) => ` ${descriptor}${operator}{${target}}`);
    return words.map((word) => `[${word}]`).join("") + redirected.join("");
  }).join(" | ");
}

test("plainPrograms() splits pipelines, and reads redirections in their order", () => {
  const commands: [string, string][] = [
    ["cat|cat", "[cat] | [cat]"],
    ["cat a | \tsort -r|wc", "[cat][a] | [sort][-r] | [wc]"],
    ["cat '|' \"a|b\" | cat", "[cat][|][a|b] | [cat]"],
    ["cat >a", "[cat] 1>{a}"],
    ["cat> a", "[cat] 1>{a}"],
    ["cat >\t 'a b'c b", "[cat][b] 1>{a bc}"],
    ["cat <a >>b 2>c", "[cat] 0<{a} 1>>{b} 2>{c}"],
    ["cat 0<a 1>b 1>>c 2>>d 0>e 1<f", "[cat] 0<{a} 1>{b} 1>>{c} 2>>{d} 0>{e} 1<{f}"],
    ["cat 2>&1", "[cat] 2&{1}"],
    ["cat >&2 <&1 1<&2", "[cat] 1&{2} 0&{1} 1&{2}"],
    ["cat >a 2>&1 | cat 2>&1| cat", "[cat] 1>{a} 2&{1} | [cat] 2&{1} | [cat]"],
    [">a cat b", "[cat][b] 1>{a}"],
    ["<a 2>&1 cat|cat", "[cat] 0<{a} 2&{1} | [cat]"],
    ["cat a1>b", "[cat][a1] 1>{b}"],
    ["cat 1 >b", "[cat][1] 1>{b}"],
    ["cat '1'>b", "[cat][1] 1>{b}"],
    ["cat ''1>b", "[cat][1] 1>{b}"],
    ["cat >a>b<c", "[cat] 1>{a} 1>{b} 0<{c}"],
    ["cat > 1", "[cat] 1>{1}"],
    ["cat >if", "[cat] 1>{if}"],
    ["cat >-", "[cat] 1>{-}"],
    ["cat >a=b", "[cat] 1>{a=b}"],
    [Array<string>(64).fill("cat").join("|"), Array<string>(64).fill("[cat]").join(" | ")],
  ];
  for (const [command, expected] of commands) assertEquals([command, described(command)], [command, expected]);
});

test("plainPrograms() returns nothing for a pipeline or a redirection that may do more", () => {
  const commands = [
    ..."| || |cat cat| cat|| cat||cat cat|&cat cat|cat& cat|! cat;cat|cat".split(" "),
    "cat | ",
    "cat | | cat",
    "cat |\ncat",
    "cat\n| cat",
    "cat | ! cat",
    "! cat | cat",
    "cat | A=b cat",
    "cat | { cat; }",
    "cat | (cat)",
    "cat | if",
    "cat | >a",
    ...["echo a", "printf a", "cd /", "test a", "[ a ]", "exit", "read a", "exec cat", "eval cat", "command cat", ". a"]
      .flatMap((builtin) => [`${builtin} | cat`, `cat | ${builtin}`, `${builtin} >a`, `>a ${builtin}`]),
    ">a",
    "2>&1",
    ..."> < >> 2> >| >|a <<a <<<a <>a >&- <&- 2>&- >&a >&12 2>&1a 2>&1>a 2>&1<a &>a >&$a >$a >*a >~ >~/a >a* >{a,b}"
      .split(" ").map((redirection) => `cat ${redirection}`),
    "cat >& 1",
    "cat > ''",
    "cat >''",
    "cat > 'a",
    "cat >\na",
    "cat >(cat)",
    "cat <(cat)",
    "cat 3>a",
    "cat 9<a",
    "cat 12>a",
    "cat 2>&3",
    "cat 3>&1",
    "cat >1>a",
    "cat > 1>a",
    "cat >a;",
    "cat >a &",
    "cat >a # b",
    "cat >a#b $c",
    Array<string>(65).fill("cat").join("|"),
  ];
  for (const command of commands) assertEquals([command, described(command)], [command, undefined]);
});

test("plainPrograms() returns nothing for a command that may do more", () => {
  const commands = [
    "",
    " ",
    "\t",
    "\n",
    "cat\n",
    "\ncat",
    "cat\na",
    "cat\ra",
    "cat a;",
    "cat; cat",
    "cat &",
    "cat && cat",
    "cat || cat",
    "cat <<a\na\n",
    "(cat)",
    "cat (a)",
    "{ cat; }",
    "! cat",
    "cat # a",
    "cat #a",
    "cat a#b",
    "cat $a",
    'cat "$a"',
    'cat "`a`"',
    "cat `a`",
    "cat $(a)",
    "cat ${a}",
    "cat $",
    'cat "a$"',
    "cat \\a",
    'cat "\\a"',
    "cat a\\\nb",
    "cat *",
    "cat ?",
    "cat [a]",
    "cat ]",
    "cat ~",
    "cat ~/a",
    "cat a=~",
    "cat {a,b}",
    "cat {}",
    "cat !a",
    "cat é",
    "cat a\vb",
    "cat a\u00a0b",
    "cat 'a",
    'cat "a',
    "cat a'b",
    "cat 'a'\"b",
    "A=b cat",
    "A=b",
    "A= cat",
    "A+=b cat",
    "'cat' a",
    '"cat"',
    "c'a't",
    'cat"" a',
    "'' a",
    "%1",
    "a:b",
    "a@b",
    "é",
    "[ a = b ]",
    "[[ a ]]",
    ". ./a",
    ": a",
  ];
  for (const command of commands) assertEquals([command, plainPrograms(command)], [command, undefined]);
});

test("plainPrograms() returns nothing for a built-in command or a reserved word of dash and bash", async () => {
  if (lacks("bash", "dash")) return;
  const { stdout: bash } = await shell("bash -c 'compgen -b; compgen -k'");
  const names = bash.trim().split("\n");
  assert(names.length > 70);
  // dash has no list of its commands.
  const more = "chdir mknod newgrp which".split(" ");
  const { stdout: dash } = await shell(`dash -c 'for name; do
    case $(type "$name") in *builtin|*keyword) echo "$name";; esac; done' dash ${
    [...names, ...more].map(shellQuote).join(" ")
  }`);
  const ofDash = dash.trim().split("\n");
  assert(ofDash.length > 50 && ofDash.includes("chdir") && ofDash.includes("while"), `${ofDash}`);
  for (const name of new Set([...ofDash, ...names])) {
    for (const command of [name, ` ${name} `, `${name} a`, `${name}\t''`]) {
      assertEquals([command, plainPrograms(command)], [command, undefined]);
    }
  }
});

/** Generates commands from the parts that are special for words. */
class WordGenerator {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  command(): string {
    const words = Array.from({ length: Math.floor(this.#random() * 5) }, () => this.#gap() + this.#word());
    return this.#pick(["", "", " ", "\t"]) + this.#pick(NAMES) + words.join("") + this.#pick(["", "", " ", "\t "]);
  }

  #pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.#random() * values.length)]!;
  }

  #gap(): string {
    return this.#random() < 0.02 ? this.#pick(["\n", ";", "\r", "\\\n", "&", "\f"]) : this.#pick([" ", "  ", "\t"]);
  }

  #word(): string {
    let text = this.#part();
    while (this.#random() < 0.4) text += this.#part();
    return text;
  }

  #part(): string {
    const kind = this.#random();
    if (kind < 0.4) return this.#pick(BARE);
    const inside = Array.from({ length: Math.floor(this.#random() * 4) }, () => this.#inside()).join("");
    if (kind < 0.7) return `'${inside.replaceAll("'", "")}'`;
    return kind < 0.98 ? `"${inside.replaceAll(/["$`\\]/g, "")}"` : this.#pick(RARE);
  }

  /** Returns a part of quoted text: any byte but NUL, because shells mark characters within words with some of them, or text. */
  #inside(): string {
    if (this.#random() < 0.5) return this.#pick(QUOTED);
    return decodeByteText(Uint8Array.of(1 + Math.floor(this.#random() * 255)));
  }
}

const BARE = [
  "a",
  "Z",
  "0",
  "_",
  "@",
  "%",
  "+",
  "=",
  ":",
  ",",
  ".",
  "/",
  "^",
  "-",
  "--a=b",
  "1",
  "if",
  "A=b",
  "%%",
  "%1",
];
const RARE = ["$", "*", "~", "\\", "{a,b}", "é", "#", "!", "`", "?", "[a]", "(", ">", "$x", "&", "'", '"'];
const QUOTED = [
  "  ",
  "\t",
  "\n",
  "\n\n",
  "*",
  "?",
  "~",
  "#",
  "!",
  "{a,b}",
  "é",
  "𝄞",
  "$x",
  "`x`",
  "\\",
  "\\n",
  "%s",
  "'",
  '"',
];
/** Names of the program that prints its arguments. */
const NAMES = [
  "arguments",
  "a.b",
  "g++",
  "-x",
  "+x",
  "12",
  "if_",
  "./arguments",
  "../bin/g++",
  "sed",
  "cat",
  "head",
  "tr",
];

test(
  "dash and bash start the program with the words of plainPrograms()",
  { timeout: TIMEOUT.timeout * EFFORT },
  async () => {
    if (lacks("bash", "dash")) return;
    const random = randomNumbers(SEED);
    const [words, commands] = [new WordGenerator(random), new ShellCommandGenerator(random)];
    const count = 400 * EFFORT;
    const generated = [
      ...Array.from({ length: count }, () => words.command()),
      ...Array.from({ length: count }, () => commands.command()),
      ...[...NAMES, "no_such_command"].map((name) => `${name} 'a b'`),
    ];
    const programs = generated.flatMap((command) => {
      const [program, ...others] = plainPrograms(command) ?? [];
      const isAlone = program !== undefined && others.length === 0 && program.redirections.length === 0;
      return isAlone ? [{ command, words: program.words }] : [];
    });
    assert(programs.length > count / 2, `${programs.length} commands are programs, with seed ${SEED}`);
    await withTempDirectory(async (directory) => {
      const [bin, input] = [join(directory, "bin"), join(directory, "input")];
      await shell(`mkdir ${bin}`);
      const script = '#!/bin/sh\nprintf \'%s\\0\' "${0##*/}" "$@"\n';
      await writeProgram(join(bin, "arguments"), script);
      for (const name of new Set([...NAMES, "no_such_command", "sh"])) {
        if (!name.includes("/") && name !== "arguments") await symlink("arguments", join(bin, name));
      }
      await writeFile(input, encodeByteText(programs.map(({ command }) => `${command}\0`).join("")));
      for (const program of ["dash", "bash"]) {
        const output = join(directory, program);
        const each = `PATH=${bin} "$0" -c -- "$1"; printf 'END %s\\0' $?`;
        const { status, stderr } = await shell(
          `program=$(command -v ${program}); cd ${bin} && xargs -0 -n 1 sh -c ${
            shellQuote(each)
          } "$program" <${input} >${output}`,
        );
        assertEquals([status, stderr], [0, ""], `seed ${SEED}`);
        const seen = decodeByteText(await readFile(output)).split("END 0\0");
        for (const [index, { command, words }] of programs.entries()) {
          const name = words[0]!.slice(words[0]!.lastIndexOf("/") + 1);
          const expected = decodeByteText(encodeByteText([name, ...words.slice(1), ""].join("\0")));
          assertEquals([program, command, seen[index]], [program, command, expected], `seed ${SEED}`);
        }
        assertEquals(seen.length, programs.length + 1);
      }
    });
  },
);

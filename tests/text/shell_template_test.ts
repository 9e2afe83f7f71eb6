import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import fc from "fast-check";
import { run, sh, type ShellValue, type ShellWord } from "../../mod.ts";
import { collect, lacks, scaledCount, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const SHELLS = ["sh", "dash", "bash", "mksh", "busybox"].filter((shell) => !lacks(shell));
const commandOf = (shell: string, command: string) => {
  return [...(shell === "busybox" ? ["busybox", "sh"] : [shell]), "-c", command];
};

/** Calls the tag with a text in which `{}` marks a value. */
function fill(text: string, ...values: unknown[]): string {
  const raw = text.split("{}");
  return sh({ raw } as unknown as TemplateStringsArray, ...values as ShellValue[]);
}

function problemOf(action: () => unknown): string {
  const { message } = assertThrows(action, TypeError);
  return message;
}

test("sh keeps characters beyond ASCII in its text, on every runtime", () => {
  const name = "ü";
  assertEquals(sh`echo é😀 ${name} '¬€'`, "echo é😀 'ü' '¬€'");
  assertEquals(sh`printf '\u00e9 \\u00E9 \\\\u00E9'`, "printf '\\u00e9 \\\\u00E9 \\\\\\\\u00E9'");
});

test("sh quotes strings, numbers, bigints, file URLs and arrays of them", () => {
  assertEquals(sh`gzip -k ${"a b"} ${"it's"}`, String.raw`gzip -k 'a b' 'it'\''s'`);
  assertEquals(
    sh`head -n ${3} -c ${-0.5} ${2n ** 64n} ${1e21}`,
    "head -n '3' -c '-0.5' '18446744073709551616' '1e+21'",
  );
  assertEquals(sh`cat ${new URL("file:///a%20b/%24c")}`, "cat '/a b/$c'");
  assertEquals(sh`rm -f ${["a", 1, 2n, new URL("file:///x")]}`, "rm -f 'a' '1' '2' '/x'");
  assertEquals(sh`rm -f ${[]}`, "rm -f ");
  assertEquals(sh`a=${"x"} b${"y"}c >${"z"}; (${["d"]}) | $(${["e"]})`, "a='x' b'y'c >'z'; ('d') | $('e')");
  assertEquals(sh`echo ${2}>f ${""}`, "echo '2'>f ''"); // the quoted 2 is not a descriptor
  assertEquals(sh`true`, "true");
});

test("sh keeps the text of the template, except for escapes that a template literal requires", () => {
  assertEquals(sh`printf 'a\n%s\\' ${"x"} \$HOME \{}`, String.raw`printf 'a\n%s\\' 'x' \$HOME \{}`);
  assertEquals(sh`echo \`date\` \${x%.gz} '\\\`'`, "echo `date` ${x%.gz} '\\\\`'");
  assertEquals(
    sh`a
  b`,
    "a\n  b",
  );
});

test("sh rejects other values, with their number and the valid types", () => {
  const must = "it must be a string, a finite number, a bigint, a file: URL, or an array of these, got";
  const web = new URL("https://example.org/");
  const wrong: [unknown, string][] = [
    [undefined, "undefined"],
    [null, "null"],
    [NaN, "NaN"],
    [Infinity, "Infinity"],
    [true, "true"],
    [{ a: 1 }, '{"a":1}'],
    [web, '"https://example.org/"'],
    [new URL("file://host/x"), '"file://host/x"'],
    [new URL("file:///a%2Fb"), '"file:///a%2Fb"'],
    [Symbol("x"), "symbol"],
    [() => 1, "function"],
    [Uint8Array.of(1), '{"0":1}'],
  ];
  for (const [value, got] of wrong) {
    assertEquals(problemOf(() => fill("a {} {}", "x", value)), `Cannot quote interpolation 2: ${must} ${got}`);
    assertEquals(
      problemOf(() => fill("a {}", ["x", value])),
      `Cannot quote element 2 of interpolation 1: ${must} ${got}`,
    );
  }
  assertEquals(problemOf(() => fill("a {}", [["x"]])), `Cannot quote element 1 of interpolation 1: ${must} ["x"]`);
  for (const text of ["a\0b", "\ud800", "\udc00x"]) {
    assertEquals(
      problemOf(() => sh`echo ${text}`),
      "Cannot quote interpolation 1: it must not contain a NUL character or a lone surrogate, got " +
        JSON.stringify(text),
    );
  }
});

test("sh rejects a value where quotes have another meaning", () => {
  const quoted = (number: number, quote: string) =>
    `Cannot quote interpolation ${number}: it is between ${quote} and ${quote}; ` +
    "remove these quotes, because sh adds quotes";
  assertEquals(problemOf(() => sh`echo "${1}"`), quoted(1, '"'));
  assertEquals(problemOf(() => sh`echo ${1} 'a"${2}'`), quoted(2, "'"));
  assertEquals(problemOf(() => sh`echo "it's \" ${1}"`), quoted(1, '"'));
  assertEquals(sh`echo "it's" '"' \" \' ${1}`, String.raw`echo "it's" '"' \" \' '1'`);
  const places: [text: string, opaque: string][] = [
    ["cat <<END\n{}\nEND", "<<"],
    ["cat <<{}", "<<"],
    ["true # {}", "#"],
    ["echo `basename {}`", "`"],
    ['echo "$(basename {})"', "$("],
    ["echo \\${x:-{}}", "${"],
    ["echo $(({}))", "(("],
    ["echo $'a' {}", "$'"],
    ["echo ${}", "$"], // in bash, $'…' is text with escapes
    ["a[{}]=1", "["],
    ["echo \\\n{}", "\\"],
  ];
  for (const [text, opaque] of places) {
    assertEquals(
      problemOf(() => fill(text, "x")),
      `Cannot quote interpolation 1: it is after ${JSON.stringify(opaque)}, where quotes can have another meaning; ` +
        'assign the value to a variable first, as in v=${value}; echo "$v"',
      text,
    );
  }
  assertEquals(
    sh`v=${"x"}; cat <<END # "
$v
END`,
    "v='x'; cat <<END # \"\n$v\nEND",
  );
  assertEquals(sh`kill $$${1}`, "kill $$'1'");
  for (const text of ["echo '", 'echo "a', "echo {} '"]) {
    assert(
      /^Cannot build the command: its ['"] is not closed$/.test(
        problemOf(() => fill(text, ..."x".repeat(text.split("{}").length - 1))),
      ),
    );
  }
});

test("sh rejects an array without spaces around it", () => {
  const problem = "Cannot quote interpolation 1: an array becomes separate words, and needs spaces around it";
  for (
    const text of [
      "x={}",
      "--file={}",
      "a{}",
      "{}b",
      '{}"b"',
      "{}=1",
      "> {}",
      "<{}",
      "2>> {} a",
      ">| {}",
      ">&{}",
      "<& {}",
      "a\\ {}",
    ]
  ) {
    for (const value of [[], ["a"], ["a", "b"]]) assertEquals(problemOf(() => fill(text, value)), problem, text);
  }
  assertEquals(problemOf(() => fill("echo {}{}", ["a"], "b")), problem);
  assertEquals(problemOf(() => fill("echo {}{}", "b", ["a"])), problem.replace("1", "2"));
  assertEquals(fill("{};({})&{}|{} >x", ["a"], ["b"], ["c"], ["d", "e"]), "'a';('b')&'c'|'d' 'e' >x");
});

test("sh rejects calls that are not tagged templates", () => {
  const problem = "Cannot build the command: sh is a tag for a template literal, as in sh`gzip ${file}`";
  for (const args of [[], ["echo"], [["echo"]], [{ raw: ["a", "b"] }], [{ raw: ["a"] }, "x"], [{ raw: "a" }]]) {
    assertEquals(problemOf(() => (sh as (...args: unknown[]) => string)(...args)), problem);
  }
  const backslash = "Cannot build the command: a backslash before a value would escape the quotes of the value";
  assertEquals(problemOf(() => fill("echo \\{} {}", "x", "y")), backslash);
  assertEquals(
    problemOf(() => fill("echo \0")),
    "Cannot build the command: its text must not contain a NUL character or a lone surrogate",
  );
});

const word: fc.Arbitrary<ShellWord> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }).map((text) => text.replaceAll("\0", "").toWellFormed()),
  fc.string({ unit: fc.constantFrom(...`'"\\$\`(){}[]<>|&;#*?~!=%^ \t\n\r-éa1`), maxLength: 12 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.bigInt(),
);

test("random values reach a program unchanged through every shell", async () => {
  const value: fc.Arbitrary<ShellValue> = fc.oneof(word, fc.array(word, { maxLength: 4 }));
  const property = fc.asyncProperty(
    fc.array(fc.array(value, { maxLength: 6 }), { minLength: 20, maxLength: 20 }),
    async (lists) => {
      const tasks = lists.flatMap((values) => {
        const command = fill(`printf '%s\\0' . ${values.map(() => "{}").join(" ")}`, ...values);
        return SHELLS.map((shell) => ({ cmd: commandOf(shell, command), meta: values.flat().map(String) }));
      });
      for (const { stdout, stderr, meta } of await collect(run(tasks, { concurrency: 4 }))) {
        assertEquals([stdout, stderr], [[".", ...meta as string[]].map((text) => `${text}\0`).join(""), ""]);
      }
    },
  );
  await fc.assert(property, { numRuns: scaledCount(20), endOnFailure: true });
});

test("no value ever runs as a command, whatever text it is put into", async () => {
  const pieces = [
    ..."{} {} {} {} ' \" \\ \\\\ $ ( ) ` # ; && | < > << <<E E $( $x \\${x:- } { $(( )) $' $\" $# $$ [ ] ! = ~ a * ? @( $["
      .split(" "),
    ..."[[ |]] |echo |x=|case | in |esac|if |then |fi|: | | |\n|\t".split("|"),
  ];
  const text = fc.array(fc.constantFrom(...pieces), { minLength: 2, maxLength: 14 }).map((pieces) => pieces.join(""));
  const run_ = ": >canary";
  const values = [
    ...[`$(${run_})`, `\`${run_}\``, `'; ${run_}; '`, `"; ${run_}; "`, `\n${run_}\n`, `\\'; ${run_}; #`],
    ...[`'"; ${run_}; "'`, `); ${run_}; (`, `}; ${run_}; {`, `E\n${run_}\nE\n`, `'\n${run_}\n'`, `\\`, `a[$(${run_})]`],
  ];
  await withTempDirectory(async (directory) => {
    const commands: string[] = [];
    for (const sample of fc.sample(text, scaledCount(2_000))) {
      const count = sample.split("{}").length - 1;
      try {
        for (const value of values) {
          commands.push(
            fill(sample, ...Array.from({ length: count }, (_, index) => index % 2 === 0 ? value : [value])),
          );
          if (count === 0) break;
        }
      } catch (error) {
        assert(error instanceof TypeError, `${sample}: ${error}`);
      }
    }
    assert(commands.length > scaledCount(300), `${commands.length}`);
    const tasks = commands.flatMap((command) => ["dash", "bash"].map((shell) => [shell, "-c", command]));
    await Promise.all(tasks.map((_, index) => mkdir(join(directory, `${index}`))));
    const limits = { concurrency: 4, timeoutMs: 20_000, maxOutputBytes: 10_000, spillDir: directory };
    for await (const { id } of run(tasks.map((cmd, index) => ({ cmd, cwd: join(directory, `${index}`) })), limits)) {
      const index = Number(id) - 1;
      assert(!existsSync(join(directory, `${index}`, "canary")), JSON.stringify(tasks[index]));
    }
  });
});

import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import fc from "fast-check";
import { ShellWordsError, splitShellWords } from "../../text/shell_words.ts";
import { scaledCount, start } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const wordsOf = (text: string) => splitShellWords(text).map(({ text }) => text);

test("splitShellWords() splits at whitespace and removes quotes", () => {
  const cases: [text: string, words: string[]][] = [
    ["", []],
    [" \t\n", []],
    ["--jobs 4  --tag\n-k", ["--jobs", "4", "--tag", "-k"]],
    [`'a b' "c d" e\\ f`, ["a b", "c d", "e f"]],
    [`--shell='/a b'/"c"\\d`, ["--shell=/a b/cd"]],
    [`'' ""`, ["", ""]],
    [String.raw`"\$\"\\\a"`, [String.raw`$"\\a`]],
    [`'\\' "it's" 'say "hi"'`, ["\\", "it's", 'say "hi"']],
    ['"a\\\nb" c\\\nd', ["ab", "cd"]],
    ["a # b 'c\nd#e '#f'", ["a", "d#e", "#f"]],
    ["--jobs=4\r\n-k\r\n", ["--jobs=4", "-k"]],
    ["é 'ü \u{1f600}'", ["é", "ü \u{1f600}"]],
  ];
  for (const [text, words] of cases) assertEquals(wordsOf(text), words, text);
});

test("splitShellWords() expands nothing", () => {
  assertEquals(wordsOf("$HOME `id` $(id) ~ * {a,b} a|b;c&d >e <f (g)"), [
    ..."$HOME `id` $(id) ~ * {a,b} a|b;c&d >e <f (g)".split(" "),
  ]);
});

test("splitShellWords() counts lines, also within quotes and comments", () => {
  const text = "a # comment\n\n'b\nc' d\\\n e\nf";
  assertEquals(splitShellWords(text).map(({ text, line }) => [text, line]), [
    ["a", 1],
    ["b\nc", 3],
    ["d", 4],
    ["e", 5],
    ["f", 6],
  ]);
});

test("splitShellWords() reports an open quote and a last backslash with the line", () => {
  const cases: [text: string, message: string, line: number][] = [
    ["a\n'b\nc", "a ' is not closed", 2],
    ['"', 'a " is not closed', 1],
    ['"a\\"', 'a " is not closed', 1],
    ["a\nb\\", "a backslash ends the text", 2],
  ];
  for (const [text, message, line] of cases) {
    const error = assertThrows(() => splitShellWords(text), ShellWordsError, message);
    assertEquals(error.line, line);
  }
});

test("splitShellWords() takes a long text in linear time", () => {
  for (const text of ["a".repeat(2_000_000), `'${"b".repeat(2_000_000)}'`, `"${'\\"'.repeat(1_000_000)}"`]) {
    assertEquals(wordsOf(text).length, 1);
  }
  assertThrows(() => splitShellWords(`"${"a".repeat(2_000_000)}`), ShellWordsError);
});

test("splitShellWords() splits as sh does", async () => {
  // Outside of quotes no character that a shell expands, nor a newline, which would end the command.
  const piece = fc.oneof(
    fc.string({ unit: fc.constantFrom(..."ab=-,é#"), maxLength: 4 }).map((text) => text.replace(/^#/, "a#")),
    fc.string({ unit: fc.constantFrom(...'a $`"\\#*\n|;') }).map((text) => `'${text}'`),
    fc.array(fc.constantFrom("a", " ", "'", "#", "*", "\n", "|", "\\$", "\\`", '\\"', "\\\\", "\\a", "\\\n"))
      .map((parts) => `"${parts.join("")}"`),
    fc.constantFrom(" ", "\t", "\\ ", "\\'", "\\#", "\\$", "\\\\", "\\\n", "''"),
  );
  const text = fc.tuple(fc.array(piece, { maxLength: 12 }), fc.constantFrom("", " # it's \""))
    .map(([pieces, comment]) => pieces.join("") + comment);
  const texts = fc.sample(text, scaledCount(3000));
  const script = `for text; do eval "set -- $text"; printf '%s\\0' "$#" "$@"; done`;
  const { stdout, stderr } = await start("sh", ["-c", script, "sh", ...texts], { stdin: "" }).ended;
  assertEquals(stderr, "");
  const theirs = stdout.split("\0");
  for (const text of texts) {
    const count = Number(theirs.shift());
    assertEquals(wordsOf(text), theirs.splice(0, count), JSON.stringify(text));
  }
});

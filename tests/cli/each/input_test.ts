import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { assertThrows } from "@std/assert/throws";
import { DELIMITER, unescapeBytes } from "../../../cli/each/escapes.ts";
import type { InputFlags } from "../../../cli/each/flags.ts";
import { withInputCopy } from "../../../cli/input_copy.ts";
import { openInput } from "../../../cli/each/input.ts";
import type { ValueSource } from "../../../cli/args/value_sources.ts";
import { UsageError } from "../../../cli/args/usage_error.ts";
import { commandsOf, type EachOptions, ioOf, sourcesOf, tasksOf } from "../../support/each_input.ts";
import { test } from "../../support/test.ts";
import { withTempDirectory } from "../../support/helpers.ts";

/** Returns the values of each task, joined by `-`. */
async function valuesOf(options: EachOptions): Promise<string[]> {
  return (await commandsOf(["echo", "{}"], options)).map((command) => (command as string[]).slice(1).join("-"));
}

test("sources combine as in GNU parallel", async () => {
  // As printed by: parallel -k echo {} SOURCES | tr ' ' -
  const cases: [sources: string[], values: string[]][] = [
    [["::: a b", "::: 1 2 3"], ["a-1", "a-2", "a-3", "b-1", "b-2", "b-3"]],
    [["::: a b", "::: 1 2", "::: X Y"], [
      ...["a-1-X", "a-1-Y", "a-2-X", "a-2-Y", "b-1-X", "b-1-Y", "b-2-X", "b-2-Y"],
    ]],
    [["::: a b c", ":::+ 1 2"], ["a-1", "b-2"]],
    [["::: a b", ":::+ 1 2 3"], ["a-1", "b-2"]],
    [["::: a b", ":::+ 1 2", "::: X Y"], ["a-1-X", "a-1-Y", "b-2-X", "b-2-Y"]],
    [["::: X Y", "::: a b", ":::+ 1 2 3"], ["X-a-1", "X-b-2", "Y-a-1", "Y-b-2"]],
    [["::: a b", ":::+ 1 2", ":::+ X Y"], ["a-1-X", "b-2-Y"]],
  ];
  for (const [sources, values] of cases) assertEquals(await valuesOf({ sources: sourcesOf(...sources) }), values);
});

test("--link repeats the values of shorter sources, as in GNU parallel", async () => {
  const sources = sourcesOf("::: a b c", "::: 1 2", "::: X");
  assertEquals(await valuesOf({ sources, flags: { link: true } }), ["a-1-X", "b-2-X", "c-1-X"]);
});

test("without values in a source, nothing runs", async () => {
  for (const texts of [[":::"], ["::: a b", ":::"], [":::", "::: a"], ["::: a", ":::+"]]) {
    assertEquals(await valuesOf({ sources: sourcesOf(...texts) }), [], texts.join(" "));
  }
  assertEquals(await valuesOf({ sources: sourcesOf("::: a", ":::"), flags: { link: true } }), []);
});

test("values come from files and standard input, and those of -a are first", async () => {
  await withTempDirectory(async (directory) => {
    const [numbers, letters] = [join(directory, "numbers"), join(directory, "letters")];
    await writeFile(numbers, "1\n2\n3\n");
    await writeFile(letters, "x\ny");
    const files = (separator: ValueSource["separator"], ...items: string[]) => ({ separator, items });
    const stdin = "s\nt\n";
    assertEquals(await valuesOf({ sources: [files("::::", numbers, letters)] }), [
      ...["1-x", "1-y", "2-x", "2-y", "3-x", "3-y"],
    ]);
    assertEquals(await valuesOf({ sources: [files("::::", numbers), files("::::+", letters)] }), ["1-x", "2-y"]);
    assertEquals(await valuesOf({ sources: [files(":::", "a"), files("::::+", "-")], stdin }), ["a-s"]);
    assertEquals(await valuesOf({ sources: [files(":::", "a", "b"), files("::::", "-")], stdin }), [
      ...["a-s", "a-t", "b-s", "b-t"],
    ]);
    assertEquals(await valuesOf({ sources: [files(":::", "A")], flags: { "arg-file": [letters, "-"] }, stdin }), [
      ...["x-s-A", "x-t-A", "y-s-A", "y-t-A"],
    ]);
    await mkdir(join(directory, "folder"));
    const errors: [EachOptions, string][] = [
      [{ sources: [files("::::", "-"), files("::::+", "-")] }, "Cannot read standard input twice"],
      [{ sources: [files("::::")] }, "Missing FILE after ::::"],
      [{ sources: [files(":::+", "a")] }, "Cannot link the values after :::+: no source precedes them; write :::"],
      [{ sources: [files("::::", join(directory, "none"))] }, 'none": no such file or directory'],
      [{ flags: { "arg-file": [join(directory, "folder")] } }, 'folder": it is a directory'],
    ];
    for (const [options, message] of errors) await assertRejects(() => valuesOf(options), Error, message);
  });
});

test("a value ends with a newline, or with the byte of -d or -0, as in xargs and GNU parallel", async () => {
  assertEquals(await valuesOf({ stdin: "a\n\nb\r\n last" }), ["a", "", "b\r", " last"]);
  assertEquals(await valuesOf({ stdin: "a\nb\0c\0", flags: { null: true } }), ["a\nb", "c"]);
  const delimiter = DELIMITER.parse("-d", ";");
  assertEquals(await valuesOf({ stdin: "a;;b;c\n", flags: { delimiter } }), ["a", "", "b", "c\n"]);
  assertEquals(["\\t", "\\n", "\\0", "\\x1e", "\\101"].map((text) => DELIMITER.parse("-d", text)), [9, 10, 0, 30, 65]);
  for (const text of ["", "ab", "é"]) {
    assertThrows(() => DELIMITER.parse("--delimiter", text), UsageError, "--delimiter must be one byte, such as ','");
  }
  assertEquals(new TextDecoder().decode(unescapeBytes("a\\\\n\\q\\")), "a\\n\\q\\");
});

test("a value that is not UTF-8 keeps its bytes", async () => {
  const stdin = Uint8Array.from([0x61, 0xe9, 0x0a, 0xff, 0xc3, 0xa9, 0x0a]);
  assertEquals(await commandsOf(["echo", "{}.x"], { stdin }), [["echo", "a\udce9.x"], ["echo", "\udcffé.x"]]);
});

test("an invalid value ends the run with its place, or is skipped with a message", async () => {
  const stdin = "a\nb\0\nc\n";
  const problem = "Cannot use the value: it contains a NUL character; if values end with NUL, add -0";
  await assertRejects(() => valuesOf({ stdin }), Error, `standard input:2: ${problem}`);
  const flagsOfRuns: InputFlags[] = [{}, { shuf: true, seed: 1 }, { "max-args": 5 }];
  for (const flags of flagsOfRuns) {
    const io = ioOf([new TextEncoder().encode(stdin)]);
    const input = await openInput({ flags, words: ["echo {##}"], sources: [], hasUniqueIds: true }, io);
    const options = { onInvalid: "skip" as const, report: io.stderr, recorded: undefined };
    const tasks = await Array.fromAsync(input.tasks(options));
    assertEquals([tasks.length, input.invalid], ["max-args" in flags ? 1 : 2, 1]);
    assertEquals(io.messages, [`taskrunner: standard input:2: ${problem}`]);
  }
  const long = "x".repeat(1024 * 1024 + 1);
  await assertRejects(() => valuesOf({ stdin: long }), Error, "standard input:1: Cannot read the line: it is longer");
  await assertRejects(
    () => commandsOf(["{}", "-v"], { sources: [{ separator: ":::", items: ["a", ""] }] }),
    Error,
    'task 2 (""): Cannot read the task: "cmd" must begin with the name of a program',
  );
});

test("a single source is read while tasks run", async () => {
  let produced = 0;
  async function* lines(): AsyncGenerator<Uint8Array> {
    for (; produced < 1_000_000; produced += 1000) {
      yield await Promise.resolve(new TextEncoder().encode(`${produced}\n`.repeat(1000)));
    }
  }
  const io = ioOf(lines());
  const flags = { colsep: "," };
  const input = await openInput({ flags, words: ["echo {1}"], sources: [], hasUniqueIds: false }, io);
  assertEquals(input.isRepeatable, false);
  let count = 0;
  for await (const _ of input.tasks({ onInvalid: "abort", report: io.stderr, recorded: undefined })) {
    if (++count % 10_000 === 0) assert(produced <= count + 2_000, `${produced} read for ${count} tasks`);
    if (count === 50_000) break;
  }
});

test("the order of --shuf depends on the seed alone, and has every value once", async () => {
  const stdin = Array.from({ length: 100 }, (_, index) => `${index}\n`).join("");
  const order = (seed: number) => valuesOf({ stdin, flags: { shuf: true, seed } });
  const [first, again, other] = [await order(1), await order(1), await order(2)];
  assertEquals(first, again);
  assertEquals(new Set(first).size, 100);
  assert(first.join() !== other.join() && first.join() !== stdin.trim().replaceAll("\n", ","));
  const firsts = await Promise.all(
    Array.from(
      { length: 200 },
      async (_, seed) => (await valuesOf({ stdin: "a\nb\n", flags: { shuf: true, seed } }))[0],
    ),
  );
  const share = firsts.filter((value) => value === "a").length;
  assert(share > 60 && share < 140, `${share} of 200`);
});

test("with --total auto, every input is checked and counted before the first task", async () => {
  const cases: [flags: InputFlags, sources: EachOptions["sources"], commands: string[]][] = [
    [{}, [], ["a 3", "b 3", "c 3"]],
    [{ header: true }, [], ["b 2", "c 2"]],
    [{ "max-args": 2 }, [], ["a b 2", "c 2"]],
    [{}, [{ separator: ":::", items: ["1"] }, { separator: "::::+", items: ["-"] }], ["1 a 1"]],
    [{}, [{ separator: "::::", items: ["-"] }, { separator: ":::", items: ["1"] }], ["a 1 3", "b 1 3", "c 1 3"]],
    [{ link: true }, [{ separator: ":::", items: ["1"] }, { separator: "::::", items: ["-"] }], [
      ...["1 a 3", "1 b 3", "1 c 3"],
    ]],
  ];
  for (const [flags, sources, commands] of cases) {
    for (const words of [["{}"], ["{} {##}"]]) {
      const io = withInputCopy(ioOf([new TextEncoder().encode("a\nb\nc\n")]));
      const input = await openInput({ flags, words, sources: sources!, hasUniqueIds: true }, io);
      const options = { onInvalid: "abort" as const, report: io.stderr, recorded: undefined };
      assertEquals(
        [
          input.isRepeatable,
          await input.count({ ...options, capacity: () => Promise.resolve({ concurrency: 1, resources: {} }) }),
        ],
        [true, commands.length],
      );
      const texts = (await Array.fromAsync(input.tasks(options))).map(({ cmd }) => (cmd as string).replaceAll("'", ""));
      assertEquals(texts, words[0] === "{}" ? commands.map((text) => text.slice(0, -2)) : commands);
    }
  }
});

test("flags of each that exclude each other are errors", async () => {
  const cases: [flags: EachOptions["flags"], message: string, words?: string[]][] = [
    [{ null: true, delimiter: 9 }, "Cannot use --delimiter with --null: values can have only one end"],
    [{ pipe: true, csv: true }, "Cannot use --csv with --pipe: blocks have no values"],
    [{ pipe: true, "max-args": "max" }, "Cannot use --max-args max with --pipe: --block SIZE limits a block"],
    [{ pipe: true, "max-args": 2, block: 9 }, "Cannot use --block with --max-args"],
    [{ pipe: true, block: 0 }, "--block must be at least 1"],
    [{ pipe: true, "arg-file": ["a", "b"] }, "Cannot use --arg-file twice with --pipe"],
    [{ pipe: true, recend: new Uint8Array(), "max-args": 2 }, "Cannot use -n with an empty --recend"],
    [{ pipe: true }, "Cannot use {}: with --pipe a task has no values, but standard input", ["echo {}"]],
    [{ pipe: true }, "Cannot use {##} or {0#} with --pipe: the number of blocks is unknown", ["echo {##}"]],
    [{ header: true, "max-args": 2 }, "Cannot use --max-args with --header: gathered values have no names"],
    [{ header: true }, "--header takes no value: remove the : after it", [":", "echo", "{a}"]],
    [{ replace: "" }, "--replace must not be empty"],
    [{ csv: true, colsep: "::" }, '--colsep must be one character with --csv, got "::"'],
    [{ colsep: "(" }, "--colsep must be a regular expression such as '\\t' or ',', got \"(\""],
    [{ colsep: "x*" }, '--colsep must not match the empty text, got "x*"'],
    [{ seed: 1 }, "Cannot use --seed without --shuf"],
    [{ recend: Uint8Array.of(1) }, "Cannot use --recend without --pipe"],
  ];
  for (const [flags, message, words = ["cat"]] of cases) {
    await assertRejects(() => tasksOf(words, { flags: flags! }), UsageError, message);
  }
  await assertRejects(
    () => tasksOf(["cat"], { flags: { pipe: true }, sources: sourcesOf("::: a") }),
    UsageError,
    "Cannot use ::: with --pipe: blocks come from standard input, or from -a FILE",
  );
});

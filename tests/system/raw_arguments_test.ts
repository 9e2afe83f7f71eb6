import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import { Buffer } from "node:buffer";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { rawArguments } from "../../system/raw_arguments.ts";
import { PROJECT, RUNTIME, shell, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Starts this runtime in a shell script, with `words` as arguments, and returns what rawArguments() returns. */
async function argumentsOf(words: string): Promise<unknown> {
  return await withTempDirectory(async (directory) => {
    const SCRIPT = join(directory, "print.ts");
    const module = JSON.stringify(join(PROJECT, "system/raw_arguments.ts"));
    await writeFile(
      SCRIPT,
      `import process from 'node:process';\nimport { rawArguments } from ${module};
      console.log(JSON.stringify(rawArguments(process.argv.slice(2))));`,
    );
    const { stdout, stderr } = await shell(`exec $RUNTIME "$SCRIPT" ${words}`, { env: { SCRIPT } });
    return stdout === "" ? stderr : JSON.parse(stdout);
  });
}

const words = [
  "each --",
  `"$(printf 'caf\\351')"`,
  "''",
  `"$(printf '\\360\\237\\230|\\355\\263\\251|\\303\\251')"`,
  "é\ufffd a",
  `"$(printf '\\n\\377\\n.')"`,
].join(" ");

if (RUNTIME !== "deno") {
  test("rawArguments() returns the arguments of the process with all their bytes", async () => {
    assertEquals(await argumentsOf(words), [
      ...["each", "--", "caf\udce9", "", "\udcf0\udc9f\udc98|\udced\udcb3\udca9|é", "é\ufffd", "a", "\n\udcff\n."],
    ]);
  });

  test("rawArguments() refuses arguments whose bytes are unknown", () => {
    const commandLines = [
      () => {
        throw new Error("no /proc");
      },
      () => Buffer.from(""),
      () => Buffer.from("a new title of the process\0"),
      () => Buffer.from("program\0other\ufffd\0"),
      () => Buffer.from("a\xff\0", "latin1"),
    ];
    for (const read of commandLines) {
      assertThrows(
        () => rawArguments(["x", "a\ufffd"], read),
        Error,
        'Cannot use the argument "a\ufffd": it is not UTF-8, or contains U+FFFD',
      );
    }
    const bytes = Buffer.from("runtime\0--flag\0main.ts\0x\0a\xe9\xf0\x9f\x98\0", "latin1");
    assertEquals(rawArguments(["x", "a\ufffd"], () => bytes), ["x", "a\udce9\udcf0\udc9f\udc98"]);
  });
} else {
  test("Deno refuses arguments that are not UTF-8, so that none reaches rawArguments()", async () => {
    const stderr = await argumentsOf(words) as string;
    assertEquals(stderr.split("\n")[0], "error: invalid UTF-8 was detected in one or more arguments");
  });
}

test("rawArguments() returns arguments in UTF-8 unchanged, also with U+FFFD", async () => {
  assertEquals(await argumentsOf("'a b' '' é -x"), ["a b", "", "é", "-x"]);
  assertEquals(await argumentsOf("'a\ufffdb' ''"), ["a\ufffdb", ""]);
});

test("rawArguments() reads the command line only when bytes may be lost", () => {
  const fail = () => {
    throw new Error("no /proc");
  };
  assertEquals(rawArguments(["a", "é", "\ud83d\ude00"], fail), ["a", "é", "\ud83d\ude00"]);
});

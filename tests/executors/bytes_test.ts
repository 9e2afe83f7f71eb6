/** Tests tasks with bytes that are not UTF-8, with both executors. */

import { execFileSync } from "node:child_process";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { assertEquals } from "@std/assert/equals";
import { run as runTasks, type RunOptions, sh, type Task, type TaskResult } from "../../mod.ts";
import { EXECUTORS } from "../../executors/mod.ts";
import { MarkerReader, shellStart } from "../../executors/shell_start.ts";
import { spawnAdapter } from "../../spawn_adapters/node.ts";
import { decodeByteText } from "../../text/byte_text.ts";
import { quoteAlways } from "../../text/shell_quote.ts";
import { collect, lacks, shell, withTempDirectory } from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Each byte that an argument can have, as an argument by itself, and all of them in one. */
const BYTES = Array.from({ length: 255 }, (_, index) => decodeByteText(Uint8Array.of(index + 1)));
const WORDS = [...BYTES, BYTES.join(""), "", "é\n\n", "caf\udce9\n\n", "\udce9\u00e9\ud83d\ude00'\udcff", "-n", "%d%%"];
const EXPECTED = Buffer.concat(WORDS.map((word) => Buffer.concat([bytesOf(word), Buffer.from("|")])));

/** Bytes that mark quotes within dash, bytes that some locales take as blanks or letters, and parts of UTF-8. */
const SPECIAL_BYTES = [0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0xa0, 0xc2, 0xe9, 0xf0, 0xff]
  .map((byte) => BYTES[byte - 1]!);

/** Encodes byte text with an implementation that the tested code does not share. */
function bytesOf(text: string): Uint8Array {
  const characters = [...text].map((character) => {
    const code = character.codePointAt(0)!;
    return code >= 0xdc80 && code <= 0xdcff ? Uint8Array.of(code - 0xdc00) : Buffer.from(character);
  });
  return Buffer.concat(characters);
}

/** Returns what tasks printed to standard output, as bytes in Latin-1. */
function outputOf({ stdout, stdoutEncoding, stderr, outcome, error }: TaskResult): string {
  if (outcome !== "ok") return `${outcome}: ${error ?? stderr}`;
  return Buffer.from(stdout, stdoutEncoding ?? "utf8").toString("latin1");
}

for (const executor of EXECUTORS) {
  const behaves = (behavior: string, fn: () => Promise<void>) => test(`with the ${executor} executor, ${behavior}`, fn);

  const run = (tasks: readonly Task[], options: RunOptions = {}) =>
    collect(runTasks(tasks, { executor, concurrency: 1, keepOrder: true, ...options }));
  const outputsOf = async (tasks: readonly Task[], options?: RunOptions) => (await run(tasks, options)).map(outputOf);

  for (const shell of ["dash", "bash", "mksh"].filter((shell) => !lacks(shell))) {
    behaves(`commands and arguments for ${shell} can have any bytes`, async () => {
      const words = WORDS.map(quoteAlways).join(" ");
      const tasks: Task[] = [
        { cmd: ["printf", "%s|", ...WORDS] },
        { cmd: ["sh", "-c", `printf '%s|' "$@" # /dev/fd`, "sh", ...WORDS] },
        { cmd: `printf '%s|' ${words}` }, // a plain command
        { cmd: `printf '%s|' ${words}; :\n`, timeoutMs: 60_000 },
        { cmd: `f() { printf '%s|' "$@"; }; f ${words}` }, // for a fresh shell
        { cmd: `printf '%s|' ${words}; : /dev/stderr` },
        { cmd: `: ${" ".repeat(140_000)}; printf '%s|' ${words}` },
      ].slice(0, executor === "shell" ? undefined : -1); // only a worker runs a command that is too long for an argument
      const outputs = await outputsOf(tasks, { shell });
      assertEquals(outputs, tasks.map(() => EXPECTED.toString("latin1")));
    });

    behaves(`unquoted bytes mean the same to ${shell} as in a script`, async () => {
      await withTempDirectory(async (cwd) => {
        const commands = SPECIAL_BYTES.flatMap((byte) => [
          `echo a${byte}b`,
          `v${byte}=1`,
          `x=${byte}; echo "$x" ${byte}* > ${byte}.out; cat ${byte}*; rm ${byte}.out`,
          `${byte}`,
        ]);
        const results = await run(commands.map((cmd) => ({ cmd, cwd })), { shell });
        const scripts = commands.map((command) =>
          `( ${shell} -c -- ${quoteAlways(command)} ${shell} ) 2>&1; echo "=$?"\n`
        );
        const expected = execFileSync("sh", { cwd, input: bytesOf(scripts.join("")) }).toString("latin1");
        const actual = results.map(({ stdout, stdoutEncoding, stderr, stderrEncoding, status }) => {
          const bytes = Buffer.concat([
            Buffer.from(stdout, stdoutEncoding ?? "utf8"),
            Buffer.from(stderr, stderrEncoding ?? "utf8"),
          ]);
          return `${bytes.toString("latin1")}=${status}\n`;
        });
        assertEquals(actual.join(""), expected);
      });
    });
  }

  behaves("programs, input files and variables can have any bytes", async () => {
    await withTempDirectory(async (cwd) => {
      await shell(`cd '${cwd}' && printf hi > "$(printf 'in\\351')" && mkdir bin \
        && printf '#!/bin/sh\\nprintf %%s "$1$V"; cat\\n' > "$(printf 'bin/p\\351')" && chmod +x bin/*`);
      const PATH = `${join(cwd, "bin")}:${(await shell('printf %s "$PATH"')).stdout}`;
      const env = { V: "v\udce9", PATH };
      const file = { cwd, stdin: { file: "in\udce9" } };
      const outputs = await outputsOf([
        { cmd: ["./bin/p\udce9", "a\udcff"], cwd, env, stdin: "data" },
        { cmd: ["p\udce9", "a\udcff"], env, ...file },
        { cmd: ["cat"], ...file },
        { cmd: "cat", ...file },
        { cmd: 'printf %s "$V"', env },
        { cmd: ["cat"], cwd, stdin: { file: "missing\udce9" } },
        { cmd: "cat", cwd, stdin: { file: "missing\udce9" } },
      ]);
      const missing =
        'not-started: Cannot start the task: the file for standard input "missing\\udce9" could not be opened';
      assertEquals(outputs, ["a\xffv\xe9data", "a\xffv\xe9hi", "hi", "hi", "v\xe9", missing, missing]);
    });
  });

  behaves("a program with bytes that cannot start has the error of any program", async () => {
    await withTempDirectory(async (cwd) => {
      await shell(`cd '${cwd}' && : > "$(printf 'p\\351')"`);
      const results = await run([
        { cmd: ["./missing\udce9", "a"], cwd },
        { cmd: ["./p\udce9"], cwd },
        { cmd: ["-missing", "\udce9"] },
        { cmd: ["echo", "\udce9".repeat(131_072)] },
        { cmd: ["echo", "\udce9".repeat(131_071)] },
        { cmd: ["sh", "-c", "exit 127", "\udce9"] },
        { cmd: ["sh", "-c", "kill $$", "\udce9"] },
        { cmd: ["echo", "\udce9"], cwd: "/missing" },
        { cmd: ["sh", "-c", "sleep 60", "\udce9"], timeoutMs: 100 },
      ]);
      assertEquals(
        results.map(({ status, error, outcome, stdoutBytes, stdout }) => {
          return `${status} ${error ?? outcome} ${stdoutBytes ?? Buffer.from(stdout, "base64").length}`;
        }),
        [
          '127 Cannot start the task: the program "./missing\\udce9" was not found 0',
          '126 Cannot start the task: the program "./p\\udce9" is not executable 0',
          '127 Cannot start the task: the program "-missing" was not found 0',
          "126 Cannot start the task: the command and its environment exceed the size limit of the system 0",
          "0 ok 131072",
          "127 failed 0",
          "143 killed 0",
          '126 Cannot start the task: the working directory "/missing" does not exist 0',
          "124 The task took longer than its timeout allows 0",
        ],
      );
    });
  });

  behaves("a variable that no shell passes on is an error beside bytes that are not UTF-8", async () => {
    const tasks: Task[] = [{ cmd: ["echo", "\udce9"], env: { "a.b": "1" } }, {
      cmd: ["echo"],
      env: { "a.b": "\udce9" },
    }];
    const error = 'not-started: Cannot start the task: the variable "a.b" cannot be set together with bytes that are ' +
      "not UTF-8, because a shell passes these bytes and does not pass the variable on; set the variable in the " +
      "command instead";
    assertEquals(await outputsOf(tasks), [error, error]);
  });

  behaves("sh quotes bytes", async () => {
    const cmd = sh`printf '%s|' ${"caf\udce9"} ${WORDS.slice(0x7f, 0xff)}`;
    const expected = Buffer.concat([Buffer.from("caf\xe9|", "latin1"), EXPECTED.subarray(0x7f * 2, 0xff * 2)]);
    assertEquals(await outputsOf([{ cmd }]), [expected.toString("latin1")]);
  });

  behaves("the id in the environment of a task is always UTF-8", async () => {
    const cmd = 'printf %s "$TASKRUNNER_ID"';
    assertEquals(await outputsOf([{ id: "a\udce9", cmd }]), [Buffer.from("a\ufffd").toString("latin1")]);
  });
}

const SHELLS = [["dash"], ["bash"], ["mksh"], ["busybox", "sh"]].filter(([shell]) => !lacks(shell!));
for (const [shell, ...options] of SHELLS) {
  for (const locale of ["C", "C.UTF-8"]) {
    test(
      `shellStart() passes any bytes with ${shell} in the locale ${locale}`,
      async () => {
        const command = ["sh", "-c", `printf '%s|' "$@"; printf %s "$V"`, "sh", ...WORDS];
        const env = { LC_ALL: locale, V: "\udce9v\n" };
        const { program: _, args, markers, ...start } = shellStart({ command, env, file: undefined });
        const child = await spawnAdapter.spawn({
          ...start,
          program: shell!,
          args: [...options, ...args],
          stdin: "null",
          stderr: "piped",
        });
        const output = new MarkerReader(child.stdout, markers);
        const chunks: Uint8Array[] = [];
        for (let chunk; (chunk = await output.read());) chunks.push(chunk);
        assertEquals(Buffer.concat(chunks).toString("latin1"), `${EXPECTED.toString("latin1")}\xe9v\n`);
        assertEquals((await child.exited).code, 0);
      },
    );
  }
}

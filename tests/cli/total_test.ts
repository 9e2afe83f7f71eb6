/** `--total`: the number of tasks of an input that can be read only once. */

import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import { assertStringIncludes } from "@std/assert/string-includes";
import { InputCopy } from "../../cli/input_copy.ts";
import { withoutWrongTotal } from "../../cli/input_total.ts";
import {
  byteStream,
  jsonLines,
  shell,
  startShell,
  startTaskrunner,
  taskrunner,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Calls a function with a directory for temporary files. */
async function withTmpdir(use: (directory: string) => Promise<void>): Promise<void> {
  const { TMPDIR } = process.env;
  await withTempDirectory(async (directory) => {
    process.env.TMPDIR = directory;
    try {
      await use(directory);
    } finally {
      if (TMPDIR === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = TMPDIR;
    }
  });
}

/** Returns the target of a symbolic link; an empty text if the link is gone. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of chunks) text += decoder.decode(chunk, { stream: true });
  return text;
}

test("InputCopy gives both readers the same bytes, and leaves no file even while it is read", async () => {
  await withTmpdir(async (directory) => {
    const text = "naïve\0 \n".repeat(100_000);
    let opened = 0;
    const copy = new InputCopy(() => {
      opened++;
      return byteStream(text, 10_000);
    });
    const first = copy.open();
    const begin = new TextDecoder().decode((await first.next()).value!);
    assertEquals(readdirSync(directory), []);
    assertEquals(begin + await readAll(first), text);
    assertEquals(await readAll(copy.open()), text);
    assertEquals(opened, 1);
  });
});

test("InputCopy passes the error of its source, refuses a larger input, and explains a missing directory", async () => {
  await withTmpdir(async (directory) => {
    const broken = async function* () {
      yield new Uint8Array(1);
      throw await Promise.resolve(new Error("broken"));
    };
    await assertRejects(() => readAll(new InputCopy(broken).open()), Error, "broken");
    const long = new InputCopy(() => byteStream("x".repeat(1_025), 100), 1_024);
    await assertRejects(() => readAll(long.open()), Error, "the limit of --total auto; give --total N, or a file");
    assertEquals(await readAll(new InputCopy(() => byteStream("x".repeat(1_024)), 1_024).open()), "x".repeat(1_024));
    await rm(directory, { recursive: true });
    await assertRejects(
      () => readAll(new InputCopy(() => byteStream("x")).open()),
      Error,
      `--total auto cannot copy it to ${directory}: no such file or directory; give --total N, or a file`,
    );
  });
});

test("withoutWrongTotal() drops a total that the finished tasks exceed", () => {
  const progress = { finished: 3, failed: 0, running: 0, retrying: 0 };
  assertEquals([2, 3, undefined].map((total) => withoutWrongTotal({ ...progress, total }).total), [
    undefined,
    3,
    undefined,
  ]);
});

test("--halt N% works on standard input with --total, and exits with the percentage", async () => {
  const stdin = jsonLines([{ cmd: "exit 1" }, { cmd: "exit 1" }, { cmd: "true" }, { cmd: "true" }]);
  const halt = ["-j1", "--halt", "now,fail=50%"];
  for (const [total, results] of [["auto", 2], ["4", 2], ["2", 1]] as const) {
    const ended = await taskrunner([...halt, "--total", total], { stdin });
    assertEquals([ended.results.length, ended.status, ended.stderr], [results, 50, ""], total);
  }
  const each = await taskrunner(["each", "--format=json", ...halt, "--total=auto", "exit {}"], {
    stdin: "1\n1\n0\n0\n",
  });
  assertEquals([each.results.length, each.status], [2, 50]);
  const unknown = await taskrunner(halt, { stdin });
  assertEquals(unknown.status, 255);
  assertStringIncludes(unknown.stderr, "give --total N or --total auto, a task file, or values after :::");
});

test("--total auto checks the whole input before the first task, also of a FIFO", async () => {
  await withTempDirectory(async (directory) => {
    const stdin = `{"cmd":"touch ${directory}/ran"}\nbad\n`;
    const { status, stderr } = await taskrunner(["--total", "auto"], { stdin });
    assertEquals([status, existsSync(join(directory, "ran"))], [255, false]);
    assertStringIncludes(stderr, "standard input:2: ");
    const fifo = join(directory, "fifo");
    const halt = `--halt now,done=50% -j1 -q --total auto`;
    const two = await shell(
      `mkfifo ${fifo}; seq 2 | sed 's/.*/{"cmd":"echo &"}/' > ${fifo} & until test -p ${fifo}; do sleep 0.01; done; exec $RUNTIME cli.ts ${fifo} ${halt}`,
    );
    assertEquals([two.stdout.split("\n").length - 1, two.status], [1, 0], two.stderr);
  });
});

test("--total must be auto or a positive integer, and may be wrong", async () => {
  for (const total of ["0", "-1", "1.5", "all"]) {
    const { status, stderr } = await taskrunner([`--total=${total}`]);
    assertEquals(status, 255);
    assertStringIncludes(stderr, `--total must be auto or an integer of at least 1, got "${total}"`);
  }
  const { status, results } = await taskrunner(["each", "--format=json", "--total=2", "true"], { stdin: "1\n2\n3\n" });
  assertEquals([status, results.length], [0, 3]);
});

test("a signal ends a run that --total auto keeps waiting for its input", async () => {
  await withTempDirectory(async (directory) => {
    const { child, ended } = startTaskrunner(["--total=auto", "-q"], { env: { TMPDIR: directory } });
    child.stdin!.write('{"cmd":"true"}\n');
    await waitFor("the copy", () => {
      const descriptors = `/proc/${child.pid}/fd`;
      return readdirSync(descriptors).some((name) => linkOf(join(descriptors, name)).startsWith(directory));
    });
    process.kill(child.pid!, "SIGTERM");
    assertEquals((await ended).status, 143);
    assertEquals(readdirSync(directory), []);
  });
});

test("the bar of a run with --total shows the share of the tasks on standard input", async () => {
  await withTempDirectory(async (directory) => {
    const wait = `if [ {} = 2 ]; then until test -e ${directory}/go; do sleep 0.01; done; fi`;
    await writeFile(join(directory, "run"), `seq 4 | $RUNTIME cli.ts each --total "$1" -q -j1 '${wait}' > /dev/null`);
    for (const [total, share] of [["auto", "1/4 25%"], ["10", "1/10 10%"]]) {
      const { output, ended } = startShell(
        `exec script -qec 'stty cols 100; sh ${directory}/run ${total}' /dev/null`,
        { stdin: undefined },
      );
      await waitFor("the bar", () => output.stdout.includes(`${share} done, 1 running`));
      await writeFile(join(directory, "go"), "");
      assertEquals((await ended).status, 0);
      await rm(join(directory, "go"));
    }
  });
});

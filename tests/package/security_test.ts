/** Tests of guarantees in docs/security.md that no other test covers. */

import { existsSync, symlinkSync, unlinkSync } from "node:fs";
import { chmod, mkdir, open, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertStringIncludes } from "@std/assert/string-includes";
import { collectOutputFile } from "../../executors/shell/output_file.ts";
import { ScratchDirectory } from "../../executors/shell/scratch_directory.ts";
import { run } from "../../mod.ts";
import { ReportCollector } from "../../report/collector.ts";
import { contentPolicy } from "../../report/html.ts";
import { SCRIPT } from "../../report/page.generated.ts";
import { factsOf } from "../../results/statistics/results_reader.ts";
import { pathOfTest } from "../../dev/reliability/test_file.ts";
import { installedPackages } from "../../dev/release/packages.ts";
import { classifyAudit } from "../../dev/tools/audit.ts";
import {
  collect,
  jsonLines,
  parseResults,
  PROJECT,
  resultWith,
  shell,
  start,
  startShell,
  startTaskrunner,
  taskFile,
  taskrunner,
  unlimitedLocation,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { Sandbox } from "../support/sandbox.ts";
import { test } from "../support/test.ts";

/** Ids that would be dangerous or invalid as file names. */
const IDS = ["../../x", "/etc/x", ".", "..", "", "a/b", "a\0b", "-rf", "x".repeat(300), "\n", "$(touch x)", "*"];

/** Returns the paths of all files and directories below a directory. */
async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true })).map(String).sort();
}

test("ids never become file names: output files are named by task number", async () => {
  await withTempDirectory(async (directory) => {
    const tasks = await taskFile(directory, IDS.map((id) => ({ id, cmd: ["echo", "long enough"] })));
    const numbers = IDS.map((_, index) => `${index + 1}.stdout`).sort();
    const expected = ["tasks.jsonl"];
    for (const executor of ["shell", "process"]) {
      const output = `${executor}.jsonl`;
      const args = [tasks, "-o", output, "--max-inline", "3", "--executor", executor];
      const options = { cwd: directory, env: { TMPDIR: directory } };
      const { status, stderr } = await startShell(`exec $RUNTIME ${PROJECT}/cli.ts -q ${args.join(" ")}`, options)
        .ended;
      assertEquals([status, stderr], [0, ""]);
      const results = parseResults(await readFile(join(directory, output), "utf8"));
      assertEquals(results.map(({ id }) => id).sort(), [...IDS].sort());
      const spilled = join(directory, `${output}.output`);
      assertEquals((await readdir(spilled)).sort(), numbers);
      for (const { stdoutFile } of results) {
        assertEquals(
          await readFile(join(directory, stdoutFile!.slice(-200).split("/").slice(-2).join("/")), "utf8"),
          "long enough\n",
        );
      }
      expected.push(output, `${output}.output`, ...numbers.map((name) => `${output}.output/${name}`));
    }
    for (const command of ["report", "trace"]) {
      const args = [command, join(directory, "shell.jsonl"), "-o", join(directory, command)];
      assertEquals((await taskrunner(args)).status, 0);
      expected.push(command);
    }
    assertEquals(await namesIn(directory), expected.sort());
  });
});

/** Text that controls a terminal: OSC 52 and 8, CSI in 7 and 8 bits, BEL, CR, DEL, and marks that reverse text. */
const HOSTILE = "\x1b]52;c;aGk=\x07\x1b]8;;http://x\x1b\\\x1b[2J\x9b31m\x90\x9d\r\b\x7f\u202e\u2066\u061c\u2028<";
// deno-lint-ignore no-control-regex -- matching control characters is the purpose
const CONTROL = /[\x00-\x09\x0b-\x1f\x7f-\x9f\p{Bidi_Control}\u2028\u2029]/u;

function assertHarmless(text: string, what: string): void {
  assert(text !== "", `${what} has no output`);
  assert(!CONTROL.test(text), `${what}: ${JSON.stringify(text)}`);
}

test("no command prints control characters from outside to a terminal", async () => {
  await withTempDirectory(async (directory) => {
    const tasks = await taskFile(directory, [
      { id: `${HOSTILE}1`, cmd: ["printf", "%s", HOSTILE], meta: HOSTILE },
      { id: `${HOSTILE}2`, cmd: ["no-such-program" + HOSTILE.replace("/", "")] },
      { id: `${HOSTILE}3`, cmd: "true", cwd: `/nowhere${HOSTILE}` },
      { id: `${HOSTILE}4`, cmd: ["sh", "-c", 'printf %s "$0" >&2; exit 1', HOSTILE] },
      { id: `${HOSTILE}5`, cmd: "exit 1", [HOSTILE]: 1 },
      HOSTILE,
    ], `${HOSTILE.replaceAll("/", "")}.jsonl`);
    const output = join(directory, `${HOSTILE.replaceAll("/", "")}.results`);
    const first = await startTaskrunner([tasks, "-o", output, "--on-invalid", "skip"], { stdin: "" }).ended;
    assertEquals(first.status, 255);
    assertHarmless(first.stderr, "a run");
    const written = await readFile(output, "utf8");
    assertHarmless(written, "a file of results");
    assertEquals(parseResults(written).find(({ id }) => id === `${HOSTILE}1`)!.stdout, HOSTILE);
    await writeFile(`${output}2`, written.replace("]52;", "]53;") + "{");

    const changed = join(directory, "changed.jsonl");
    await writeFile(changed, jsonLines([{ id: `${HOSTILE}1`, cmd: "true" }]));
    const commands: Record<string, string[]> = {
      "--resume": [changed, "--resume", "-o", output],
      "--dry-run": ["--dry-run", tasks],
      "each --dry-run": ["each", "--dry-run", "true {}", ":::", HOSTILE],
      "a flag": [`--${HOSTILE}`],
      "a name that is not there": [`${tasks}.not`],
      stats: ["stats", `${output}2`],
      "stats --json": ["stats", "--json", output],
      trace: ["trace", output],
      failed: ["failed", output],
      "failed --cmd": ["failed", "--cmd", "--tasks", "/dev/null", output],
      "a file of credentials": ["--nats", "nats://127.0.0.1:1", "--queue", "q", "--nats-creds", `${tasks}.not`],
    };
    const shown = await Promise.all(Object.values(commands).map((args) => startTaskrunner(args, { stdin: "" }).ended));
    for (const [index, what] of Object.keys(commands).entries()) {
      assertHarmless(shown[index]!.stdout + shown[index]!.stderr, what);
    }
  });
});

test("a hostile NATS server can neither control the terminal nor learn secrets", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => {}).write(
      `INFO {"server_id":"x","version":"2.10.0","proto":1,"max_payload":9,"headers":true}\r\n`,
    );
    socket.once("data", () => socket.end(`-ERR '${HOSTILE.replace("\r", "")}'\r\n`));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const secret = "pass-word";
  const urls = [
    `nats://me:${secret}@127.0.0.1:${port}`,
    `nats://${secret}@127.0.0.1:1`,
    `nats://me:${secret}/@:x@127.0.0.1`,
  ];
  const args = ["each", "--queue", "q", "echo {}", ":::", "1"];
  const runs = urls.map((url) =>
    startTaskrunner(args, { stdin: "", env: { NATS_URL: url, TOP_SECRET: secret } }).ended
  );
  for (const { status, stdout, stderr } of await Promise.all(runs)) {
    assertEquals([status, stdout], [255, ""]);
    assertStringIncludes(stderr, "Cannot connect to NATS");
    assertHarmless(stderr, "a refusal");
    assert(!stderr.includes(secret), stderr);
  }
  server.close();
});

/** Prefix of a command that drops all privileges; only root can switch to another user. */
const NOBODY = process.getuid!() === 0 ? "setpriv --reuid 65534 --regid 65534 --clear-groups" : undefined;

test(
  "temporary files and large output are private at any umask, other files follow the umask",
  async () => {
    await Promise.all(["022", "000"].map((umask) =>
      Sandbox.with(async (sandbox) => {
        const tmp = sandbox.env["TMPDIR"]!;
        for (const path of [sandbox.directory, tmp, sandbox.shm]) await chmod(path, 0o1777);
        // Lists everything below /dev/shm and TMPDIR, then what another user can see of it.
        const list = `find /dev/shm $TMPDIR -mindepth 1 -printf '%m %y %d\\n' | sort | uniq -c; ` +
          (NOBODY ? `${NOBODY} find /dev/shm $TMPDIR -mindepth 2; ${NOBODY} cat ${sandbox.output}.output/*` : ":");
        const tasks = [
          { id: "large", cmd: "echo 0123456789" },
          { id: "list", cmd: `sleep 0 && (${list}) 2>/dev/null; true`, stdin: "a secret" },
        ];
        const args = ["-j1", "-k", "--max-inline", "10"];
        const { ended } = await sandbox.run(tasks, args, {}, `umask ${umask}`);
        assertEquals((await ended).status, 0);
        const [, listed] = sandbox.results();
        const text = listed!.stdoutFile ? await readFile(listed!.stdoutFile, "utf8") : listed!.stdout;
        // The directories are private, so the exact mode of the files in them does not matter.
        const lines = text.split("\n").slice(0, -1);
        assertEquals(lines.filter((line) => !/^ +\d+ (700 d [12]|6\d\d f 3)$/.test(line)), []);
        assertEquals(lines.filter((line) => line.includes(" 700 d ")).length, 2);
        assert(lines.some((line) => line.endsWith(" 600 f 3")), text);

        const { ended: traced } = sandbox.start(
          ["trace", sandbox.output, "-o", `${sandbox.output}.trace`],
          {},
          `umask ${umask}`,
        );
        await traced;
        const shared = (0o666 & ~Number.parseInt(umask, 8)).toString(8);
        const modes = await shell(`cd ${sandbox.directory} && stat -c '%a %n' results.jsonl*  results.jsonl.output/*`);
        const expected = [`${shared} results.jsonl`, "700 results.jsonl.output", `${shared} results.jsonl.trace`];
        assertEquals(modes.stdout.trim().split("\n"), [
          ...expected,
          ...["1", "2"].map((n) => `600 results.jsonl.output/${n}.stdout`),
        ]);
      })
    ));
  },
);

test("a link in place of a file or directory to create is not followed", async () => {
  await withTempDirectory(async (directory) => {
    const [victim, spill, source] = ["victim", "spill", "source"].map((name) => join(directory, name));
    await mkdir(victim!);
    const file = join(victim!, "file");
    await writeFile(file, "precious");

    // Another writer of the directory replaces the destination with a link while output is moved.
    await writeFile(source!, "x".repeat(100));
    const options = { maxInlineBytes: 10, onLimit: () => {} };
    for (const maxOutputBytes of [50, 1000]) {
      await writeFile(source!, "x".repeat(100));
      const taken = await collectOutputFile(source!, {
        ...options,
        maxOutputBytes,
        async createFile() {
          const handle = await open(spill!, "wx", 0o600);
          unlinkSync(spill!);
          symlinkSync(file, spill!);
          return { path: spill!, handle };
        },
      });
      assertEquals(taken!.output.text, "x".repeat(10));
      assertEquals(await readFile(file, "utf8"), "precious");
      unlinkSync(spill!);
    }

    // Links exist at the first candidates for the name.
    await mkdir(spill!);
    for (const name of ["1.stdout", "1-2.stdout"]) await symlink(file, join(spill!, name));
    const [result] = await collect(run([{ cmd: "echo 0123456789" }], { maxInlineBytes: 1, spillDir: spill! }));
    assertEquals(result!.stdoutFile, join(spill!, "1-3.stdout"));
    assertEquals(await readFile(file, "utf8"), "precious");

    // Another user has guessed the name of the temporary directory.
    const scratch = new ScratchDirectory("guessed", [unlimitedLocation(directory)]);
    const worker = scratch.reserve();
    symlinkSync(victim!, worker.parent);
    let error: unknown;
    try {
      worker.make();
    } catch (thrown) {
      error = thrown;
    }
    assertMatch(String(error), /EEXIST/);
    await scratch.close();
    assertEquals(await readdir(victim!), ["file"]);
    assert(existsSync(worker.parent), "the foreign link stays");
  });
});

if (NOBODY) {
  test("another user can neither read nor change temporary files", async () => {
    await Sandbox.with(async (sandbox) => {
      const directories = [sandbox.env["TMPDIR"]!, sandbox.shm];
      for (const path of [sandbox.directory, ...directories]) await chmod(path, 0o1777);
      const [begun, over, victim] = ["begun", "over", "victim"].map((name) => join(sandbox.directory, name));
      await mkdir(victim!);
      for (const name of ["1", "1.out", "tasks.jsonl"]) await writeFile(join(victim!, name), "precious");
      // Repeatedly tries to read, move and remove every temporary directory, and to replace it with a link.
      const script = `until [ -e ${over} ]; do
        for each in ${directories.map((path) => `${path}/taskrunner*`).join(" ")}; do
          [ -d "$each" ] && [ ! -L "$each" ] || continue
          : > ${begun}; cat "$each"/* "$each"/*/*; mv "$each" "$each.x" && echo moved; rm -r "$each" && echo removed
          ln -s ${victim}/1.out "$each/1.out" && echo linked; ln -s ${victim} "$each"
        done
      done 2> /dev/null`;
      const attack = start("sh", ["-c", `exec ${NOBODY} sh -c '${script}'`], { stdin: "" });
      const ids = Array.from({ length: 20 }, (_, index) => `${index}`);
      const tasks = ids.map((id) => ({ id, cmd: `echo secret ${id}; cat`, stdin: "too" }));
      const wait = { id: "wait", cmd: `until [ -e ${begun} ]; do sleep 0.01; done` };
      const { ended } = await sandbox.run([wait, ...tasks], ["-j4"]);
      assertEquals((await ended).status, 0);
      await writeFile(over!, "");
      assertEquals((await attack.ended).stdout, "");
      assertEquals((await shell(`cd ${victim} && cat *`)).stdout, "precious".repeat(3));
      sandbox.assertOneResultEach(["wait", ...ids]);
      for (const { id, stdout } of sandbox.results()) if (id !== "wait") assertEquals(stdout, `secret ${id}\ntoo`);
    });
  });
}

test(
  "secrets in the environment, env and stdin appear in no file, message or command line",
  async () => {
    await Sandbox.with(async (sandbox) => {
      const [secret, go] = ["s3cret-w0rd", join(sandbox.directory, "go")];
      const given = { env: { OWN: secret }, stdin: secret };
      const tasks = [
        { id: "1", cmd: "exit 3", ...given },
        { id: "2", cmd: ["no-such-program"], ...given },
        { id: "3", cmd: "kill -9 $$", ...given },
        { id: "4", cmd: "true", cwd: "/nowhere", ...given },
        { id: "5", cmd: `until [ -e ${go} ]; do sleep 0.02; done; echo $OWN | wc -c`, ...given },
      ];
      const file = await taskFile(sandbox.directory, tasks);
      const env = { TOP_SECRET: secret, NATS_PASSWORD: secret, NATS_USER: "me" };
      const { output, ended } = sandbox.start([file, "-j5", "-o", sandbox.output, "--watch", "0"], { stdin: "", env });
      await waitFor("four of five results", () => existsSync(sandbox.output) && sandbox.results().length === 4);
      const commandLines = sandbox.commandLines();
      assert(commandLines.length >= 6, `${commandLines.length} processes`);
      assertEquals(commandLines.filter((text) => text.includes(secret)), []);
      await writeFile(go, "");
      assertEquals((await ended).status, 4);
      const report = `${sandbox.output}.html`;
      assertEquals((await sandbox.start(["report", sandbox.output, "-o", report]).ended).status, 0);
      const texts = [output.stderr, await readFile(sandbox.output, "utf8"), await readFile(report, "utf8")];
      for (const text of texts) assert(!text.includes(secret), text.slice(0, 2_000));
      assertEquals(sandbox.results().find(({ id }) => id === "5")!.stdout, "12\n");
      await sandbox.waitForCleanup();
    });
  },
);

test("names that are special in JavaScript are ordinary names", async () => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
  const fields = (value: unknown) => names.map((name) => `"${name}":${JSON.stringify(value)}`).join();
  const lines = names.map((name) =>
    `{"id":"${name}","cmd":"env | grep -c '=value$'","env":{${fields("value")}},"meta":{${fields(1)}}}`
  );
  const { status, stdout, results } = await taskrunner(["-k"], { stdin: lines.join("\n") });
  assertEquals([status, results.map(({ id, stdout }) => [id, stdout])], [0, names.map((name) => [name, "4\n"])]);
  assertEquals(stdout.split("\n").filter((line) => line.includes(`"meta":{${fields(1)}}`)).length, 4);
  const { stdout: figures } = await taskrunner(["stats", "-", "--json"], { stdin: stdout });
  assertEquals(JSON.parse(figures).results, 4);
});

/** Sends bytes and returns the status codes of the responses, after `count` of them or when the connection closes. */
function answerTo(port: number, bytes: string, count = 1): Promise<number[]> {
  return new Promise((resolve) => {
    let text = "";
    const statuses = () => [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status));
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.on("error", () => {}).on("close", () => resolve(statuses()));
    socket.setEncoding("latin1").on("data", (chunk) => {
      text += chunk;
      if (statuses().length >= count) socket.destroy();
    });
  });
}

test(
  "the live page answers no request without its key and host name, and survives any bytes",
  async () => {
    await withTempDirectory(async (directory) => {
      const go = join(directory, "go");
      const started = startTaskrunner([
        "each",
        "--format",
        "json",
        "--watch",
        "0",
        `until [ -e ${go} ]; do sleep 0.05; done; echo {}`,
        ":::",
        "x",
      ], { stdin: "" });
      const find = () => /http:\S+/.exec(started.output.stderr)?.[0];
      await waitFor("the address", find);
      const { pathname, host, port } = new URL(find()!);
      const get = (path: string, ...headers: string[]) =>
        `GET ${path} HTTP/1.1\r\n${headers.map((line) => `${line}\r\n`).join("")}\r\n`;
      const right = `Host: ${host}`;
      const probes: [name: string, bytes: string, expected: number[]][] = [
        ["the address", get(pathname, right), [200]],
        ["no host", get(pathname), [400]],
        ["no host in HTTP/1.0", get(pathname).replace("1.1", "1.0"), [403]],
        ["a rebound host", get(pathname, `Host: evil.example:${port}`), [403]],
        ["two hosts", get(pathname, "Host: evil.example", right), [403]],
        ["a user in the host", get(pathname, "Host: 127.0.0.1@evil.example"), [403]],
        ["the address of another server", get(`http://${host}${pathname}`, right), [404]],
        ["a parent directory", get(`${pathname}../../etc/passwd`, right), [404]],
        ["an encoded parent directory", get(`${pathname}%2e%2e%2fetc/passwd`, right), [404]],
        ["an encoded key", get(`/%${pathname.charCodeAt(1).toString(16)}${pathname.slice(2)}`, right), [404]],
        ["slashes", get(`//${pathname}`, right), [404]],
        ["NUL", get(`${pathname}\0`, right), [400]],
        ["HEAD", get(pathname, right).replace("GET", "HEAD"), [405]],
        ["TRACE", get(pathname, right).replace("GET", "TRACE"), [405]],
        ["CONNECT", get(pathname, right).replace("GET", "CONNECT"), []],
        ["an unknown method", get(pathname, right).replace("GET", "XYZ"), [400]],
        ["a header of 1 MB", get(pathname, right, `X: ${"x".repeat(1e6)}`), [431]],
        ["5,000 headers", get(pathname, right, ...Array.from({ length: 5_000 }, (_, index) => `X${index}: x`)), [431]],
        ["two lengths", get("/", right, "Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n", [400]],
        ["no HTTP", "\x16\x03\x01\x02\0\x01", [400]],
        [
          "pipelined requests",
          get("/", right) + get(pathname, "Host: x") + get(pathname, right).replace("GET", "POST") +
          get(pathname, right),
          [404, 403, 405, 200],
        ],
      ];
      for (const [name, bytes, expected] of probes) {
        const statuses = await answerTo(Number(port), bytes, expected.length || 1);
        // The server closes before reading a large request completely; the reset may discard its response.
        if (bytes.length < 10_000 || statuses.length > 0) assertEquals(statuses, expected, name);
      }
      // Requests that never end, on all permitted connections, delay neither the run nor its end.
      const slow = Array.from({ length: 70 }, () => connect(Number(port), "127.0.0.1").on("error", () => {}));
      for (const socket of slow) socket.write("GET / HTTP/1.1\r\nHost: ");
      await writeFile(go, "");
      const { status, stdout } = await started.ended;
      assertEquals([status, parseResults(stdout)[0]!.stdout], [0, "x\n"]);
      for (const socket of slow) socket.destroy();
    });
  },
);

/** Returns packages and their dependencies, as `name | version | license`. */
async function licensesOf(names: readonly string[]): Promise<string[]> {
  const packages = [...(await installedPackages(names)).values()];
  return packages.map(({ name, version, license }) => `${name} | ${version} | ${license}`);
}

test("docs/security.md lists every bundled package with its version and license", async () => {
  const { dependencies, devDependencies } = JSON.parse(await readFile(join(PROJECT, "package.json"), "utf8"));
  const fetched = (scope: string) => Object.keys(devDependencies).filter((name) => name.startsWith(`@${scope}/`));
  const inPage = [...SCRIPT.matchAll(/^(\S+) (\d+\.\d+\.\d+), (\S+)$/gm)].map(([, ...row]) => row.join(" | "));
  assertEquals(inPage.length, 3);
  const used = {
    always: await licensesOf(Object.keys(dependencies)),
    "`--nats`": await licensesOf(fetched("nats-io")),
    telemetry: await licensesOf(fetched("opentelemetry")),
    "in reports": inPage,
  };
  const expected = Object.entries(used).flatMap(([when, rows]) => rows.map((row) => `${row} | ${when}`));
  const text = await readFile(join(PROJECT, "docs", "security.md"), "utf8");
  const listed = [...text.matchAll(/^\| (\S+) +\| (\d\S+) +\| (\S+) +\| (.+?) +\|$/gm)].map(([, ...row]) =>
    row.join(" | ")
  );
  assertEquals(listed.filter((row) => !row.startsWith("@std/")).sort(), expected.sort());
});

test("a report contains the complete licenses of the bundled packages", async () => {
  for (const file of ["echarts/LICENSE", "echarts/NOTICE", "echarts/licenses/LICENSE-d3", "zrender/LICENSE"]) {
    assertStringIncludes(SCRIPT, (await readFile(join(PROJECT, "node_modules", file), "utf8")).trim());
  }
});

test("every guarantee in docs/security.md has a test", async () => {
  const text = (await readFile(join(PROJECT, "docs", "security.md"), "utf8")).replace(/\s+/g, " ");
  const rows = text.match(/(?<=\| )[a-z_]+: "[^|]*/g)!;
  assert(rows.length > 20, `${rows.length} guarantees`);
  for (const row of rows) {
    for (const [, name, titles] of row.matchAll(/([a-z_]+): ("[^;]*)/g)) {
      const source = await readFile(join(PROJECT, pathOfTest(name!)), "utf8");
      for (const [title] of titles!.matchAll(/"[^"]+"/g)) assert(source.includes(title), `${name} has no ${title}`);
    }
  }
});

test("contentPolicy() allows only the page's own script and style", () => {
  for (const isLive of [false, true]) {
    const [first, ...others] = contentPolicy(isLive).split("; ");
    assertEquals([first, others.length], ["default-src 'none'", 5]);
    const connect = `connect-src ${isLive ? "'self'" : "'none'"}`;
    for (const each of [connect, "base-uri 'none'", "form-action 'none'"]) assert(others.includes(each), each);
    for (const kind of ["script-src", "style-src"]) {
      assertMatch(others.find((each) => each.startsWith(kind))!, /^\S+ 'sha256-[\w+/]{43}='$/);
    }
  }
});

test("a report does not open files named in results", async () => {
  await withTempDirectory(async (directory) => {
    const file = join(directory, "private");
    await writeFile(file, "not for you");
    const result = resultWith({ outcome: "failed", status: 1, stderr: "first", stderrBytes: 11, stderrFile: file });
    const collector = new ReportCollector();
    collector.add(factsOf(result), () => result);
    const text = JSON.stringify(collector.data("results.jsonl"));
    assertStringIncludes(text, `first\\n(all 11 bytes are in ${file})`);
    assert(!text.includes("not for you"));
  });
});

test("classifyAudit() passes without known vulnerabilities, and when the registry does not answer", () => {
  const none = { metadata: { vulnerabilities: { total: 0 } } };
  assertEquals(classifyAudit(none), { isPassed: true, text: "no known vulnerabilities" });
  const some = { metadata: { vulnerabilities: { total: 2 } }, vulnerabilities: { a: {}, b: {} } };
  assertEquals(classifyAudit(some), { isPassed: false, text: "known vulnerabilities: a, b" });
  const refused = { message: "405 Method Not Allowed - POST https://registry/advisories/bulk", statusCode: 405 };
  assertEquals(classifyAudit(refused).isPassed, true);
  assertStringIncludes(classifyAudit(refused).text, "the registry did not answer: 405 Method Not Allowed");
});

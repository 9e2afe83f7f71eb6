/** What docs/security.md says, where no other test says it. */

import { test } from "node:test";
import { existsSync, readFileSync, symlinkSync, unlinkSync } from "node:fs";
import { chmod, mkdir, open, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { dirname, join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertMatch } from "@std/assert/match";
import { assertStringIncludes } from "@std/assert/string-includes";
import { takeOutputFile } from "../../executors/shell/output_file.ts";
import { ScratchDirectory } from "../../executors/shell/scratch_directory.ts";
import { run } from "../../mod.ts";
import { ReportCollector } from "../../report/collector.ts";
import { contentPolicy } from "../../report/html.ts";
import { SCRIPT } from "../../report/page.generated.ts";
import { factsOf } from "../../results/statistics/results_reader.ts";
import { pathOfTest } from "../../dev/reliability/test_file.ts";
import { verdictOf } from "../../dev/tools/audit.ts";
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
  TIMEOUT,
  unlimitedPlace,
  waitFor,
  withTempDirectory,
} from "../support/helpers.ts";
import { RunPlace } from "../support/run_place.ts";

/** Ids that would be paths, or break a name. */
const IDS = ["../../x", "/etc/x", ".", "..", "", "a/b", "a\0b", "-rf", "x".repeat(300), "\n", "$(touch x)", "*"];

/** All files and directories below one. */
async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory, { recursive: true })).map(String).sort();
}

test("no file gets its name from an id: output is named by the number of its task", TIMEOUT, async () => {
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

/** What a terminal could do something at: OSC 52 and 8, CSI of 7 and of 8 bits, BEL, CR, DEL, and what turns text round. */
const HOSTILE = "\x1b]52;c;aGk=\x07\x1b]8;;http://x\x1b\\\x1b[2J\x9b31m\x90\x9d\r\b\x7f\u202e\u2066\u061c\u2028<";
// deno-lint-ignore no-control-regex -- control characters are what it is about
const STEERING = /[\x00-\x09\x0b-\x1f\x7f-\x9f\p{Bidi_Control}\u2028\u2029]/u;

function assertHarmless(text: string, what: string): void {
  assert(text !== "", `${what} says nothing`);
  assert(!STEERING.test(text), `${what}: ${JSON.stringify(text)}`);
}

test("nothing from outside can steer a terminal, whichever command shows it", TIMEOUT, async () => {
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
      "--print": ["each", "true {}", "--print", ":::", HOSTILE],
      "a flag": [`--${HOSTILE}`],
      "a name that is not there": [`${tasks}.not`],
      stats: ["stats", `${output}2`],
      "stats --json": ["stats", "--json", output],
      trace: ["trace", output],
      "a file of credentials": ["--nats", "nats://127.0.0.1:1", "--queue", "q", "--nats-creds", `${tasks}.not`],
    };
    const shown = await Promise.all(Object.values(commands).map((args) => startTaskrunner(args, { stdin: "" }).ended));
    for (const [index, what] of Object.keys(commands).entries()) {
      assertHarmless(shown[index]!.stdout + shown[index]!.stderr, what);
    }
  });
});

test("a hostile server of NATS can neither steer a terminal nor learn what it may not", TIMEOUT, async () => {
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
  const args = ["each", "echo {}", "--queue", "q", ":::", "1"];
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

/** Who can do nothing that is not everybody's. Only root can become somebody else. */
const NOBODY = process.getuid!() === 0 ? "setpriv --reuid 65534 --regid 65534 --clear-groups" : undefined;

test(
  "temporary files and large output are private whatever the umask, and the rest is as the umask says",
  TIMEOUT,
  async () => {
    await Promise.all(["022", "000"].map((umask) =>
      RunPlace.with(async (place) => {
        const tmp = place.env["TMPDIR"]!;
        for (const path of [place.directory, tmp, place.shm]) await chmod(path, 0o1777);
        // Says what there is outside of /dev/shm and TMPDIR themselves, and what somebody else can see of it.
        const look = `find /dev/shm $TMPDIR -mindepth 1 -printf '%m %y %d\\n' | sort | uniq -c; ` +
          (NOBODY ? `${NOBODY} find /dev/shm $TMPDIR -mindepth 2; ${NOBODY} cat ${place.output}.output/*` : ":");
        const tasks = [
          { id: "large", cmd: "echo 0123456789" },
          { id: "look", cmd: `sleep 0 && (${look}) 2>/dev/null; true`, stdin: "a secret" },
        ];
        const args = ["-j1", "-k", "--max-inline", "10"];
        const { ended } = await place.run(tasks, args, {}, `umask ${umask}`);
        assertEquals((await ended).status, 0);
        const [, looked] = place.results();
        const said = looked!.stdoutFile ? await readFile(looked!.stdoutFile, "utf8") : looked!.stdout;
        // Directories are private, so it does not matter what the files in them are.
        const lines = said.split("\n").slice(0, -1);
        assertEquals(lines.filter((line) => !/^ +\d+ (700 d [12]|6\d\d f 3)$/.test(line)), []);
        assertEquals(lines.filter((line) => line.includes(" 700 d ")).length, 2);
        assert(lines.some((line) => line.endsWith(" 600 f 3")), said);

        const { ended: traced } = place.start(
          ["trace", place.output, "-o", `${place.output}.trace`],
          {},
          `umask ${umask}`,
        );
        await traced;
        const shared = (0o666 & ~Number.parseInt(umask, 8)).toString(8);
        const modes = await shell(`cd ${place.directory} && stat -c '%a %n' results.jsonl*  results.jsonl.output/*`);
        const expected = [`${shared} results.jsonl`, "700 results.jsonl.output", `${shared} results.jsonl.trace`];
        assertEquals(modes.stdout.trim().split("\n"), [
          ...expected,
          ...["1", "2"].map((n) => `600 results.jsonl.output/${n}.stdout`),
        ]);
      })
    ));
  },
);

test("a link in the place of a file or directory that is to be made is not followed", TIMEOUT, async () => {
  await withTempDirectory(async (directory) => {
    const [victim, spill, source] = ["victim", "spill", "source"].map((name) => join(directory, name));
    await mkdir(victim!);
    const file = join(victim!, "file");
    await writeFile(file, "precious");

    // Who may write to the directory puts a link where output is being moved to.
    await writeFile(source!, "x".repeat(100));
    const options = { maxInlineBytes: 10, onLimit: () => {} };
    for (const maxOutputBytes of [50, 1000]) {
      await writeFile(source!, "x".repeat(100));
      const taken = await takeOutputFile(source!, {
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

    // Links that were there before, at the first names.
    await mkdir(spill!);
    for (const name of ["1.stdout", "1-2.stdout"]) await symlink(file, join(spill!, name));
    const [result] = await collect(run([{ cmd: "echo 0123456789" }], { maxInlineBytes: 1, spillDir: spill! }));
    assertEquals(result!.stdoutFile, join(spill!, "1-3.stdout"));
    assertEquals(await readFile(file, "utf8"), "precious");

    // Somebody has guessed the name of the directory for temporary files.
    const scratch = new ScratchDirectory("guessed", [unlimitedPlace(directory)]);
    const worker = scratch.plan();
    symlinkSync(victim!, worker.parent);
    let error: unknown;
    try {
      worker.make();
    } catch (thrown) {
      error = thrown;
    }
    assertMatch(String(error), /EEXIST/);
    scratch.close();
    assertEquals(await readdir(victim!), ["file"]);
    assert(existsSync(worker.parent), "what is not ours stays");
  });
});

if (NOBODY) {
  test("another user finds nothing to read and nothing to change where temporary files are", TIMEOUT, async () => {
    await RunPlace.with(async (place) => {
      const directories = [place.env["TMPDIR"]!, place.shm];
      for (const path of [place.directory, ...directories]) await chmod(path, 0o1777);
      const [begun, over, victim] = ["begun", "over", "victim"].map((name) => join(place.directory, name));
      await mkdir(victim!);
      for (const name of ["1", "1.out", "tasks.jsonl"]) await writeFile(join(victim!, name), "precious");
      // Reads, moves and removes whatever it sees, and puts links in its place, again and again.
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
      const { ended } = await place.run([wait, ...tasks], ["-j4"]);
      assertEquals((await ended).status, 0);
      await writeFile(over!, "");
      assertEquals((await attack.ended).stdout, "");
      assertEquals((await shell(`cd ${victim} && cat *`)).stdout, "precious".repeat(3));
      place.assertOneResultEach(["wait", ...ids]);
      for (const { id, stdout } of place.results()) if (id !== "wait") assertEquals(stdout, `secret ${id}\ntoo`);
    });
  });
}

test(
  "secrets of the environment, and what a task is given, are in no file, message and command line",
  TIMEOUT,
  async () => {
    await RunPlace.with(async (place) => {
      const [secret, go] = ["s3cret-w0rd", join(place.directory, "go")];
      const given = { env: { OWN: secret }, stdin: secret };
      const tasks = [
        { id: "1", cmd: "exit 3", ...given },
        { id: "2", cmd: ["no-such-program"], ...given },
        { id: "3", cmd: "kill -9 $$", ...given },
        { id: "4", cmd: "true", cwd: "/nowhere", ...given },
        { id: "5", cmd: `until [ -e ${go} ]; do sleep 0.02; done; echo $OWN | wc -c`, ...given },
      ];
      const file = await taskFile(place.directory, tasks);
      const env = { TOP_SECRET: secret, NATS_PASSWORD: secret, NATS_USER: "me" };
      const { output, ended } = place.start([file, "-j5", "-o", place.output, "--watch", "0"], { stdin: "", env });
      await waitFor("all but one", () => existsSync(place.output) && place.results().length === 4);
      const commandLines = place.commandLines();
      assert(commandLines.length >= 6, `${commandLines.length} processes`);
      assertEquals(commandLines.filter((text) => text.includes(secret)), []);
      await writeFile(go, "");
      assertEquals((await ended).status, 4);
      const report = `${place.output}.html`;
      assertEquals((await place.start(["report", place.output, "-o", report]).ended).status, 0);
      const texts = [output.stderr, await readFile(place.output, "utf8"), await readFile(report, "utf8")];
      for (const text of texts) assert(!text.includes(secret), text.slice(0, 2_000));
      assertEquals(place.results().find(({ id }) => id === "5")!.stdout, "12\n");
      await place.waitForNothingLeft();
    });
  },
);

test("names that mean something to JavaScript are names like any other", TIMEOUT, async () => {
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

/** What a server answers to bytes, when it has answered so many requests or closed the connection. */
function answerTo(port: number, bytes: string, count = 1): Promise<number[]> {
  return new Promise((resolve) => {
    let text = "";
    const statuses = () => [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => Number(status));
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.on("error", () => {}).on("close", () => resolve(statuses()));
    socket.setEncoding("latin1").on("data", (piece) => {
      text += piece;
      if (statuses().length >= count) socket.destroy();
    });
  });
}

test(
  "whatever bytes the live page is sent, it shows nothing without its key and name, and goes on",
  TIMEOUT,
  async () => {
    await withTempDirectory(async (directory) => {
      const go = join(directory, "go");
      const started = startTaskrunner([
        "each",
        `until [ -e ${go} ]; do sleep 0.05; done; echo {}`,
        "--watch",
        "0",
        ":::",
        "x",
      ], { stdin: "" });
      const find = () => /http:\S+/.exec(started.output.stderr)?.[0];
      await waitFor("the address", find);
      const { pathname, host, port } = new URL(find()!);
      const ask = (path: string, ...headers: string[]) =>
        `GET ${path} HTTP/1.1\r\n${headers.map((line) => `${line}\r\n`).join("")}\r\n`;
      const right = `Host: ${host}`;
      const probes: [name: string, bytes: string, expected: number[]][] = [
        ["the address", ask(pathname, right), [200]],
        ["no host", ask(pathname), [400]],
        ["no host in HTTP/1.0", ask(pathname).replace("1.1", "1.0"), [403]],
        ["a host that was bound anew", ask(pathname, `Host: evil.example:${port}`), [403]],
        ["two hosts", ask(pathname, "Host: evil.example", right), [403]],
        ["a user in the host", ask(pathname, "Host: 127.0.0.1@evil.example"), [403]],
        ["the address of another server", ask(`http://${host}${pathname}`, right), [404]],
        ["a way up", ask(`${pathname}../../etc/passwd`, right), [404]],
        ["a way up that is encoded", ask(`${pathname}%2e%2e%2fetc/passwd`, right), [404]],
        ["a key that is encoded", ask(`/%${pathname.charCodeAt(1).toString(16)}${pathname.slice(2)}`, right), [404]],
        ["slashes", ask(`//${pathname}`, right), [404]],
        ["NUL", ask(`${pathname}\0`, right), [400]],
        ["HEAD", ask(pathname, right).replace("GET", "HEAD"), [405]],
        ["TRACE", ask(pathname, right).replace("GET", "TRACE"), [405]],
        ["CONNECT", ask(pathname, right).replace("GET", "CONNECT"), []],
        ["a method that is none", ask(pathname, right).replace("GET", "XYZ"), [400]],
        ["a header of 1 MB", ask(pathname, right, `X: ${"x".repeat(1e6)}`), [431]],
        ["5,000 headers", ask(pathname, right, ...Array.from({ length: 5_000 }, (_, index) => `X${index}: x`)), [431]],
        ["two lengths", ask("/", right, "Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n", [400]],
        ["no HTTP", "\x16\x03\x01\x02\0\x01", [400]],
        [
          "one request after the other",
          ask("/", right) + ask(pathname, "Host: x") + ask(pathname, right).replace("GET", "POST") +
          ask(pathname, right),
          [404, 403, 405, 200],
        ],
      ];
      for (const [name, bytes, expected] of probes) {
        const statuses = await answerTo(Number(port), bytes, expected.length || 1);
        // A connection that is closed before all has been read is reset, and its answer may be lost with that.
        if (bytes.length < 10_000 || statuses.length > 0) assertEquals(statuses, expected, name);
      }
      // Requests that never end, as many as there may be connections, hold up neither the run nor its end.
      const slow = Array.from({ length: 70 }, () => connect(Number(port), "127.0.0.1").on("error", () => {}));
      for (const socket of slow) socket.write("GET / HTTP/1.1\r\nHost: ");
      await writeFile(go, "");
      const { status, stdout } = await started.ended;
      assertEquals([status, parseResults(stdout)[0]!.stdout], [0, "x\n"]);
      for (const socket of slow) socket.destroy();
    });
  },
);

interface Manifest {
  name: string;
  version: string;
  license: string;
  dependencies?: Record<string, string>;
}

/** Packages and what they need, as `name | version | licence`. */
function licensesOf(names: readonly string[], from = PROJECT, found = new Set<string>()): Set<string> {
  for (const name of names) {
    let directory = from;
    while (!existsSync(join(directory, "node_modules", name, "package.json"))) directory = dirname(directory);
    const path = join(directory, "node_modules", name);
    const manifest: Manifest = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
    const row = `${name} | ${manifest.version} | ${manifest.license}`;
    if (found.has(row)) continue;
    found.add(row);
    licensesOf(Object.keys(manifest.dependencies ?? {}), path, found);
  }
  return found;
}

test("docs/security.md lists every package that comes with the tool, with its version and licence", async () => {
  const { dependencies, devDependencies } = JSON.parse(await readFile(join(PROJECT, "package.json"), "utf8"));
  const fetched = (scope: string) => Object.keys(devDependencies).filter((name) => name.startsWith(`@${scope}/`));
  const inPage = [...SCRIPT.matchAll(/^(\S+) (\d+\.\d+\.\d+), (\S+)$/gm)].map(([, ...row]) => row.join(" | "));
  assertEquals(inPage.length, 3);
  const used = {
    always: [...licensesOf(Object.keys(dependencies))],
    "`--nats`": [...licensesOf(fetched("nats-io"))],
    telemetry: [...licensesOf(fetched("opentelemetry"))],
    "in reports": inPage,
  };
  const expected = Object.entries(used).flatMap(([when, rows]) => rows.map((row) => `${row} | ${when}`));
  const text = await readFile(join(PROJECT, "docs", "security.md"), "utf8");
  const listed = [...text.matchAll(/^\| (\S+) +\| (\d\S+) +\| (\S+) +\| (.+?) +\|$/gm)].map(([, ...row]) =>
    row.join(" | ")
  );
  assertEquals(listed.filter((row) => !row.startsWith("@std/")).sort(), expected.sort());
});

test("the licences of what is in a report are in it whole", async () => {
  for (const file of ["echarts/LICENSE", "echarts/NOTICE", "echarts/licenses/LICENSE-d3", "zrender/LICENSE"]) {
    assertStringIncludes(SCRIPT, (await readFile(join(PROJECT, "node_modules", file), "utf8")).trim());
  }
});

test("every promise of docs/security.md has a test", async () => {
  const text = (await readFile(join(PROJECT, "docs", "security.md"), "utf8")).replace(/\s+/g, " ");
  const rows = text.match(/(?<=\| )[a-z_]+: "[^|]*/g)!;
  assert(rows.length > 20, `${rows.length} promises`);
  for (const row of rows) {
    for (const [, name, titles] of row.matchAll(/([a-z_]+): ("[^;]*)/g)) {
      const source = await readFile(join(PROJECT, pathOfTest(name!)), "utf8");
      for (const [title] of titles!.matchAll(/"[^"]+"/g)) assert(source.includes(title), `${name} has no ${title}`);
    }
  }
});

test("a page may do nothing but run its own script", () => {
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

test("a report does not open the files that its results name", async () => {
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

test("an audit is passed when nothing is known, and says so where nothing could be asked", () => {
  const none = { metadata: { vulnerabilities: { total: 0 } } };
  assertEquals(verdictOf(none), { isPassed: true, text: "no known weakness" });
  const some = { metadata: { vulnerabilities: { total: 2 } }, vulnerabilities: { a: {}, b: {} } };
  assertEquals(verdictOf(some), { isPassed: false, text: "known weaknesses: a, b" });
  const refused = { message: "405 Method Not Allowed - POST https://registry/advisories/bulk", statusCode: 405 };
  assertEquals(verdictOf(refused).isPassed, true);
  assertStringIncludes(verdictOf(refused).text, "the registry has no answer: 405 Method Not Allowed");
});

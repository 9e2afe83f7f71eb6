import { Buffer } from "node:buffer";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import fc from "fast-check";
import { run, sh } from "../../mod.ts";
import { SNIPPETS } from "../fixtures/snippets.ts";
import {
  collect,
  EFFORT,
  lacks,
  scaledCount,
  start,
  taskFile,
  taskrunner,
  withTempDirectory,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** These compare thousands of processes. */
const TIMEOUT = { timeout: 900_000 };

/** A usual run of the tests has every third command. */
const isTriedNow = (_: unknown, index: number) => EFFORT > 1 || index % 3 === 0;

/** What can be seen of a command that has ended. */
interface Seen {
  status: number | null;
  stdout: string;
  stderr: string;
}

/**
 * Runs each of the commands under a fresh shell, in a session of its own and with pipes. Descriptors that are open stay so,
 * as Deno leaves them open to what it starts; where a runtime closes them, none come to this program either. Signals that
 * are ignored, as what a script starts with `&` ignores some, are not for tasks: they are the command's to handle.
 */
const REFERENCE = `
import concurrent.futures, json, signal, subprocess, sys
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, signal.SIG_DFL)
shell, env, commands = json.load(sys.stdin)
def fresh(command):
    ended = subprocess.run([shell, "-c", "--", command, shell], stdin=subprocess.DEVNULL, capture_output=True,
        start_new_session=True, close_fds=False, env=env)
    status = ended.returncode if ended.returncode >= 0 else 128 - ended.returncode
    return {"status": status, "stdout": ended.stdout.decode("latin1"), "stderr": ended.stderr.decode("latin1")}
with concurrent.futures.ThreadPoolExecutor(2) as two:
    json.dump(list(two.map(fresh, commands)), sys.stdout)`;

/** What a worker adds to the environment. */
const TASK_VARIABLES = { TASKRUNNER_ID: "1", TASKRUNNER_SLOT: "1", TASKRUNNER_ATTEMPT: "1" };

/** As `export` and `env` print them, but for the values, which differ. */
function withoutTaskValues(printed: string): string {
  return printed.replace(/\b(TASKRUNNER_(?:ID|SLOT|ATTEMPT)=["']?)\d+/g, "$1");
}

async function runFresh(shell: string, commands: readonly string[], cwd: string): Promise<Seen[]> {
  const env = { ...process.env, NO_COLOR: "1", ...TASK_VARIABLES };
  const stdin = JSON.stringify([shell, env, commands]);
  const ended = await start("python3", ["-c", REFERENCE], { cwd, stdin }).ended;
  assertEquals([ended.status, ended.stderr], [0, ""]);
  const all: Seen[] = JSON.parse(ended.stdout);
  return all.map((seen) => ({ ...seen, stdout: withoutTaskValues(seen.stdout) }));
}

function bytesOf(text: string, encoding: "base64" | undefined): string {
  return (encoding ? Buffer.from(text, encoding) : Buffer.from(text)).toString("latin1");
}

async function runInWorkers(shell: string, commands: readonly string[], directory: string, cwd: string) {
  const tasks = await taskFile(directory, commands.map((cmd) => ({ cmd })));
  const { results, stderr } = await taskrunner(["-j", "4", "-k", "--shell", shell, tasks], { cwd });
  assertEquals([results.length, stderr], [commands.length, ""]);
  return results.map((result): Seen => ({
    status: result.status,
    stdout: withoutTaskValues(bytesOf(result.stdout, result.stdoutEncoding)),
    stderr: bytesOf(result.stderr, result.stderrEncoding),
  }));
}

/** The commands that workers do not run as a fresh shell does, with both. */
async function differences(
  shell: string,
  commands: readonly string[],
  normalize: (seen: Seen) => unknown = (seen) => seen,
): Promise<unknown[]> {
  return await withTempDirectory(async (directory) => {
    const cwd = join(directory, "cwd");
    await mkdir(cwd);
    const fresh = await runFresh(shell, commands, cwd);
    await rm(cwd, { recursive: true });
    await mkdir(cwd);
    const workers = await runInWorkers(shell, commands, directory, cwd);
    return commands.map((command, index) => ({ command, fresh: fresh[index]!, worker: workers[index]! }))
      .filter(({ fresh, worker }) => JSON.stringify(normalize(fresh)) !== JSON.stringify(normalize(worker)));
  });
}

/** The words of messages that have a process id in them. */
const withoutPids = ({ stderr, ...seen }: Seen) => ({
  ...seen,
  stderr: stderr.replace(/ +\d+ (?=Killed|Terminated)/g, " "),
});

/** When a signal ends the last program of a command, dash names it: a worker leaves that to the result. */
const SAID_BY_THE_RESULT = new Set(["sh -c 'kill -KILL $$'"]);

test("commands look the same in a worker as under a fresh dash -c", TIMEOUT, async () => {
  if (lacks("python3")) return;
  assert(new Set(SNIPPETS).size > 500);
  const some = SNIPPETS.filter((snippet) => !SAID_BY_THE_RESULT.has(snippet)).filter(isTriedNow);
  assertEquals(await differences("dash", some), []);
});

for (const [shell, program] of [["bash", "bash"], ["mksh", "mksh"], ["ash", "busybox"]] as const) {
  test(`commands look the same in a worker of ${shell} as in a fresh one`, TIMEOUT, async () => {
    if (lacks(program, "python3")) return;
    await withTempDirectory(async (directory) => {
      const path = join(directory, shell);
      const { stdout } = await start("sh", ["-c", `command -v ${program}`], { stdin: "" }).ended;
      await symlink(stdout.trim(), path);
      // What the ash of Debian's busybox starts for some here-documents never ends, in a worker or not.
      const some = SNIPPETS.filter((snippet, index) => (EFFORT > 1 || index % 4 === 0) && !snippet.includes("<<END"));
      assertEquals(await differences(path, some.filter(isTriedNow), withoutPids), []);
    });
  });
}

/** Pieces of commands. Nothing in them can loop for ever or make a file that the next one sees. */
const PIECES = [
  ..."' \" ` $ ( ) { } [ ] ; \\ # ! = ~ * ? % @ : , . / - + ^ | ; ;".split(" "),
  ..." \t\n",
  ..."echo printf cat true false test nosuch exit cd exec eval export trap read command : a b c é 1 22 -e x=1 A=b"
    .split(" "),
  ..."$x $A ${x} ${A-b} $? $# $@ $HOME $((1+1)) $(echo `&& || <<E".split(" "),
  ..."if then else fi for in do done case esac EXIT 'a b' \"c $A\" '".split(" "),
  "\nE\n",
  " 2>&1 ",
  " >/dev/null ",
  " </dev/null ",
  "\x01",
  "\x7f",
];
const command = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 12 }).chain((pieces) =>
  fc.constantFrom("", " ").map((glue) => pieces.join(glue))
);
/** The members of a pipeline print their messages at the same time, and piece by piece. */
const withSortedErrors = ({ status, stdout, stderr }: Seen) => [
  status,
  stdout.replace(/\d{3,}/g, "a process id"),
  [...stderr.replace(/\d/g, "")].sort().join(""),
];

test("commands made of random pieces look the same in a worker as under a fresh dash -c", TIMEOUT, async () => {
  if (lacks("python3")) return;
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 100, maxLength: 100 }), async (commands) => {
      assertEquals(await differences("dash", commands, withSortedErrors), []);
    }),
    { numRuns: scaledCount(4), endOnFailure: true },
  );
});

const text = fc.string({ unit: "binary", maxLength: 20 }).map((text) => text.replaceAll("\0", "").toWellFormed());

test("random arguments, variables and input reach a program byte for byte", TIMEOUT, async () => {
  const variable = fc.constantFrom("A", "_a1", "not-a-name", "PS1", "IFS", "é");
  const task = fc.record({
    args: fc.array(text, { maxLength: 5 }),
    env: fc.dictionary(variable, text, { noNullPrototype: true }),
    input: fc.oneof(text, fc.uint8Array({ maxLength: 20 })),
    form: fc.constantFrom("stdin", "base64", "file", "stdinFile"),
    isShellCommand: fc.boolean(),
  });
  const script = 'printf "%s\\0" "$@"; cat';
  const isShellName = ([name]: [string, string]) => name === "A" || name === "_a1";
  const bothExecutors = fc.constantFrom("shell" as const, "process" as const);
  await fc.assert(
    fc.asyncProperty(fc.array(task, { minLength: 50, maxLength: 50 }), bothExecutors, async (tasks, executor) => {
      await withTempDirectory(async (cwd) => {
        const given = await Promise.all(tasks.map(async ({ args, env, input, form, isShellCommand }, index) => {
          const cmd = isShellCommand && args.length > 0
            ? sh`sh -c ${script} sh ${args}`
            : ["sh", "-c", script, "sh", ...args];
          if (form === "stdin") return { cmd, env, stdin: input };
          const bytes = Buffer.from(input);
          if (form === "base64") {
            return { cmd, env, stdin: bytes.toString("base64"), stdinEncoding: "base64" as const };
          }
          await writeFile(join(cwd, `${index}`), bytes);
          // A shell opens the file, and does not hand on all variables.
          const common = { cmd, cwd, env: Object.fromEntries(Object.entries(env).filter(isShellName)) };
          return form === "file" ? { ...common, stdin: { file: `${index}` } } : { ...common, stdinFile: `${index}` };
        }));
        const results = await collect(run(given, { keepOrder: true, concurrency: 4, executor }));
        for (const [index, { stdout, stdoutEncoding, stderr }] of results.entries()) {
          const { args, input } = tasks[index]!;
          const printed = args.length === 0 ? "\0" : args.map((arg) => arg + "\0").join("");
          const expected = Buffer.concat([Buffer.from(printed), Buffer.from(input)]).toString("latin1");
          assertEquals([bytesOf(stdout, stdoutEncoding), stderr], [expected, ""]);
        }
      });
      const environments = await collect(run(
        tasks.map(({ env }) => ({ cmd: ["env", "-0"], env })),
        { keepOrder: true, concurrency: 4 },
      ));
      for (const [index, { stdout, stdoutEncoding }] of environments.entries()) {
        const variables = bytesOf(stdout, stdoutEncoding).split("\0");
        for (const [name, value] of Object.entries(tasks[index]!.env)) {
          assert(variables.includes(bytesOf(`${name}=${value}`, undefined)), `${name}=${value}`);
        }
      }
    }),
    { numRuns: 4, endOnFailure: true },
  );
});

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
  NO_DEFAULTS,
  scaledCount,
  start,
  taskFile,
  taskrunner,
  withTempDirectory,
} from "../support/helpers.ts";
import { test } from "../support/test.ts";

/** Long enough for thousands of processes. */
const TIMEOUT = { timeout: 900_000 };

/** Selects every third snippet; with a higher {@linkcode EFFORT}, all. */
const isSelected = (_: unknown, index: number) => EFFORT > 1 || index % 3 === 0;

/** The observable result of a command. */
interface Observation {
  status: number | null;
  stdout: string;
  stderr: string;
}

/**
 * Runs each command in a fresh shell, with its own session and with pipes. Leaves inherited descriptors open, as Deno does
 * for its child processes; the other runtimes close them before this program starts. Restores the default action of
 * signals, because a script that is started with `&` inherits some as ignored, and tasks do not.
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

/** The variables that a worker adds to the environment. */
const TASK_VARIABLES = { TASKRUNNER_ID: "1", TASKRUNNER_SLOT: "1", TASKRUNNER_ATTEMPT: "1" };

/** Removes the values of {@linkcode TASK_VARIABLES}, which differ, from the output of `export` or `env`. */
function withoutTaskValues(printed: string): string {
  return printed.replace(/\b(TASKRUNNER_(?:ID|SLOT|ATTEMPT)=["']?)\d+/g, "$1");
}

async function runFresh(shell: string, commands: readonly string[], cwd: string): Promise<Observation[]> {
  const env = { ...process.env, NO_COLOR: "1", ...NO_DEFAULTS, ...TASK_VARIABLES };
  const stdin = JSON.stringify([shell, env, commands]);
  const ended = await start("python3", ["-c", REFERENCE], { cwd, stdin }).ended;
  assertEquals([ended.status, ended.stderr], [0, ""]);
  const all: Observation[] = JSON.parse(ended.stdout);
  return all.map((observation) => ({ ...observation, stdout: withoutTaskValues(observation.stdout) }));
}

function bytesOf(text: string, encoding: "base64" | undefined): string {
  return (encoding ? Buffer.from(text, encoding) : Buffer.from(text)).toString("latin1");
}

async function runInWorkers(shell: string, commands: readonly string[], directory: string, cwd: string) {
  const tasks = await taskFile(directory, commands.map((cmd) => ({ cmd })));
  const { results, stderr } = await taskrunner(["-j", "4", "-k", "--shell", shell, tasks], { cwd });
  assertEquals([results.length, stderr], [commands.length, ""]);
  return results.map((result): Observation => ({
    status: result.status,
    stdout: withoutTaskValues(bytesOf(result.stdout, result.stdoutEncoding)),
    stderr: bytesOf(result.stderr, result.stderrEncoding),
  }));
}

/** Returns the commands that a worker and a fresh shell run differently, with both observations. */
async function differences(
  shell: string,
  commands: readonly string[],
  normalize: (observation: Observation) => unknown = (observation) => observation,
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

/** Removes process ids from the messages of shells. */
const withoutPids = ({ stderr, ...observation }: Observation) => ({
  ...observation,
  stderr: stderr.replace(/ +\d+ (?=Killed|Terminated)/g, " "),
});

/** Commands whose last program is ended by a signal: dash prints its name, a worker reports it only in the result. */
const SIGNALED = new Set(["sh -c 'kill -KILL $$'"]);

test("commands have the same result in a worker as with a fresh dash -c", TIMEOUT, async () => {
  if (lacks("python3")) return;
  assert(new Set(SNIPPETS).size > 500);
  const some = SNIPPETS.filter((snippet) => !SIGNALED.has(snippet)).filter(isSelected);
  assertEquals(await differences("dash", some), []);
});

for (const [shell, program] of [["bash", "bash"], ["mksh", "mksh"], ["ash", "busybox"]] as const) {
  test(`commands have the same result in a ${shell} worker as with a fresh ${shell} -c`, TIMEOUT, async () => {
    if (lacks(program, "python3")) return;
    await withTempDirectory(async (directory) => {
      const path = join(directory, shell);
      const { stdout } = await start("sh", ["-c", `command -v ${program}`], { stdin: "" }).ended;
      await symlink(stdout.trim(), path);
      // For some here-documents, ash of Debian's busybox starts a process that never ends, also outside of workers.
      const some = SNIPPETS.filter((snippet, index) => (EFFORT > 1 || index % 4 === 0) && !snippet.includes("<<END"));
      assertEquals(await differences(path, some.filter(isSelected), withoutPids), []);
    });
  });
}

test("a worker has the environment of a fresh shell", TIMEOUT, async () => {
  if (lacks("python3")) return;
  assertEquals(await differences("dash", ["export", "env | sort", "set | sort | grep -v ^_="], withSortedErrors), []);
});

/** Pieces of commands. No combination of them loops forever or creates a file. */
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
/** Sorts the characters of standard error, because the processes of a pipeline write their messages concurrently. */
const withSortedErrors = ({ status, stdout, stderr }: Observation) => [
  status,
  stdout.replace(/\d{3,}/g, "a process id"),
  [...stderr.replace(/\d/g, "")].sort().join(""),
];

test("commands of random pieces have the same result in a worker as with a fresh dash -c", TIMEOUT, async () => {
  if (lacks("python3")) return;
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 100, maxLength: 100 }), async (commands) => {
      assertEquals(await differences("dash", commands, withSortedErrors), []);
    }),
    { numRuns: scaledCount(4), endOnFailure: true },
  );
});

const text = fc.string({ unit: "binary", maxLength: 20 }).map((text) => text.replaceAll("\0", "").toWellFormed());

test("random arguments, variables and input reach a program unchanged", TIMEOUT, async () => {
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
          // A shell opens the file, and does not export variables whose names are invalid in a shell.
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

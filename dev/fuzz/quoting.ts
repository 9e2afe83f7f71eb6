/**
 * Quoting of values in shell commands: an inserted value behaves like a double-quoted variable with that value. The
 * length of the input selects dash, bash, mksh or busybox sh.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert/equals";
import { CommandTemplate } from "../../cli/each/command_template.ts";
import { UsageError } from "../../cli/args/usage_error.ts";
import { PlaceholderSyntax } from "../../cli/each/placeholder.ts";
import { shellQuote } from "../../text/shell_quote.ts";
import { sh } from "../../text/shell_template.ts";
import { assertExpected, textOf } from "./target.ts";

/** Building blocks of commands; none can loop, wait, or run in the background. */
const FRAGMENTS = [
  ..."{} {.} {..} {...} {/} {//} {/.} {/..} {/...} {+/} {+.} {+..} {+...} {1} {-1} {1/.} {2} {#} {0#} {##} {%} {n} {n.} {3} ' \" \\ $ ( ) ` # ; && || | < > << <<< <<E E $( ${x} ${x:- } { $(( )) $' $\" $# $$ $["
    .split(" "),
  ..."[[ ]] [ ] ! = == =~ ~ * ? @( +( x : $x , ^ - \t \n".split(" "),
  ...[" ", "echo ", "case ", " in ", " esac", "if ", " then ", " fi", "for ", " do ", " done"],
].toSorted((one, other) => other.length - one.length);

const FRAGMENT = new RegExp(FRAGMENTS.map((fragment) => fragment.replace(/[^\w\s]/g, "\\$&")).join("|"), "g");
const MAX_FRAGMENTS = 60;
/** Matches the definition of a function, which could recurse infinitely. */
const FUNCTION = /\(\s*(#[^\n]*\n\s*)*\)/;

export const tokens = [
  ...FRAGMENTS,
  ..."\0 canary $(canary) `canary` '; \"; \\'; }; ); \ncanary\n a[$(canary)] ;; é 😀 \r \x01 \x7f \x81 -n %s".split(
    " ",
  ),
];

const SHELLS = ["dash", "bash", "mksh", "busybox sh"];

export const seeds = [
  'echo {}\0it\'s "$HOME" \\ `canary` $(canary) * ~ #\n-n',
  "echo \"x{}x\" 'x{}x' x{}x\0'; canary; '",
  'x={}; echo "$x" ${x} | echo {.}\0"; canary; "',
  "case {} in {}) echo x{}; esac\0*) canary;; x",
  "if [ {} = x ]; then echo {}; fi && echo {//} {#}\0\ncanary\n",
  "for x in {} x; do echo $x; done\0a b\tc",
  "[[ {} == x* ]] || echo {}\0a[$(canary)]",
  "echo \\{} \\' {} \\\" # '\0\\",
  "{} x\0-n",
  'echo "{}" {%} \'{1}\' "x{-1.}" {2}{n}\0\'"$(canary)"\'',
].flatMap((seed) => SHELLS.map((_, index) => seed.replace("\0", " ".repeat(index) + "\0")));

export async function fuzz(data: Uint8Array): Promise<void> {
  const [text = "", ...rest] = textOf(data).split("\0");
  const command = (text.match(FRAGMENT) ?? []).slice(0, MAX_FRAGMENTS).join("");
  // Without a directory or an extension all placeholders have the same value, and a plain word could run as a command.
  const value = rest.join("").replace(/[./]/g, "").replace(/^\w+$/, "$&%");
  if (FUNCTION.test(command)) return;
  const name = SHELLS[data.length % SHELLS.length]!;
  const fills = [...SYNTAXES.map(({ syntax, count }) => byTemplate(command, syntax, count)), byTag(command)];
  for (const fill of fills) {
    if (fill) await compare(name, command, value, fill);
  }
}

/** The placeholders of a command with one value, with `-I`, and with two values, of which a header names the first. */
const SYNTAXES = [
  { syntax: new PlaceholderSyntax({ width: 1 }), count: 1 },
  { syntax: new PlaceholderSyntax({ width: 1, replace: "{}" }), count: 1 },
  { syntax: new PlaceholderSyntax({ width: 2, names: [{ name: "n", position: 1 }] }), count: 2 },
];

/** Puts a value into a command. */
type Fill = (value: string) => string;

function byTemplate(command: string, syntax: PlaceholderSyntax, count: number): Fill | undefined {
  try {
    const template = new CommandTemplate(command, syntax);
    return (value) => template.commandFor({ values: Array(count).fill(value), number: 1, total: 1 });
  } catch (error) {
    assertExpected(error, UsageError);
  }
}

function byTag(command: string): Fill | undefined {
  const raw = command.split("{}");
  const fill = (value: string) => {
    return sh(
      { raw } as unknown as TemplateStringsArray,
      ...raw.slice(1).map((_, index) => index % 2 ? [value] : value),
    );
  };
  try {
    fill("");
    return fill;
  } catch (error) {
    assertExpected(error, TypeError);
  }
}

async function compare(name: string, command: string, value: string, fill: Fill): Promise<void> {
  const filled = fill(value);
  const reference = fill("MARK").replaceAll("'MARK'", '"$v"').replaceAll("'MARK MARK'", '"$v $v"');
  const script = `v=${escaped(value)} quoted=${escaped(shellQuote(value))}
filled=${escaped(filled)} reference=${escaped(reference)}
eval "set -- $quoted"; [ "$#$1" = "1$v" ] || echo "the quoted text differs"
set --
expected=$(eval "$reference" 9>&1 </dev/null 2>/dev/null); expected="$? $expected"
given=$(unset expected; eval "$filled" 9>&1 </dev/null 2>/dev/null); given="$? $given"
[ "$given" = "$expected" ] || echo "the output is $given, and with a variable $expected"
unset expected given
echo "the end"
`;
  if (!shells.has(name)) shells.set(name, new Shell(name));
  assertEquals(
    await shells.get(name)!.run(script),
    "the end\n",
    `${name}: ${JSON.stringify({ command, value, filled })}`,
  );
}

/** Stops the shells. */
export function end(): void {
  for (const shell of shells.values()) shell.end();
  shells.clear();
}

/** Quotes text for a script, independently of the code under test. */
function escaped(text: string): string {
  return text.replace(/[^\w%]/gu, (character) => character === "\n" ? '"$newline"' : `\\${character}`);
}

/** Time limit of a case, generous enough for a busy machine. */
const LONGEST_MS = 30_000;
const shells = new Map<string, Shell>();

/** A shell that runs all cases, in a directory that was removed and without a PATH. */
class Shell {
  readonly #command: string;
  #child: ChildProcess | undefined;
  #answer = "";
  #onAnswer: (answer: string) => void = () => {};

  constructor(command: string) {
    this.#command = command;
  }

  /** Runs a script and returns its output. */
  run(script: string): Promise<string> {
    this.#child ??= this.#start();
    this.#answer = "";
    const { promise, resolve } = Promise.withResolvers<string>();
    const timer = setTimeout(() => this.#end(`${this.#answer}, and then nothing`), LONGEST_MS);
    this.#onAnswer = (answer) => {
      clearTimeout(timer);
      resolve(answer);
    };
    this.#child.stdin!.write(script);
    return promise;
  }

  end(): void {
    this.#end(this.#answer);
  }

  #start(): ChildProcess {
    const cwd = mkdtempSync(join(tmpdir(), "taskrunner-fuzz-"));
    const [program, ...args] = this.#command.split(" ");
    const env = { PATH: process.env.PATH, LC_ALL: "C" };
    const child = spawn(program!, args, { cwd, env, detached: true, stdio: ["pipe", "pipe", "ignore"] });
    child.stdin!.on("error", () => {}); // the exit is handled below
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      this.#answer += text;
      if (this.#answer.endsWith("the end\n")) this.#onAnswer(this.#answer);
    });
    child.once("spawn", () => rmdirSync(cwd));
    // Unreferenced, as the fuzzer does not announce its end; the timer of a case keeps the program alive.
    for (const handle of [child, child.stdin, child.stdout] as unknown as Partial<Socket>[]) handle.unref?.();
    child.once("error", (error) => this.#end(error.message)).once("exit", () => {
      if (child === this.#child) this.#end(`${this.#answer}, and then it ended`);
    });
    child.stdin!.write("PATH=/nowhere newline='\n'\ncanary() { echo ran >&9; }\n");
    return child;
  }

  #end(answer: string): void {
    const child = this.#child;
    this.#child = undefined;
    if (child?.pid && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
    this.#onAnswer(answer);
  }
}

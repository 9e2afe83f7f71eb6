import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertStringIncludes } from "@std/assert/string-includes";
import { splitArguments } from "../../cli/args/arguments.ts";
import { unknownFlag } from "../../cli/args/unknown_flag.ts";
import { spellingsOf } from "../../cli/args/flag.ts";
import { FOREIGN_FLAGS } from "../../cli/args/foreign_flags.ts";
import { allFlagsOf, flagsOfAll } from "../../cli/command.ts";
import { loadCommands } from "../../cli/commands/mod.ts";
import { TOPICS } from "../../cli/help_topics.ts";
import { lacks, shell } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const COMMANDS = await loadCommands();
const ALL_FLAGS = flagsOfAll(COMMANDS);

// cspell:ignore progres retr controlmaster hgrp hostgroups nonall onall parset recend recstart removerecsep shuf tmpl tmuxpane xapply MANWIDTH

const KNOWN = new Set(Object.entries(ALL_FLAGS).flatMap(([name, flag]) => spellingsOf(name, flag)));

test("every answer to a flag of xargs or GNU parallel names flags, commands and topics that exist", () => {
  const names = new Set(COMMANDS.map(({ name }) => name));
  const topics = new Set(TOPICS.map(({ name }) => name));
  for (const flag of FOREIGN_FLAGS) {
    assert(!KNOWN.has(flag), `${flag} exists here`);
    const { message } = unknownFlag(flag, ALL_FLAGS);
    assert(message.startsWith(`Unknown flag "${flag}": `), message);
    const answer = message.slice(message.indexOf(": "));
    const flags = answer.match(/(?<!\S)--?[A-Za-z][a-z-]*/g) ?? [];
    assertEquals(flags.filter((name) => !KNOWN.has(name)), [], answer);
    const commands = [...answer.matchAll(/taskrunner ([a-z]+)/g)].map(([, name]) => name!);
    assertEquals(commands.filter((name) => !names.has(name)), [], answer);
    const named = [...answer.matchAll(/taskrunner help ([a-z-]+)/g)].map(([, name]) => name!);
    assertEquals(named.filter((name) => !topics.has(name)), [], answer);
  }
});

test("a flag of xargs or GNU parallel that taskrunner lacks has an answer with the equivalent", () => {
  const answers: [args: string[], answer: string][] = [
    [["-L2"], "-n N"],
    [["-i"], "-I REPL"],
    [["-t"], "--dry-run"],
    [["--joblog", "log"], "-o FILE"],
    [["--jl=log"], "-o FILE"],
    [["--bar"], "--progress"],
    [["--lb"], "--lines"],
    [["--xapply"], "--link"],
    [["--sshlogin", "host"], "--nats URL"],
    [["-V"], "--version"],
  ];
  for (const [args, answer] of answers) {
    const { unknown } = splitArguments(args, ALL_FLAGS);
    assertStringIncludes(unknownFlag(unknown!, ALL_FLAGS).message, answer);
  }
});

/** Flags of the manuals without an equivalent, for which no answer is better than a wrong one. */
const WITHOUT_ANSWER = new Set(
  ("-J -M --_parset --bg --bin --block-timeout --bt --cf --cleanup --color-failed --compress --compress-program " +
    "--controlmaster --decompress-program --embed --fg --filter --filter-hosts --gnu --group-by --hashbang --hgrp --hostgroups " +
    "--id --latest-line --ll --max-line-length-allowed --minversion --nonall --number-of-cores --number-of-cpus " +
    "--number-of-sockets --number-of-threads --onall --open-tty --regexp --remove-rec-sep --removerecsep --rrs --rsync-opts " +
    "--semaphore-name --semaphore-timeout --session --shard --shebang --shebang-wrap --show-limits --silent " +
    "--skip-first-line --sql --sql-and-worker --sql-master --sql-worker --ssh --ssh-delay --st --tee --template --tmpl --tmux " +
    "--tmuxpane --trim --tty --use-cores-instead-of-threads --use-cpus-instead-of-cores --use-sockets-instead-of-threads " +
    "--wait --no-keep-order").split(" "),
);

test("every flag in the manuals of xargs and GNU parallel exists, has an answer, or has no equivalent", async () => {
  if (lacks("man", "col", "parallel")) return;
  for (const page of ["parallel", "xargs"]) {
    const { stdout } = await shell(`MANWIDTH=100 man ${page} 2>/dev/null | col -bx`);
    const flags = new Set(
      [...stdout.matchAll(/^ {7}(-.*)$/gm)].flatMap(([, line]) =>
        line!.match(/(?<=^|, )(?:--?[A-Za-z_][\w-]*|-0)/g) ?? []
      ),
    );
    if (flags.size === 0) continue; // the package of the manual is not installed
    assert(flags.size > 20, `${page}: ${flags.size} flags`);
    const foreign = new Set(FOREIGN_FLAGS);
    const missing = [...flags].filter((flag) => !KNOWN.has(flag) && !foreign.has(flag) && !WITHOUT_ANSWER.has(flag));
    assertEquals(missing, [], page);
  }
});

test("a flag without an equivalent has no answer", () => {
  for (const flag of WITHOUT_ANSWER) assert(!FOREIGN_FLAGS.includes(flag), flag);
});

test("an unknown flag is answered with near flags, or with nothing where nothing is near", () => {
  const known = allFlagsOf(COMMANDS.find(({ name }) => name === "run")!);
  const cases: [flag: string, near: string][] = [
    ["--jbos", "--jobs"],
    ["--job", "--jobs"],
    ["--keep", "--keep-order"],
    ["--out", "--output"],
    ["--time", "--timeout"],
    ["--retr", "--retries or --retry-on or --retry-delay"],
    ["--no-progres", "--no-progress"],
    ["--no-jbos", "--no-jobs"],
    ["--no-configs", "--no-config"],
    ["--watch-port", "--watch"],
    ["--shell-path", "--shell"],
    ["-J", "-j"],
  ];
  for (const [flag, near] of cases) {
    assertEquals(unknownFlag(flag, known).message, `Unknown flag "${flag}", did you mean ${near}?`);
  }
  const far = "--wait --name --host --sort --log --url --password --yes --re -c -y -T --".split(" ");
  for (const flag of far) assertEquals(unknownFlag(flag, known).message, `Unknown flag "${flag}"`);
});

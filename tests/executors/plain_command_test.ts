import { assertEquals } from "@std/assert/equals";
import { classifyCommand, type CommandKind, isPlainVariable } from "../../executors/shell/plain_command.ts";
import { test } from "../support/test.ts";

/** tests/e2e/differential_test.ts checks that such commands behave in a worker as in a fresh shell. */
function assertKind(kind: CommandKind, commands: readonly string[]): void {
  assertEquals(
    commands.map((command) => [command, classifyCommand(command)]),
    commands.map((command) => [command, kind]),
  );
}

test("classifyCommand() finds a single program with its arguments simple", () => {
  assertKind("simple", [
    "true",
    " \ttrue \t",
    "/usr/bin/env",
    "./a-b_c+d,e@f:g%h=i",
    "é",
    "echo a 'b; (c) $(d) `e` \\\\' \"f $g ${h} $? i\"",
    "echo \"'\" '\"' ''",
    "'echo' a",
    'ec"ho" a',
    "echo * ? [a-z] ~ a=b eval if",
    "echo $x ${x}y $? $PWD",
    "echo $_x9",
    "A=1 b=$c _d='e f' echo",
    "echo 1 22 3",
    "false",
    ": a",
  ]);
});

test("classifyCommand() finds built-in commands with line numbers in their errors plain", () => {
  assertKind("plain", ["cd /", "printf %s a", "pwd", "[ a = b ]", "test a", "'cd' /", "A=1 cd /"]);
  assertKind("simple", ["echo cd", "cdx", "xpwd"]);
});

test("classifyCommand() finds lists, redirections and assignments plain", () => {
  assertKind("plain", [
    "a; b",
    "a;",
    "a ;b ;",
    "a & b &",
    "a&",
    "a && b || c | d",
    "a\nb\n",
    "a;\n\n b",
    "a\n\n",
    "a && b",
    "a >b",
    "a > b",
    "a >> b",
    "a < b",
    "a 2>b",
    "a 2> b 1>>c 0<d",
    "a 2>&1",
    "a 2>&1;b",
    "a 2>&1|b",
    "a 2>&1&b",
    "a <&3",
    "a >'b c'",
    'a >"$b"',
    ">a b",
    "> a",
    "2>&1",
    ">a; b",
    "A=1",
    "A=1; b",
    "A=1 B=2",
    "A=1 >b",
    "a <b >c d",
    "a '1'>b",
    "a x1>b",
    "a 1x>b",
    "a >b exit",
  ]);
});

test("classifyCommand() rejects compound commands and other built-in commands", () => {
  assertKind("other", [
    ..."case coproc do done elif else esac fi for function if in select then time until while".split(" "),
    ...". alias bg bind break builtin caller chdir command compgen complete compopt continue declare dirs".split(" "),
    ..."disown enable eval exec exit export fc fg getopts global hash help history jobs kill let local".split(" "),
    ..."logout mapfile mknod newgrp popd print pushd read readarray readonly realpath rename return set".split(" "),
    ..."shift shopt source suspend times trap type typeset ulimit umask unalias unset wait whence".split(" "),
    "exit 3",
    "a; exit",
    "a && eval b",
    "a | read b",
    "A=1 exec b",
    ">a exit",
    "'exit'",
    '"ev"al a',
    "e'xi't",
    "_taskrunner_run a",
    "_taskrunner_",
    "'_taskrunner_open'",
    "a; _taskrunner_report",
  ]);
  assertKind("simple", ["exitx", "a_taskrunner_run", "echo exit", "Case"]);
});

test("classifyCommand() rejects all other expansions and groups", () => {
  assertKind("other", [
    "a $(b)",
    "a `b`",
    'a "$(b)"',
    'a "`b`"',
    "a $((1))",
    "a ${b-c}",
    "a ${#b}",
    'a "${b-c}"',
    "a $$",
    "a $#",
    "a $@",
    "a $1",
    'a "$$"',
    'a "$1"',
    "a $",
    'a "$"',
    "a \\b",
    'a "\\b"',
    "a {b}",
    "{ a; }",
    "(a)",
    "! a",
    "a # b",
    "a^b",
    "a\rb",
    "a\x01",
    "a 'b",
    'a "b',
    "f() a",
  ]);
});

test("classifyCommand() rejects a command name with expansions", () => {
  assertKind("other", ["$a", "${a}", "'$a'", "a$b c", "*", "a* b", "?", "[a]", "a]", "~", "~/a", "a; $b", "A=1 $b"]);
  assertKind("plain", ["[ a ]"]);
});

test("classifyCommand() rejects variables that shells set themselves", () => {
  const special =
    ("BASHOPTS BASHPID BASH_ENV CDPATH ENV EUID FUNCNAME IFS KSHEGID KSHGID KSHUID LINENO OLDPWD OPTARG " +
      "OPTERR OPTIND POSIXLY_CORRECT PPID PS1 PS2 PS3 PS4 RANDOM SECONDS SHELLOPTS TMOUT UID USER_ID _").split(" ");
  assertKind(
    "other",
    special.flatMap((name) => [`a $${name}`, `a "b\${${name}}"`, `a $b$${name}`, `${name}=1`, `${name}=1 a`]),
  );
  assertKind("other", ["PWD=1", "A=1 PWD=1 a"]);
  assertKind("simple", ["a $PPIDX", "a XPPID=$PWD", "a PPID=1", "PPIDX=1 a"]);
  for (const name of ["A", "_", "a_1", "PPID", "PWD", "", "1a", "a-b", "a b", "é", "a\n"]) {
    assertEquals([name, isPlainVariable(name)], [name, name === "A" || name === "a_1"]);
  }
});

test("classifyCommand() rejects incomplete commands", () => {
  assertKind("other", [
    "",
    " ",
    "\n",
    "\na",
    ";",
    "; a",
    "& a",
    "| a",
    "&& a",
    "a ;; b",
    "a ; ; b",
    "a & & b",
    "a &;",
    "a ;\n; b",
    "a && && b",
    "a && ; b",
    "a &&",
    "a ||",
    "a |",
    "a | ;",
    "a ||\nb",
    "a &&\n\nb",
    "a |& b",
    "a >",
    "a > ; b",
    "a >\nb",
    "a > > b",
    "a > 2>&1",
    "a > && b",
    "a <",
  ]);
});

test("classifyCommand() rejects redirections that shells parse differently", () => {
  assertKind("other", [
    "a <<b",
    "a <<<b",
    "a <>b",
    "a >|b",
    "a >(b)",
    "a <(b)",
    "a >&b",
    "a >&-",
    "a 2>&12",
    "a 2>&1x",
    "a 12>b",
    "a 12>&1",
    "12>b",
    "a 12<b",
  ]);
  assertKind("plain", ["a 12 >b", "a 1>b", "a b12>c"]);
});

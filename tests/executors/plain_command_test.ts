import { assertEquals } from "@std/assert/equals";
import { assert } from "@std/assert/assert";
import { classifyCommand, type CommandKind, isPlainVariable } from "../../executors/shell/plain_command.ts";
import { COMMANDS_BY_CONSTRUCT } from "../fixtures/shell_grammar.ts";
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
    "\n\na",
    "a ||\nb",
    "a &&\n\nb |\n c",
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
    "a >|b",
    "a 2>&-",
    "(a >&-)",
    "(a 2>&1)",
  ]);
});

test("classifyCommand() finds the commands of each construct plain", () => {
  for (const [construct, commands] of COMMANDS_BY_CONSTRUCT) {
    assert(commands.length >= 100, construct);
    const ends = ["no_such_command x", "echo a b", "false", "cat"];
    assertEquals(commands.filter((command) => classifyCommand(command) === "other"), []);
    assertEquals(commands.filter((command) => classifyCommand(command) === "simple" && !ends.includes(command)), []);
  }
});

test("classifyCommand() rejects reserved words without their compound command", () => {
  assertKind("other", [
    ..."! { } [[ ]] case coproc do done elif else esac fi for function if in select then time until while".split(" "),
    "{ }",
    "()",
    "( )",
    "{a; }",
    "{ a }",
    "{ a;",
    "a; }",
    "(a",
    "a)",
    "end )",
    "end of text )",
    "word )",
    "((a))",
    "((a); b)",
    "(a))",
    "(a)b",
    "(a) b",
    "{ a; } b",
    "{ a; }b",
    "{ a; } { b; }",
    "a (b)",
    "a() { b; }",
    "A=1 (b)",
    ">a (b)",
    "a | { b; } c",
    "! ! a",
    "!",
    "! ;",
    "a | ! b",
    "if a; fi",
    "if a; then fi",
    "if; then a; fi",
    "if a; then b",
    "if a then b; fi",
    "if a; then b; else fi",
    "if a; then b; elif c; fi",
    "if a; then b; else c; else d; fi",
    "if a; then b; else c; elif d; then e; fi",
    "if a; then b; done",
    "if a; then b; fi c",
    "a; then b; fi",
    "while a; done",
    "while a; do b; fi",
    "while; do a; done",
    "while a; do; done",
    "while a; do b",
    "until a; then b; fi",
    "do a; done",
    "a; do b; done",
    "for",
    "for i",
    "for i in",
    "for i in a",
    "for i in a do b; done",
    "for i in a; b; done",
    "for i in a & do b; done",
    "for i in a; do done",
    "for i in a; do b; done c",
    "for i in a >b; do c; done",
    "for 1 in a; do b; done",
    "for i.j in a; do b; done",
    "for 'i' in a; do b; done",
    "for $i in a; do b; done",
    "for i; in a; do b; done",
    "for (i in a); do b; done",
    "for i in a; { b; }",
    "case a",
    "case a in",
    "case a in b",
    "case a in b)",
    "case a in b) c",
    "case a in b) c;;",
    "case a in b) c;; d",
    "case a in b) c; d) e; esac",
    "case a in b c) d;; esac",
    "case a in |b) c;; esac",
    "case a in b|) c;; esac",
    "case a in ) c;; esac",
    "case a in ((b) c;; esac",
    "case a in b) c;& esac",
    "case a in b) c;;& esac",
    "case a in b) ;; ;; esac",
    "case a in if) b;; esac",
    "case a in b|esac) c;; esac",
    "case a in b) c;; esac d",
    "case in a) b;; esac",
    "case a b in c) d;; esac",
    "case a in b) c esac",
    "a;; b",
    ";;",
    "{ a;; }",
  ]);
});

test("classifyCommand() accepts reserved words in other places", () => {
  assertKind("simple", [
    "echo if then else fi for in do done case esac while until",
    "echo in [ ]",
    "echo time",
    "end",
    "word a",
    "redirection",
  ]);
  assertKind("plain", [
    "for in in do done; do echo $in; done",
    "case in in a) b;; esac",
    "echo { } !",
    "{ echo }; }",
    "if a; then b; fi >if",
    "a >in",
  ]);
});

test("classifyCommand() rejects built-in commands that depend on the shell", () => {
  assertKind("other", [
    ...". alias bg bind builtin caller chdir command compgen complete compopt declare dirs disown enable".split(" "),
    ..."eval exec exit export fc fg getopts global hash help history jobs kill let local logout mapfile".split(" "),
    ..."mknod newgrp popd print pushd read readarray readonly realpath rename return set shift source".split(" "),
    ..."suspend times trap type typeset ulimit unalias unset wait whence".split(" "),
    "a && eval b",
    "A=1 exec b",
    ">a exec",
    "'eval' a",
    '"ev"al a',
    "e'xe'c",
    "\\eval a",
    "if eval a; then b; fi",
    "{ exec a; }",
    "x=$(eval a)",
    "x=`eval a`",
    "cat <<E\n$(eval a)\nE",
    "_taskrunner_run a",
    "_taskrunner_",
    "'_taskrunner_open'",
    "a; _taskrunner_report",
    "echo $(_taskrunner_fail)",
  ]);
  assertKind("simple", ["exitx", "a_taskrunner_run", "echo exit", "Case"]);
});

test("classifyCommand() checks the operands of built-in commands", () => {
  assertKind("plain", [
    "exit 3",
    "exit $?",
    'exit "$x"',
    "exit $((1))",
    "exit -1",
    "exit a",
    "a; exit 3",
    "'exit' 3",
    "export A",
    "export A=1 B=$c IFS=:",
    "readonly A=1",
    "unset A B",
    "unset -v A",
    "read a b",
    "read -r a",
    "IFS= read -r a",
    "a | read b",
    "set -e",
    "set -eu +f -o noglob",
    "set -eo pipefail",
    "set --",
    "set -- $a",
    "set -e -- -o",
    "break",
    "break 2",
    "continue 2",
    "umask",
    "umask 077",
    "command -v a",
    "set -- a; shift",
    "set -- a; shift 2",
  ]);
  assertKind("other", [
    "exit $x",
    "exit $(a)",
    "exit `a`",
    "exit ${x}",
    "exit $?$x y",
    "exit 3 4",
    'set --; exit "$@"',
    'set --; exit "$x${@}"',
    "exit --",
    "exit >a",
    "export -p",
    "export -- A",
    "export $a",
    "export 1=2",
    "export PPID",
    "export PS4=a",
    "export A-b",
    "export 'A'=1",
    "export _taskrunner_a=1",
    "readonly",
    "readonly -p",
    "readonly OPTIND",
    "unset -f a",
    "unset -v",
    "unset LINENO",
    "unset A=1",
    "unset _taskrunner_run",
    "read -p a b",
    "read -r",
    "read PPID",
    "read a -r",
    "read $a",
    "set -x",
    "set -ex",
    "set -o xtrace",
    "set -m",
    "set -n",
    "set -v",
    "set -o",
    "set -eo",
    "set +o",
    "set -o vi",
    "set -o $a",
    "set a",
    "set -",
    "set +",
    "set $a",
    "set -e a",
    "set -e ''",
    "shift",
    "set -- a | cat; shift",
    "set -- a & shift",
    "a && set -- b; shift",
    "(set -- a); shift",
    "if a; then set -- b; fi; shift",
    "x=$(set -- a); shift",
    "break $a",
    "break a",
    "break 1 2",
    "continue -1",
    "umask -S",
    "umask $a",
    "umask a=r",
    "command a",
    "command -p a",
    "command -V a",
    "command -v $a",
    "command -v a b",
    "command -v _taskrunner_run",
  ]);
});

test("classifyCommand() accepts arguments only after the command has set them", () => {
  const uses = [
    "echo $1",
    'echo "$@"',
    "echo $*",
    "echo $#",
    "echo ${1}",
    "echo ${1:-a}",
    "echo ${10}",
    "for i; do a; done",
  ];
  assertKind("other", uses);
  assertKind("other", uses.map((use) => `${use}; set -- a`));
  assertKind("other", uses.map((use) => `(set -- a); ${use}`));
  assertKind("plain", uses.map((use) => `set -- a; ${use}`));
  assertKind("plain", uses.map((use) => `set -- a; ( x=$(${use}) )`));
  assertKind("plain", ["set -- a; x=`echo $1`", "set -- $(a); for i do echo $i; done"]);
  assertKind("other", ["x=`set -- a`; echo $1", "x=$(set -- a; echo $1); echo $1", "set -- a; echo ${#}", "echo $0$1"]);
});

test("classifyCommand() accepts expansions that it reads to their end", () => {
  assertKind("plain", [
    "a $(b)",
    "a `b`",
    'a "$(b)"',
    'a "`b`"',
    'a "$(b "$(c \'d\')")"',
    "a $((1))",
    "a $(( (1 + x) * 2 ))",
    "a ${b-c}",
    'a "${b:-c d}"',
    "a ${b:-'c }' \"d }\" \\}}",
    "a ${b%%*/}",
    "a {b}",
    "a # b",
    "a #",
    "a^b",
    "a b!c#d",
    "a \\\n b",
    "a $(b # )\n)",
    "a $(case b in c) d;; esac)",
    "a $(cat <<E\n)\nE\n)",
  ]);
  assertKind("plain", ["a \\b \\$ \\'", 'a "\\b \\" \\$"']);
  assertKind("simple", ['a "b $ c$"', "a $0"]);
});

test("classifyCommand() rejects expansions that are incomplete or differ", () => {
  assertKind("other", [
    "a $$",
    "a $!",
    "a $-",
    'a "$$"',
    "a ${$}",
    "a ${!}",
    "a ${-}",
    "a $",
    'a "$',
    "a $'b'",
    'a $"b"',
    "a $[1]",
    "a ${",
    "a ${b",
    "a ${b c}",
    "a ${}",
    "a ${b/c/d}",
    "a ${b:1}",
    "a ${b^}",
    "a ${!b}",
    "a ${#b-c}",
    "a ${b-{}}",
    "a ${b-c;d}",
    "a ${b-\nc}",
    "a ${b-$}",
    "a ${b-'}",
    'a ${b-"}',
    "a \"${b-'c'}\"",
    'a "${b-"c"}"',
    "a \"${b%'c'}\"",
    "a ${PPID}",
    "a ${LINENO-b}",
    "a ${b-$PPID}",
    "a ${PWD:=b}",
    "a $()",
    "a $( )",
    "a $(b",
    "a $(b))",
    "a $(b;;)",
    "a $(cat <<E)\nE",
    "a $(cat <<E\nE)",
    "a `",
    "a `b",
    "a ``",
    "a `b \\`c\\``",
    "a `b \\$c`",
    'a "`b "c"`"',
    "a `(`",
    "a $((1)",
    "a $((1) )",
    "a $((1",
    "a $(((1))",
    "a $(('1'))",
    "a $((1;2))",
    "a $((PPID))",
    "a $((LINENO + 1))",
    "b=LINENO; a $(($b))",
    "a $((x = OPTIND))",
    "a $((`b`))",
    "a $((1\n))",
    "a 'b",
    'a "b',
    'a "b\\',
    "a \\",
    "a\\\nb",
    "a &\\\n& b",
    'a "b\\\nc"',
    "a\rb",
    "a\x01",
    "f() a",
    "a $(" + "$(".repeat(60) + "b" + ")".repeat(61),
    "(".repeat(1) + " (".repeat(60) + "a" + ")".repeat(61),
    "a ${b-".repeat(60) + "}".repeat(60),
  ]);
});

test("classifyCommand() accepts here-documents that it reads to their end", () => {
  assertKind("plain", [
    "cat <<E\nE",
    "cat <<E\na\nE\n",
    "cat <<'E' <<\"F\"; b\n$(\nE\n`\nF\nc",
    "cat <<-E\n\tE",
    "cat <<E | {\nE\na; }",
    "(cat <<E)\nE",
    'cat <<E\n"$a" $(b) \\$ it\'s\nE',
    "cat << E\nE",
    "for a in b; do cat <<E\na\nE\ndone",
    "cat <<E; for a in b; do\nE\nc; done",
    "cat <<E; for a\nE\nin b; do c; done",
    "cat <<E; case a in\nE\nb) c ;; esac",
  ]);
  assertKind("other", [
    "cat <<",
    "cat <<E; for a in b\nE\ndo c; done",
    "cat <<E",
    "cat <<E\n",
    "cat <<E\na",
    "cat <<E\nE ",
    "cat <<E\n E",
    "cat <<E\n\tE",
    "cat <<-E\n E",
    "cat <<E\n$(\nE",
    "cat <<E\n$(a\n)\nE",
    "cat <<E\n`\nE\n`",
    "cat <<E\na\\\nE\nE",
    "cat <<E\n${a-\nE\n}\nE",
    "cat <<E\n$$\nE",
    "cat <<E\n$1\nE",
    "cat <<$E\n$E",
    "cat <<E'F'\nEF",
    "cat <<''\n\n",
    "cat <<'E\"'\nE",
    'cat <<"E\'"\nE',
    "cat <<'E\\\\'\nE",
    "cat <<E 'a\nE\nb'\nE",
    "cat <<E $(a\nE\n)\nE",
    "cat <<<a",
    "cat <<E)\nE",
    "(cat <<E\nE)",
    "cat 3<<E\nE",
  ]);
});

test("classifyCommand() rejects a command name with expansions", () => {
  assertKind("other", [
    "$a",
    "${a}",
    "'$a'",
    "a$b c",
    "*",
    "a* b",
    "?",
    "[a]",
    "a]",
    "~",
    "~/a",
    "a; $b",
    "A=1 $b",
    "$(a)",
    "`a`",
    "a\\b",
  ]);
  assertKind("plain", ["[ a ]"]);
});

test("classifyCommand() rejects variables that shells set themselves", () => {
  const special =
    ("BASHOPTS BASHPID BASH_ENV CDPATH ENV EUID FUNCNAME IFS KSHEGID KSHGID KSHUID LINENO OLDPWD OPTARG " +
      "OPTERR OPTIND POSIXLY_CORRECT PPID PS1 PS2 PS3 PS4 RANDOM SECONDS SHELLOPTS TMOUT UID USER_ID _").split(" ");
  assertKind("other", special.flatMap((name) => [`a $${name}`, `a "b\${${name}}"`, `a $b$${name}`, `a \${${name}-b}`]));
  const unassignable = special.filter((name) => name !== "IFS");
  assertKind(
    "other",
    unassignable.flatMap((name) => [
      `${name}=1`,
      `${name}=1 a`,
      `for ${name} in a; do b; done`,
      `export ${name}`,
      `read ${name}`,
      `unset ${name}`,
      `a $((${name}))`,
      `a \${${name}:=b}`,
    ]),
  );
  assertKind("plain", ["IFS=1", "for IFS in a; do b; done", "export IFS", "read IFS", "unset IFS"]);
  assertKind("simple", ["IFS=1 a"]);
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
    "a ||\n",
    "\n;",
    "# a",
    "# a\n",
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
    "a >|",
    "a >| |b",
    "a >(b)",
    "a <(b)",
    "a >&b",
    "a >&-x",
    "a >&--",
    "a 12>&-",
    "a 2>&12",
    "a 2>&1x",
    "a 12>b",
    "a 12>&1",
    "12>b",
    "a 12<b",
  ]);
  assertKind("plain", ["a 12 >b", "a 1>b", "a b12>c"]);
});

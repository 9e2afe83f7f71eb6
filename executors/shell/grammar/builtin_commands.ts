/** The built-in commands that may run in a subshell of a worker. @module */

import { isAssignable } from "./variables.ts";

/** The prefix of the functions that workers define, which no plain command may call. */
export const FUNCTION_PREFIX = "_taskrunner_";

/** Returns whether a built-in command with these operands, as written, behaves in a worker as in a fresh shell. */
type OperandRule = (operands: readonly string[]) => boolean;

const atMostOne = (pattern: RegExp): OperandRule => (operands) =>
  operands.length === 0 || (operands.length === 1 && pattern.test(operands[0]!));
const one = (pattern: RegExp): OperandRule => (operands) => operands.length === 1 && pattern.test(operands[0]!);
const joined = (pattern: RegExp): OperandRule => (operands) => pattern.test(operands.join(" "));

/** Accepts operands that match a pattern whose first group is a variable, after an option. */
const variables = (pattern: RegExp, option?: string): OperandRule => (operands) => {
  const names = operands[0] === option ? operands.slice(1) : operands;
  return names.length > 0 && names.every((operand) => {
    const name = pattern.exec(operand)?.[1];
    return name !== undefined && isAssignable(name) && !name.startsWith(FUNCTION_PREFIX);
  });
};

const NUMBER = /^[0-9]+$/;
const NAME = /^([A-Za-z_][A-Za-z0-9_]*)$/;
const NAME_OR_ASSIGNMENT = /^([A-Za-z_][A-Za-z0-9_]*)(?:=|$)/;
/** A status that cannot expand to nothing: `exit` alone has another meaning in a trap, which workers use. */
const STATUS = /^(?:\$\?|\$\(\([^@]*|"[^@]*|[A-Za-z0-9_][^@]*|[+-][0-9]+)$/;
/**
 * Options with the same effect in a worker, then `--` and any arguments. An `o` without a name would list all options, and
 * the traces of `x` begin with `PS4`, which may contain the number of a line.
 */
const SET_OPTIONS =
  /^(?!$)(?:[-+](?:[Cae-fu]+|[Cae-fu]*o (?:allexport|errexit|noclobber|noglob|nounset|pipefail))(?: (?!$)|$))*(?:--(?: [^]*)?)?$/;
const COMMAND_NAME = /^-v (?!_taskrunner_)[A-Za-z0-9_./+-]+$/;

/** Rules for built-in commands with operands that depend on the state of the shell. */
const OPERAND_RULES: ReadonlyMap<string, OperandRule> = new Map([
  ["break", atMostOne(NUMBER)],
  ["command", joined(COMMAND_NAME)],
  ["continue", atMostOne(NUMBER)],
  ["exit", one(STATUS)],
  ["export", variables(NAME_OR_ASSIGNMENT)],
  ["read", variables(NAME, "-r")],
  ["readonly", variables(NAME_OR_ASSIGNMENT)],
  ["set", joined(SET_OPTIONS)],
  ["shift", atMostOne(NUMBER)],
  ["umask", atMostOne(NUMBER)],
  ["unset", variables(NAME, "-v")],
]);

/**
 * The other built-in commands of all shells, except for harmless ones. They depend on the state of the shell, change how the
 * shell parses, or exit from more than the subshell.
 */
const REJECTED: ReadonlySet<string> = new Set(
  (". alias bg bind builtin caller chdir compgen complete compopt declare dirs disown enable eval exec fc fg getopts " +
    "global hash help history jobs kill let local logout mapfile mknod newgrp popd print pushd readarray realpath " +
    "rename return shopt source suspend times trap type typeset ulimit unalias wait whence").split(" "),
);

/** Harmless built-in commands whose messages contain the line number. */
const VERBOSE: ReadonlySet<string> = new Set(["[", "cd", "printf", "pwd", "test"]);

/**
 * The way in which a worker may run a command by its name: `silent` when only the start of a program can make the shell
 * print a message, `verbose` for other messages, or a rule for the operands.
 */
export type CommandRule = "silent" | "verbose" | "rejected" | OperandRule;

/** Returns the rule for a command by its name without quotes. */
export function commandRule(name: string): CommandRule {
  if (VERBOSE.has(name)) return "verbose";
  if (REJECTED.has(name) || name.startsWith(FUNCTION_PREFIX)) return "rejected";
  return OPERAND_RULES.get(name) ?? "silent";
}

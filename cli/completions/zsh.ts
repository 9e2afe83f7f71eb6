import { quoteAlways } from "../../text/shell_quote.ts";
import type { Completion } from "../args/flag.ts";
import type { CommandWords, FlagWords, ValueWords, Vocabulary } from "./vocabulary.ts";

/** Returns the completion script for zsh, a file for a directory of `fpath` or text for `source`. */
export function zshCompletions({ commands, defaultCommand, separators }: Vocabulary): string {
  const list = commands.map(({ name, summary }) => `    ${quoteAlways(`${name}:${summary}`)}`);
  const pattern = separators.join("|");
  return `#compdef taskrunner
# Completions of taskrunner for zsh. Load them with: source <(taskrunner completions zsh)

_taskrunner_commands() {
  local -a commands=(
${list.join("\n")}
  )
  _describe -t commands command commands
}

_taskrunner_command_or_file() {
  _alternative 'commands:command:_taskrunner_commands' 'files:task file:_files'
}

# Completes the arguments of COMMAND as zsh does elsewhere, and files after a separator.
_taskrunner_arguments() {
  if ((\${words[(I)${pattern}]})); then _files; else _normal; fi
}

${commands.map(commandFunction).join("\n\n")}

_taskrunner() {
  local curcontext=$curcontext state line ret=1
  typeset -A opt_args
  local hidden='!' # of flags that are recognized and not offered
  [[ $PREFIX != --no-* ]] || hidden=
  local -a flags
  _taskrunner_flags_${defaultCommand}
  _arguments -s -S -C $flags '(-)1: :->first' '(-)*:: :->rest' && ret=0
  case $state in
    first) _taskrunner_command_or_file && ret=0 ;;
    rest)
      if ((\${+functions[_taskrunner_flags_$words[1]]})); then
        curcontext=\${curcontext%:*}-$words[1]:
        _taskrunner_$words[1] && ret=0
      else
        _taskrunner_${defaultCommand} && ret=0
      fi
      ;;
  esac
  return ret
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _taskrunner "$@"
else
  compdef _taskrunner taskrunner
fi
`;
}

function commandFunction({ name, flags, operands, takesCommand }: CommandWords): string {
  const specs = takesCommand
    ? ["-A '-*' $flags '(-)1:command: _command_names -e' '(-)*:: :_taskrunner_arguments'"]
    : [["$flags", ...operandSpecs(operands)].join(" ")];
  return `_taskrunner_flags_${name}() {
  flags=(
${flags.flatMap(flagSpecs).map((spec) => `    ${spec}`).join("\n")}
  )
}

_taskrunner_${name}() {
  _taskrunner_flags_${name}
  _arguments -s -S ${specs}
}`;
}

/** Returns the specifications of a flag for `_arguments`. */
function flagSpecs({ offered, aliases, undoing, help, value, repeats }: FlagWords): string[] {
  const all = [...offered, ...aliases, ...undoing ? [undoing] : []];
  const exclusion = repeats ? "*" : `(${all.filter((spelling) => spelling !== undoing).join(" ")})`;
  const text = `[${help.replace(/[\\\]]/g, "\\$&")}]`;
  const form = (spelling: string) => `${spelling}${value ? spelling.startsWith("--") ? "=" : "+" : ""}`;
  const action = value ? `:${escapeColons(value.placeholder)}:${actionOf(value)}` : "";
  return [
    ...offered.map((spelling) => quoteAlways(`${exclusion}${form(spelling)}${text}${action}`)),
    ...aliases.map((spelling) => quoteAlways(`!${exclusion}${form(spelling)}${action}`)),
    ...undoing ? [`"$hidden"${quoteAlways(`${undoing}[undo --${undoing.slice("--no-".length)}]`)}`] : [],
  ];
}

function operandSpecs(operands: Completion | undefined): string[] {
  if (operands === undefined) return [];
  if (operands === "file") return ["'*: :_files'"];
  return [quoteAlways(`1: :${actionOf({ placeholder: "", completes: operands, isList: false })}`)];
}

function actionOf({ placeholder, completes, isList }: ValueWords): string {
  if (completes === undefined) return " ";
  if (completes === "file") return "_files";
  if (completes === "directory") return "_files -/";
  if (completes === "program") return "_command_names -e";
  if (isList) return `_values -s , ${quoteAlways(placeholder)} ${completes.join(" ")}`;
  return `(${completes.join(" ")})`;
}

function escapeColons(text: string): string {
  return text.replace(/[\\:]/g, "\\$&");
}

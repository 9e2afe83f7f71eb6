import { quoteAlways, shellQuote } from "../../text/shell_quote.ts";
import type { Completion } from "../args/flag.ts";
import { groupBy, lettersOf, longOf, type ValueWords, type Vocabulary } from "./vocabulary.ts";

/** Returns the completion script for bash 3.2 or later. The script needs no other package. */
export function bashCompletions({ commands, defaultCommand, valueSpellings }: Vocabulary): string {
  const names = commands.map(({ name }) => name);
  const flagCases = commands.map(({ name, flags }) => {
    const offered = flags.flatMap(({ offered }) => offered).join(" ");
    const undoing = flags.flatMap(({ undoing }) => undoing ?? []).join(" ");
    return `    ${name}) flags=${quoteAlways(offered)} undoing=${quoteAlways(undoing)} ;;`;
  });
  const values = commands.flatMap(({ name, flags }) =>
    flags.flatMap(({ offered, aliases, value }) =>
      value?.completes ? [...offered, ...aliases].map((spelling) => ({ pattern: `${name}:${spelling}`, value })) : []
    )
  );
  const valueCases = groupBy(values, ({ value }) => valueAction(value)).map((group) => {
    return `    ${group.map(({ pattern }) => pattern).join("|")}) ${valueAction(group[0]!.value)} ;;`;
  });
  const operandCases = commands.map(({ name, operands, takesCommand }) => {
    return `    ${name}) ${takesCommand ? PROGRAM_THEN_FILES : operandAction(operands)} ;;`;
  });
  const takers = commands.filter(({ takesCommand }) => takesCommand).map(({ name }) => name);
  return `# Completions of taskrunner for bash. Load them with: source <(taskrunner completions bash)

# Splits the line up to the cursor at whitespace. COMP_WORDS is also split at characters such as = and :.
_taskrunner_words() {
  local line=\${COMP_LINE:0:COMP_POINT} index word trimmed
  words=()
  for ((index = 0; index <= COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    trimmed=\${line#"\${line%%[![:space:]]*}"}
    ((index < COMP_CWORD)) || word=$trimmed
    if ((index > 0)) && [[ $trimmed == "$line" && -n $line ]]; then
      words[\${#words[@]}-1]+=$word
    else
      words+=("$word")
    fi
    line=\${trimmed#"$word"}
  done
}

# Offers the words of a list that begin with a prefix.
_taskrunner_offer() {
  local word prefix=$1
  shift
  compopt +o default +o bashdefault 2>/dev/null
  for word in "$@"; do
    [[ $word != "$prefix"* ]] || COMPREPLY+=("$word")
  done
}

# Offers the items of a list that is separated by commas.
_taskrunner_offer_list() {
  local before= item=$1 index
  shift
  [[ $item != *,* ]] || before="\${item%,*}," item=\${item##*,}
  compopt -o nospace 2>/dev/null
  _taskrunner_offer "$item" "$@"
  for index in "\${!COMPREPLY[@]}"; do COMPREPLY[index]=$before\${COMPREPLY[index]}; done
}

_taskrunner_offer_programs() {
  local word
  [[ $1 != */* ]] || return 0 # bash completes paths
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -c -- "$1" | sort -u)
}

_taskrunner_offer_directories() {
  compopt +o default +o bashdefault -o dirnames 2>/dev/null
}

# Offers values of the flag $2 of the command $1. Without a reply bash completes file names.
_taskrunner_value() {
  local current=$3
  case $1:$2 in
${valueCases.join("\n")}
    *) compopt +o default +o bashdefault 2>/dev/null ;;
  esac
}

_taskrunner() {
  local words current word command= flag= flags undoing letters index IFS=$' \\t\\n'
  local -i operands=0 ended=0
  COMPREPLY=()
  _taskrunner_words
  current=\${words[\${#words[@]}-1]}
  for ((index = 1; index < \${#words[@]} - 1; index++)); do
    word=\${words[index]}
    if [[ -n $flag ]]; then
      flag=
      continue
    fi
    case $word in
      --) ((ended)) || { ended=1 && continue; } ;;
      --*=*) ((ended)) || continue ;;
      --*)
        if ((!ended)); then
          case $word in ${longOf(valueSpellings).join("|")}) flag=$word ;; esac
          continue
        fi
        ;;
      -?*)
        if ((!ended)); then
          letters=\${word#-}
          letters=\${letters#"\${letters%%[${lettersOf(valueSpellings)}]*}"} # from the first letter that takes a value
          ((\${#letters} != 1)) || flag=-$letters
          continue
        fi
        ;;
    esac
    if [[ -z $command ]]; then
      case $word in ${names.join("|")}) command=$word && continue ;; *) command=${defaultCommand} ;; esac
    fi
    operands+=1
    [[ ' ${takers.join(" ")} ' != *" $command "* ]] || ended=1
  done
  if [[ -n $flag ]]; then
    _taskrunner_value "\${command:-${defaultCommand}}" "$flag" "$current"
    return
  fi
  if ((!ended)); then
    if [[ $current == --*=* ]]; then
      flag=\${current%%=*}
      _taskrunner_value "\${command:-${defaultCommand}}" "$flag" "\${current#*=}"
      [[ $COMP_WORDBREAKS == *=* ]] || COMPREPLY=("\${COMPREPLY[@]/#/$flag=}")
      return
    fi
    if [[ $current == -* ]]; then
      case \${command:-${defaultCommand}} in
${indent(flagCases)}
      esac
      [[ $current != --no-* ]] || flags+=" $undoing"
      _taskrunner_offer "$current" $flags
      return
    fi
  fi
  case $command in
    '') _taskrunner_offer "$current" ${words(names)} && compopt -o default -o bashdefault 2>/dev/null ;;
${operandCases.join("\n")}
  esac
}

complete -o bashdefault -o default -F _taskrunner taskrunner
`;
}

const PROGRAM_THEN_FILES = '((operands > 0)) || _taskrunner_offer_programs "$current"';

function operandAction(completes: Completion | undefined): string {
  if (completes === "file") return ": ";
  if (completes === undefined) return "compopt +o default +o bashdefault 2>/dev/null";
  return `((operands > 0)) || ${valueAction({ placeholder: "", completes, isList: false })}`;
}

function valueAction({ completes, isList }: ValueWords): string {
  if (completes === "file") return ":";
  if (completes === "directory") return "_taskrunner_offer_directories";
  if (completes === "program") return '_taskrunner_offer_programs "$current"';
  return `_taskrunner_offer${isList ? "_list" : ""} "$current" ${words(completes ?? [])}`;
}

function words(list: readonly string[]): string {
  return list.map(shellQuote).join(" ");
}

function indent(lines: readonly string[]): string {
  return lines.map((line) => `    ${line}`).join("\n");
}

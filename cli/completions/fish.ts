import { type FlagWords, groupBy, lettersOf, longOf, type ValueWords, type Vocabulary } from "./vocabulary.ts";

/** Returns the completion script for fish 3.0 or later. */
export function fishCompletions({ commands, defaultCommand, valueSpellings, separators }: Vocabulary): string {
  const flags = commands.flatMap(({ name, flags }) => flags.map((flag) => ({ command: name, flag })));
  const flagLines = groupBy(flags, ({ flag }) => flagArguments(flag)).flatMap((group) => {
    const [{ flag }] = group as [typeof group[number]];
    const owners = group.map(({ command }) => command).join(" ");
    const line = `complete -c taskrunner -n '__taskrunner_flags_of ${owners}' ${flagArguments(flag)}`;
    if (!flag.undoing) return [line];
    const undo = `-l ${flag.undoing.slice(2)} -d 'undo --${flag.name}'`;
    return [line, `complete -c taskrunner -n '__taskrunner_undoes ${owners}' ${undo}`];
  });
  const operandLines = commands.flatMap(({ name, operands, takesCommand }) => {
    if (operands === undefined || takesCommand) return [];
    const condition = operands === "file" ? `__taskrunner_operands_of ${name}` : `__taskrunner_operands_of ${name} 0`;
    const action = actionOf({ placeholder: "", completes: operands, isList: false });
    return [`complete -c taskrunner -n '${condition}' ${action.replace("-r ", "")}`];
  });
  const takers = commands.filter(({ takesCommand }) => takesCommand).map(({ name }) => name);
  return `# Completions of taskrunner for fish. Load them with: taskrunner completions fish | source

# Prints the command, the number of its operands, and yes or no for: flags may follow.
function __taskrunner_state
    set -l command
    set -l operands 0
    set -l flags yes
    set -l awaits no
    set -l tokens (commandline -opc)
    for word in $tokens[2..-1]
        if test $awaits = yes
            set awaits no
            continue
        end
        if test $flags = yes
            if test "$word" = --
                set flags no
                continue
            end
            if string match -qr -- '^--' "$word"
                contains -- "$word" ${longOf(valueSpellings).join(" ")}
                and set awaits yes
                continue
            end
            if string match -qr -- '^-.' "$word"
                string match -qr -- '^-[^${lettersOf(valueSpellings)}]*[${lettersOf(valueSpellings)}]$' "$word"
                and set awaits yes
                continue
            end
        end
        if test -z "$command"
            set command ${defaultCommand}
            if contains -- "$word" ${commands.map(({ name }) => name).join(" ")}
                set command $word
                continue
            end
        end
        set operands (math $operands + 1)
        contains -- $command ${takers.join(" ")}
        and set flags no
    end
    test -n "$command"
    or set command none
    printf '%s\\n' $command $operands $flags
end

# Succeeds where a flag of one of the given commands may stand.
function __taskrunner_flags_of
    set -l state (__taskrunner_state)
    test $state[1] = none
    and set state[1] ${defaultCommand}
    test $state[3] = yes
    and contains -- $state[1] $argv
end

# Succeeds where a flag that undoes another may stand, after --no-.
function __taskrunner_undoes
    string match -q -- '--no-*' (commandline -ct)
    and __taskrunner_flags_of $argv
end

# Succeeds after a command, and after the given number of operands.
function __taskrunner_operands_of
    set -l state (__taskrunner_state)
    test $state[1] = $argv[1]
    or return 1
    test (count $argv) = 1
    or test $state[2] = $argv[2]
end

# Succeeds after a command and a separator of values.
function __taskrunner_values_of
    for separator in ${separators.join(" ")}
        if contains -- $separator (commandline -opc)
            __taskrunner_operands_of $argv
            return
        end
    end
    return 1
end

# Completes a command within the line as fish does at its beginning.
function __taskrunner_complete_command
    set -l tokens (commandline -opc)
    set -l state (__taskrunner_state)
    set -l words
    if test $state[2] -gt 0
        set words (string escape -- $tokens[(math (count $tokens) - $state[2] + 1)..-1])
    else if string match -q -- '-*' (commandline -ct)
        return
    end
    complete -C "$words "(commandline -ct)
end

complete -c taskrunner -f
${
    commands.map(({ name, summary }) => {
      return `complete -c taskrunner -n '__taskrunner_operands_of none' -a ${name} -d ${quote(summary)}`;
    }).join("\n")
  }
complete -c taskrunner -n '__taskrunner_operands_of none' -F
${operandLines.join("\n")}
${
    takers.flatMap((name) => [
      `complete -c taskrunner -n '__taskrunner_values_of ${name}' -F`,
      `complete -c taskrunner -n '__taskrunner_operands_of ${name}; and not __taskrunner_values_of ${name}' ` +
      "-a '(__taskrunner_complete_command)'",
    ]).join("\n")
  }
${flagLines.join("\n")}
`;
}

function flagArguments({ offered, help, value }: FlagWords): string {
  const spellings = offered.map((spelling) =>
    spelling.startsWith("--") ? `-l ${spelling.slice(2)}` : `-s ${spelling[1]}`
  );
  return [...spellings, ...value ? [actionOf(value)] : [], `-d ${quote(help)}`].join(" ");
}

function actionOf({ completes, isList }: ValueWords): string {
  if (completes === undefined) return "-x";
  if (completes === "file") return "-r -F";
  if (completes === "directory") return "-x -a '(__fish_complete_directories (commandline -ct))'";
  if (completes === "program") return "-x -a '(__fish_complete_command)'";
  return isList ? `-x -a '(__fish_append , ${completes.join(" ")})'` : `-x -a ${quote(completes.join(" "))}`;
}

/** Quotes text for fish, where a backslash is special within quotes. */
function quote(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}

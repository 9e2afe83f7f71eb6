import { type Command, COMMON_FLAGS } from "../command.ts";
import { type FlagGroups, flagsOf, spelling } from "./flag.ts";

/** Width of the help. */
const COLUMNS = 100;
/** Width of the column of flags. The text of a longer one begins on the next line. */
const FLAG_COLUMNS = 30;

/** Returns the help of the tool: the commands, and the flags of the default command. */
export function generalHelp(commands: readonly Command[], byDefault: Command): string {
  const width = Math.max(...commands.map(({ name }) => name.length));
  const rows = commands.map((command) => {
    return `  ${command.name.padEnd(width)}  ${command.summary}${command === byDefault ? " (default)" : ""}`;
  });
  return sections(
    "Run shell tasks from JSON Lines in a bounded pool of processes. Write one JSON result per task.",
    `Usage: taskrunner [${byDefault.name}] ${byDefault.usage}\n       taskrunner COMMAND --help`,
    `Commands:\n${rows.join("\n")}`,
    ...details(byDefault),
  );
}

/** Returns the help of a command. */
export function commandHelp(command: Command): string {
  return sections(`${command.summary}.`, `Usage: taskrunner ${command.name} ${command.usage}`, ...details(command));
}

function details({ flags, notes }: Command): string[] {
  const groups: FlagGroups = { ...flags, "Help": COMMON_FLAGS };
  const legends = new Set(Object.values(flagsOf(flags)).flatMap(({ unit }) => unit?.legend ?? []));
  return [
    ...Object.entries(groups).map(([heading, group]) => `${heading}:\n${rowsOf(group)}`),
    [...legends].map((legend) => wrap(legend, 0)).join("\n"),
    ...(notes ?? "").split("\n\n").map((paragraph) => wrap(paragraph, 0)),
  ];
}

function rowsOf(group: FlagGroups[string]): string {
  return Object.entries(group).map(([name, flag]) => {
    const left = `${flag.short ? "  " : "      "}${spelling(name, flag)}`; // aligns the long names
    const text = flag.help + (flag.default === undefined ? "" : ` (default: ${flag.default})`);
    const separator = left.length > FLAG_COLUMNS ? `\n${" ".repeat(FLAG_COLUMNS + 2)}` : "  ";
    return left.padEnd(FLAG_COLUMNS) + separator + wrap(text, FLAG_COLUMNS + 2);
  }).join("\n");
}

/** Breaks text into lines, of which all but the first are indented. */
function wrap(text: string, indent: number): string {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent + line.length + 1 + word.length > COLUMNS) {
      lines.push(line);
      line = word;
    } else line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line].join(`\n${" ".repeat(indent)}`);
}

function sections(...texts: string[]): string {
  return `${texts.filter(Boolean).join("\n\n")}\n`;
}

import { type Command, COMMON_FLAGS } from "./command.ts";
import type { Topic } from "./help_topics.ts";
import { type Flag, type FlagGroups, type Flags, spelling } from "./args/flag.ts";

/** Width of the help: that of the narrowest usual terminal. */
const COLUMNS = 80;
/** Width of the column of flags. The text of a longer one begins on the next line. */
const FLAG_COLUMNS = 26;

/** Returns the short help of the tool: each command with an example, and where to read on. */
export function generalHelp(commands: readonly Command[], topics: readonly Topic[]): string {
  const rows = commands.map(({ examples: [{ command }], summary }) => [command.replace(/^taskrunner /, ""), summary]);
  return sections(
    "Run shell commands in parallel, and record how each of them ended.",
    "Usage: taskrunner COMMAND [FLAGS] [ARGUMENT...]\n       taskrunner TASKS.jsonl [FLAGS]",
    `Commands, each with an example:\n${table(rows as [string, string][])}`,
    "taskrunner COMMAND --help prints the flags and three examples of a command.\n" +
      topicsLine(topics.map(({ name }) => name)),
  );
}

/** Returns the help of a command: its usage, flags and examples. */
export function commandHelp({ name, summary, usage, flags, examples, topics = [] }: Command): string {
  const shown = Object.entries(flags).map(([heading, group]) => [heading, visible(group)] as const);
  const groups = Object.fromEntries([...shown, ["Help", COMMON_FLAGS]]);
  return sections(
    `${summary}.`,
    `Usage: taskrunner ${name} ${usage}`,
    ...flagSections(groups),
    `Examples:\n${examples.map(({ text, command }) => `  # ${text}\n  ${command}`).join("\n")}`,
    topics.length > 0 ? topicsLine(topics) : "",
  );
}

/** Returns the help of a topic. */
export function topicHelp({ summary, sections: parts, flags = {} }: Topic): string {
  return sections(
    `${summary}.`,
    ...parts.map((part) => typeof part === "string" ? wrap(part, 0) : table(part)),
    ...flagSections(flags),
  );
}

/** Returns the flags that the help of a command lists; topics list the others. */
function visible(flags: Flags): Flags {
  return Object.fromEntries(Object.entries(flags).filter(([, { topic }]) => topic === undefined));
}

function topicsLine(names: readonly string[]): string {
  return `taskrunner help TOPIC explains: ${names.join(", ")}.`;
}

function flagSections(groups: FlagGroups): string[] {
  const legends = new Set(
    Object.values(groups).flatMap(Object.values<Flags[string]>).flatMap(({ unit }) => unit?.legend ?? []),
  );
  return [
    ...Object.entries(groups).map(([heading, group]) => {
      const rows = rowsOf(group);
      return rows && `${heading}:\n${rows}`;
    }),
    [...legends].map((legend) => wrap(legend, 0)).join("\n"),
  ];
}

function rowsOf(group: Flags): string {
  const rows = Object.entries(group).flatMap(([name, flag]): [name: string, flag: Flag][] => {
    return [[name, flag], ...flag.negation ? [[`no-${name}`, { help: flag.negation }] as [string, Flag]] : []];
  });
  return rows.map(([name, flag]) => {
    const left = `${flag.short ? "  " : "      "}${spelling(name, flag)}`; // aligns the long names
    const text = flag.help + (flag.default === undefined ? "" : ` (default: ${flag.default})`);
    const separator = left.length > FLAG_COLUMNS ? `\n${" ".repeat(FLAG_COLUMNS + 2)}` : "  ";
    return left.padEnd(FLAG_COLUMNS) + separator + wrap(text, FLAG_COLUMNS + 2);
  }).join("\n");
}

/** Returns rows of two columns, of which the second is wrapped. */
function table(rows: readonly (readonly [left: string, right: string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${wrap(right, width + 4)}`).join("\n");
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

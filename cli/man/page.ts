import { VERSION, VERSION_DATE } from "../../text/version.ts";
import { type Flag, type Flags, flagsOf } from "../args/flag.ts";
import { type Command, COMMON_FLAGS } from "../command.ts";
import type { Topic } from "../help_topics.ts";
import { bold, code, italic, item, paragraph, quoted, roff, section, subsection } from "./roff.ts";

/** The variables that taskrunner reads or sets, with their meanings. */
export const VARIABLES: readonly (readonly [names: string, meaning: string])[] = [
  ["TASKRUNNER_FLAGS", "default flags, in words as a shell quotes them. Tasks do not inherit the variable."],
  ["XDG_CONFIG_HOME", "directory of the file taskrunner/flags (default: ~/.config)"],
  ["TMPDIR", "directory for temporary files (default: /tmp)"],
  ["XDG_CACHE_HOME", "directory of the directory taskrunner with compiled code, on Node and Bun (default: ~/.cache)"],
  ["NODE_DISABLE_COMPILE_CACHE", "if 1, Node and Bun keep no compiled code"],
  ["NATS_…", "login and TLS for NATS; see NATS"],
  ["OTEL_…, TRACEPARENT, TRACESTATE", "traces and metrics for OpenTelemetry"],
  ["TASKRUNNER_ID, TASKRUNNER_SLOT, TASKRUNNER_ATTEMPT", "set for each task: its id, its slot and its attempt"],
];

const FILES: readonly (readonly [path: string, meaning: string])[] = [
  [
    "$XDG_CONFIG_HOME/taskrunner/flags, ~/.config/taskrunner/flags",
    "default flags, as on a command line. Whitespace and newlines separate words, quotes work as in a shell, and # begins " +
    "a comment.",
  ],
  [
    "$XDG_CACHE_HOME/taskrunner/, ~/.cache/taskrunner/",
    "compiled code, on Node and Bun. It can be removed at any time.",
  ],
  ["FILE.output/", "output of tasks that is larger than --max-inline, with -o FILE"],
];

const DESCRIPTION = [
  "taskrunner runs shell commands and programs in parallel, in a bounded number of processes. Tasks are lines of JSON, or a " +
  "command for each of several values, as for xargs(1) and parallel(1).",
  "Each task has a result with its outcome, exit status or signal, times and output. Results are lines of JSON. A results " +
  "file is also the journal with which an interrupted run is resumed.",
  "Flags of taskrunner each stand before its COMMAND. Elsewhere flags and arguments may come in any order. --no-FLAG undoes a " +
  "flag that stands before it, for example a default of the user.",
];

/** Returns the manual page of the tool in the man(7) language. */
export function manualPage(commands: readonly Command[], topics: readonly Topic[]): string {
  const legends = new Set(
    commands.flatMap(({ flags }) => Object.values(flagsOf(flags)).flatMap(({ unit }) => unit?.legend ?? [])),
  );
  return [
    `.TH TASKRUNNER 1 ${VERSION_DATE} ${quoted(`taskrunner ${VERSION}`)} ${quoted("User Commands")}`,
    ".nh", // no hyphenation of flags and paths
    ".ad l", // and no wide spaces between words
    section("NAME", `taskrunner \\- ${roff("run shell commands in parallel, and record how each of them ended")}`),
    section(
      "SYNOPSIS",
      commands.map(({ name, usage }) => `${bold(`taskrunner ${name}`)} ${roff(usage)}`.trim()).join("\n.br\n"),
    ),
    section("DESCRIPTION", DESCRIPTION.map((text) => roff(text)).join("\n.PP\n")),
    section("COMMANDS", commands.map((command, index) => commandSection(command, commands.slice(0, index))).join("\n")),
    subsection("Flags of all commands", flagItems(COMMON_FLAGS)),
    subsection("Values of flags", [...legends].map(legendItem).join("\n")),
    ...topics.map(topicSection),
    section("ENVIRONMENT", definitions(VARIABLES)),
    section("FILES", definitions(FILES)),
    section("EXAMPLES", examples(commands)),
    section("SEE ALSO", ["xargs", "parallel", "timeout", "jq"].map((name) => `.BR ${name} (1)`).join(",\n")),
    "",
  ].join("\n");
}

/** Returns the section of a command. Flags that an earlier command has, too, are only named. */
function commandSection(
  { name, usage, summary, flags, examples: _, ...rest }: Command,
  earlier: readonly Command[],
): string {
  const parts = [roff(`${summary}.`)];
  const own = Object.values(flags).map((group) => Object.entries(group).filter(([, { topic }]) => topic === undefined));
  for (const [index, heading] of Object.keys(flags).entries()) {
    const fresh = own[index]!.filter(([flag, value]) => ownerOf(flag, value, earlier) === undefined);
    if (fresh.length === 0) continue;
    parts.push(paragraph(`${roff(heading)}:`), flagItems(Object.fromEntries(fresh)));
  }
  for (const { name: owner } of earlier) {
    const shared = own.flat().filter(([flag, value]) => ownerOf(flag, value, earlier) === owner);
    if (shared.length === 0) continue;
    const names = shared.map(([flag]) => bold(`--${flag}`)).join(", ");
    parts.push(paragraph(`Also takes these flags of ${bold(`taskrunner ${owner}`)}: ${names}.`));
  }
  const topics = rest.topics ?? [];
  if (topics.length > 0) {
    parts.push(paragraph(`See also ${topics.map((topic) => bold(titleOf(topic))).join(", ")} below.`));
  }
  return subsection(`taskrunner ${name} ${usage}`.trim(), ...parts);
}

/** Returns the name of the first command that has the same flag with the same text. */
function ownerOf(name: string, flag: Flag, commands: readonly Command[]): string | undefined {
  return commands.find(({ flags }) => {
    const other = (flagsOf(flags) as Flags)[name];
    return other !== undefined && flagItem(name, other) === flagItem(name, flag);
  })?.name;
}

function flagItems(flags: Flags): string {
  return Object.entries(flags).flatMap(([name, flag]) => [
    flagItem(name, flag),
    ...flag.negation ? [flagItem(`no-${name}`, { help: flag.negation })] : [],
  ]).join("\n");
}

function flagItem(name: string, { short, unit, aliases = [], help, default: byDefault, repeats }: Flag): string {
  const spellings = [...short ? [`-${short}`] : [], `--${name}`].map(bold).join(", ");
  const notes = [
    ...byDefault === undefined ? [] : [` (default: ${byDefault})`],
    ...repeats ? ["; may be given several times"] : [],
    ...aliases.length > 0 ? [`; also ${aliases.join(", ")}`] : [],
  ];
  return item(spellings + (unit ? ` ${italic(unit.placeholder)}` : ""), roff(help + notes.join("")));
}

function legendItem(legend: string): string {
  const [, term, text] = /^(.*?): (.*)$/s.exec(legend)!;
  return item(italic(term!), roff(text!));
}

function topicSection({ name, summary, sections, flags = {} }: Topic): string {
  const groups = Object.entries(flags).flatMap((
    [heading, group],
  ) => [paragraph(`${roff(heading)}:`), flagItems(group)]);
  const parts = sections.map((part) => typeof part === "string" ? paragraph(roff(part)) : definitions(part));
  return section(titleOf(name), roff(`${summary}.`), ...parts, ...groups);
}

function titleOf(topic: string): string {
  return topic.toUpperCase().replaceAll("-", " ");
}

function definitions(rows: readonly (readonly [term: string, text: string])[]): string {
  return rows.map(([term, text]) => item(bold(term), roff(text))).join("\n");
}

function examples(commands: readonly Command[]): string {
  return commands.flatMap(({ examples }) => examples).map(({ text, command }, index) => {
    const example = `${roff(text)}:\n${code(command)}`;
    return index === 0 ? example : `.PP\n${example}`;
  }).join("\n");
}

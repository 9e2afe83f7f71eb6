import { excerpt } from "../../text/excerpt.ts";
import { nearest } from "../../text/nearest.ts";
import { commandHelp, generalHelp, topicHelp } from "../help_text.ts";
import { UsageError } from "../args/usage_error.ts";
import type { Command } from "../command.ts";
import { TOPICS } from "../help_topics.ts";

/**
 * Returns `taskrunner help`, the help of all commands.
 *
 * @param names The names of the commands.
 * @param loadCommands Loads the commands.
 */
export function helpCommand(names: readonly string[], loadCommands: () => Promise<readonly Command[]>): Command {
  return {
    name: "help",
    usage: "[COMMAND | TOPIC]",
    summary: "Print the help of a command or a topic",
    examples: [
      { command: "taskrunner help each", text: "Print the flags and three examples of a command" },
      { command: "taskrunner help exit-status", text: "Print a topic" },
      { command: "taskrunner help", text: "List the commands and topics" },
    ],
    operandCompletes: [...names, ...TOPICS.map(({ name }) => name)],
    flags: {},
    async run({ operands }, io) {
      if (operands.length > 1) {
        throw new UsageError(`Expected one command or topic, got ${operands.map(excerpt).join(" and ")}`);
      }
      await io.stdout.write(new TextEncoder().encode(helpOf(operands[0], await loadCommands())));
      return 0;
    },
  };
}

function helpOf(name: string | undefined, commands: readonly Command[]): string {
  if (name === undefined) return generalHelp(commands, TOPICS);
  const command = commands.find((command) => command.name === name);
  if (command) return commandHelp(command);
  const topic = TOPICS.find((topic) => topic.name === name);
  if (topic) return topicHelp(topic);
  const near = nearest(
    name,
    [...commands, ...TOPICS].map(({ name }) => name),
    Math.max(1, Math.floor(name.length / 3)),
  );
  throw new UsageError(`Unknown command or topic ${excerpt(name)}${near ? `, did you mean ${near}?` : ""}`);
}

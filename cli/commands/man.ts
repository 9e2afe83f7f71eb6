import { excerpt } from "../../text/excerpt.ts";
import { UsageError } from "../args/usage_error.ts";
import { type Command, defineCommand } from "../command.ts";

/** Returns `taskrunner man`: prints the manual page. */
export function man(loadCommands: () => Promise<readonly Command[]>): Command {
  return defineCommand({
    name: "man",
    usage: "",
    summary: "Print the manual page for man",
    examples: [
      { command: "taskrunner man | man -l -", text: "Show the manual page" },
      { command: "taskrunner man > taskrunner.1", text: "Write the manual page to a file, for a directory of man" },
      { command: "taskrunner man | mandoc -T html > taskrunner.html", text: "Convert the manual page to HTML" },
    ],
    flags: {},
    async run({ operands }, io) {
      if (operands.length > 0) {
        throw new UsageError(`Expected no arguments, got ${operands.map(excerpt).join(" and ")}`);
      }
      const [{ manualPage }, { TOPICS }] = await Promise.all([import("../man/page.ts"), import("../help_topics.ts")]);
      await io.stdout.write(new TextEncoder().encode(manualPage(await loadCommands(), TOPICS)));
      return 0;
    },
  });
}

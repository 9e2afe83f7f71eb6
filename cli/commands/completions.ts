import { excerpt } from "../../text/excerpt.ts";
import { UsageError } from "../args/usage_error.ts";
import { type Command, defineCommand } from "../command.ts";
import type { Vocabulary } from "../completions/vocabulary.ts";

/** The functions that return the script of a shell. */
const SCRIPTS: Readonly<Record<string, () => Promise<(vocabulary: Vocabulary) => string>>> = {
  bash: async () => (await import("../completions/bash.ts")).bashCompletions,
  zsh: async () => (await import("../completions/zsh.ts")).zshCompletions,
  fish: async () => (await import("../completions/fish.ts")).fishCompletions,
};

/** Returns `taskrunner completions`: prints a script with which a shell completes the commands and flags. */
export function completions(loadCommands: () => Promise<readonly Command[]>, defaultCommand: string): Command {
  return defineCommand({
    name: "completions",
    usage: "bash | zsh | fish",
    summary: "Print completions for a shell",
    examples: [
      { command: "taskrunner completions fish | source", text: "Load completions in fish, also in its configuration" },
      { command: "source <(taskrunner completions bash)", text: "Load completions in bash, also in ~/.bashrc" },
      { command: 'taskrunner completions zsh > "${fpath[1]}/_taskrunner"', text: "Install completions for zsh" },
    ],
    operandCompletes: Object.keys(SCRIPTS),
    flags: {},
    async run({ operands: [shell, ...more] }, io) {
      if (shell === undefined) throw new UsageError("Missing the shell: bash, zsh or fish");
      if (!Object.hasOwn(SCRIPTS, shell) || more.length > 0) {
        throw new UsageError(`Expected bash, zsh or fish, got ${[shell, ...more].map(excerpt).join(" and ")}`);
      }
      const { vocabularyOf } = await import("../completions/vocabulary.ts");
      const completions = await SCRIPTS[shell]!();
      await io.stdout.write(new TextEncoder().encode(completions(vocabularyOf(await loadCommands(), defaultCommand))));
      return 0;
    },
  });
}

import { type OptionHint, optionNames } from "../text/unknown_option.ts";
import type { LocalExecutorOptions } from "./mod.ts";

/** Options with their names in this command, GNU parallel, xargs and execa. */
const HINTS: Record<keyof LocalExecutorOptions, OptionHint> = {
  shell: { otherNames: "shellPath sh" },
  maxInlineBytes: { otherNames: "inline inlineBytes maxInline" },
  spillDir: { otherNames: "outputDir spill spillDirectory tmpdir tempDir", unit: ", a directory for large output" },
  maxOutputBytes: { otherNames: "maxBuffer maxOutput outputLimit" },
  spawnAdapter: { otherNames: "adapter spawn spawner" },
  cleanup: { otherNames: "cleanUp killOnExit" },
};

/** The names of {@linkcode LocalExecutorOptions}. */
export const EXECUTOR_OPTION_NAMES = optionNames(HINTS);

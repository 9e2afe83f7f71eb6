/** Reads the examples of the manuals of GNU parallel and xargs, with the same commands for taskrunner. @module */

import { readFileSync } from "node:fs";

/** The manuals, and the files with their examples. */
const MANUALS = {
  "parallel_tutorial(7)": "parallel_tutorial.txt",
  "parallel_examples(7)": "parallel_examples.txt",
  "parallel(1)": "parallel.txt",
  "xargs(1)": "xargs.txt",
} as const;

/** The name of a manual. */
export type Manual = keyof typeof MANUALS;

/** An example of a manual. All scripts are for bash. */
export interface Example {
  /** The manual, the section, and the number of the example in the section, as the name of a test. */
  readonly name: string;
  readonly manual: Manual;
  readonly section: string;
  /** A script that runs before both others, in the same shell. */
  readonly setup: string;
  /** The script for GNU parallel or xargs. */
  readonly theirs: string;
  /** The script for taskrunner. */
  readonly ours: string;
  /** The number of lines in each group of lines whose order is undefined; undefined if the whole order is defined. */
  readonly unorderedLines: number | undefined;
  /** Set if the exit status is part of the comparison. */
  readonly hasStatus: boolean;
  /** The reason why the output or the exit status differs; undefined if both are the same. */
  readonly differs: string | undefined;
  /** Other remarks, in Markdown. */
  readonly note: string;
}

const PARTS = ["setup", "theirs", "ours", "unordered", "status", "differs", "note"] as const;
type Part = typeof PARTS[number];

/** Returns the examples of all manuals, in their order. */
export function readExamples(): Example[] {
  return (Object.entries(MANUALS) as [Manual, string][]).flatMap(([manual, file]) => {
    return parseExamples(manual, readFileSync(new URL(file, import.meta.url), "utf8"));
  });
}

/**
 * Parses a file of examples. Each begins with `=== SECTION`. Its parts begin with `--- PART`: `setup`, `theirs`, `ours`,
 * `unordered` with the number of lines of a group, `status`, `differs` and `note`.
 *
 * @throws an `Error` that names the example with an unknown or missing part.
 */
function parseExamples(manual: Manual, text: string): Example[] {
  const counts = new Map<string, number>();
  return text.split(/^=== /m).slice(1).map((block) => {
    const [head, ...bodies] = block.split(/^--- /m);
    const section = head!.trim();
    const count = (counts.get(section) ?? 0) + 1;
    counts.set(section, count);
    const name = `${manual}, ${section}, example ${count}`;
    const parts: Partial<Record<Part, string>> = {};
    for (const body of bodies) {
      const end = body.indexOf("\n");
      const [part, argument = ""] = body.slice(0, end).split(" ") as [Part, string?];
      if (!PARTS.includes(part) || parts[part] !== undefined) throw new Error(`Unexpected part "${part}" of ${name}`);
      parts[part] = part === "unordered" ? argument : body.slice(end + 1).trim();
    }
    const { setup = "", theirs, ours, unordered, status, differs, note = "" } = parts;
    if (!theirs || !ours) throw new Error(`Missing a command of ${name}`);
    const unorderedLines = unordered === undefined ? undefined : Number(unordered || 1);
    return {
      name,
      manual,
      section,
      setup,
      theirs,
      ours,
      unorderedLines,
      hasStatus: status !== undefined,
      differs,
      note,
    };
  });
}

/** Writes the examples as a page of the documentation. @module */

import type { Example } from "./examples.ts";

/** The path of the page within the project. */
export const PAGE_PATH = "docs/reference/peer-examples.md";

/** Returns the page with the table of the examples. */
export function pageOf(examples: readonly Example[]): string {
  const same = examples.filter(({ differs }) => differs === undefined).length;
  const manuals = [...new Set(examples.map(({ manual }) => manual))];
  const sections = manuals.map((manual) => {
    const rows = examples.filter((example) => example.manual === manual);
    return `## ${manual}\n\n${HEAD}\n${rows.map(rowOf).join("\n")}\n`;
  });
  return `${introduction(examples.length, same)}\n${sections.join("\n")}`;
}

function introduction(count: number, same: number): string {
  return `<!-- deno-fmt-ignore-file -->
<!-- Written by deno task peers:examples from dev/peers/*.txt -->

# Examples of GNU parallel and xargs

The table has ${count} examples from the manuals of GNU parallel 20221122 and GNU xargs 4.9.0, and commands of taskrunner
for the same purpose. **${same} of them (${Math.floor(100 * same / count)} %) have the same output.**
\`deno task peers:examples\` runs both sides of each example in empty directories and compares standard output byte for byte.
It fails as well when an example has the same output although the table says "no". CI compares every sixth example
(\`tests/e2e/peer_examples_test.ts\`).

- The exit status is compared in the examples of \`--halt\` and of exit statuses.
- Lines are sorted before the comparison where the order of the tasks is undefined.
- \`dev/peers/*.txt\` has the files and functions that the examples need. Scripts that print their arguments replace programs
  such as \`wget\` and \`convert\`. Some numbers are smaller than in the manuals.
- Left out are examples of other machines (\`-S\`, \`--trc\`, \`--onall\`, \`env_parallel\`), databases (\`--sqlandworker\`), terminals
  (\`--interactive\`, \`--tty\`, \`--tmux\`, \`--latest-line\`), scripts that begin with \`#!/usr/bin/parallel\`, the semaphore \`sem\` in the
  background, information about GNU parallel itself (\`--version\`, \`--number-of-cpus\`, \`-vv\`), mixed output (\`--ungroup\`), and
  examples whose output depends on the load or the speed (\`--load\`, \`--noswap\`, \`--timeout 200%\`, \`--termseq\`, a file of
  \`--jobs\`).
`;
}

const HEAD = "| example of | theirs | taskrunner | same | remarks |\n| --- | --- | --- | --- | --- |";

function rowOf({ section, theirs, ours, differs, note }: Example): string {
  const remarks = [differs, note].filter(Boolean).join(" ").replace(/\s*\n\s*/g, " ");
  const cells = [section.startsWith("-") || section.startsWith("{") ? `\`${section}\`` : section];
  cells.push(codeOf(theirs), codeOf(ours), differs === undefined ? "yes" : "no", remarks);
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

/** Returns code spans for the lines of a script. */
function codeOf(script: string): string {
  return script.split("\n").map((line) => `\`${line.trim()}\``).join("<br>");
}

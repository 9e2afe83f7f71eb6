/**
 * Fails when a workflow file is not valid for GitHub Actions, when it uses an action without a version, or when a workflow
 * or job has more permissions than it needs. Reads no network. Needs Bun: the packages of GitHub import JSON in a way that
 * only Bun and bundlers accept.
 *
 *     bun dev/check_workflows.ts
 *
 * @module
 */

import { readdir, readFile } from "node:fs/promises";
import process from "node:process";
import { validate } from "@actions/languageservice";
import { clearCache } from "@actions/languageservice/utils/workflow-cache";
import { TextDocument } from "vscode-languageserver-textdocument";

const WORKFLOWS = new URL("../.github/workflows/", import.meta.url);

/** A version tag with all three numbers, or the hash of a commit. A shorter tag such as `v5` moves. */
const PINNED = /^[\w.-]+(?:\/[\w.-]+)+@(?:v\d+\.\d+\.\d+|[0-9a-f]{40})$/;

/** Checks the text of a workflow file. Returns a line for each offense, with file and line. */
export async function findOffenses(name: string, text: string): Promise<string[]> {
  const document = TextDocument.create(new URL(name, WORKFLOWS).href, "yaml", 0, text);
  clearCache(); // it keeps what it parsed by name
  const offenses = (await validate(document)).map(({ range, message }): [number, string] => {
    return [range.start.line + 1, typeof message === "string" ? message : message.value];
  });
  if (!/^permissions:/m.test(text)) {
    offenses.push([1, "no permissions at the top level: add `permissions: {}`, and what a job needs to the job"]);
  }
  for (const [index, line] of text.split("\n").entries()) {
    const action = /^\s*(?:- )?uses:\s*([^\s#]+)/.exec(line)?.[1];
    if (action !== undefined && !action.startsWith("./") && !PINNED.test(action)) {
      offenses.push([index + 1, `${action}: pin the action to a version such as @v1.2.3`]);
    }
    if (/permissions:\s*write-all/.test(line)) offenses.push([index + 1, "write-all: name the permissions"]);
  }
  return offenses.sort(([a], [b]) => a - b).map(([line, message]) => `.github/workflows/${name}:${line}: ${message}`);
}

if (import.meta.main) {
  let count = 0;
  for (const name of (await readdir(WORKFLOWS)).sort()) {
    for (const offense of await findOffenses(name, await readFile(new URL(name, WORKFLOWS), "utf8"))) {
      count++;
      console.error(offense);
    }
  }
  if (count > 0) process.exit(1);
}

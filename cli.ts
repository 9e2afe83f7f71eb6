/**
 * The command line tool. Importing this module from another one starts nothing; {@linkcode runCommandLine} does.
 *
 * @example
 * ```sh
 * echo '{"cmd":"echo hi"}' | deno run -A jsr:@x/taskrunner
 * ```
 *
 * @module
 */

import { failCommand, runCommandLine } from "./cli/start.ts";
import { isEntryPoint } from "./system/entry_point.ts";

export { runCommandLine };

if (isEntryPoint(import.meta, "cli")) runCommandLine().catch(failCommand);

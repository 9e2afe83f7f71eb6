/** Helpers for tests of the launcher. */

import { canLaunch } from "../../executors/shell/launcher/native_program.ts";
import type { Task } from "../../mod.ts";
import { EFFORT, skipTest, TIMEOUT } from "./helpers.ts";
import { test } from "./test.ts";

/** Defines a test that only runs where there is a launcher. */
export function launcherTest(name: string, body: () => void | Promise<void>): void {
  test(name, { timeout: TIMEOUT.timeout * EFFORT }, () => {
    return canLaunch() ? body() : skipTest("there is no launcher for this machine");
  });
}

/** Returns the same task for a shell worker: its variables are too long for a message. */
export const inShell = (task: Task): Task => ({ ...task, env: { ...task.env, TOO_LONG: "x".repeat(4096) } });

/** A command that prints the program of its parent. */
export const LOOK = "readlink /proc/$PPID/exe";

/** Returns whether the output of {@linkcode LOOK} names the launcher. */
export const isLauncher = (text: string): boolean => /\/launcher( \(deleted\))?\n?$/.test(text);

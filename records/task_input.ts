/** Standard input of a task, in the forms that programs, lines of JSON and executors use. @module */

import { Buffer } from "node:buffer";
import { pathOfUrl } from "../system/file_path.ts";
import type { CheckedTask, Task } from "./task.ts";

/** Text or bytes, or the path of a file, relative to the working directory of the task. */
export type TaskInput = { data: string | Uint8Array } | { file: string };

/** Returns the standard input of a valid task; `undefined` for none. */
export function inputOf({ stdin, stdinFile, stdinEncoding }: Task): TaskInput | undefined {
  if (stdinFile !== undefined) return { file: stdinFile };
  if (stdin === undefined) return undefined;
  if (typeof stdin === "string") return { data: stdinEncoding ? Buffer.from(stdin, stdinEncoding) : stdin };
  if (stdin instanceof Uint8Array) return { data: stdin };
  return { file: typeof stdin.file === "string" ? stdin.file : pathOfUrl(stdin.file) };
}

/** Returns a valid task in the form for a line of JSON. */
export function lineOfTask(task: CheckedTask): CheckedTask {
  const { stdin, ...rest } = task;
  if (stdin === undefined || typeof stdin === "string") return task;
  const input = inputOf(task)!;
  if ("file" in input) return { ...rest, stdinFile: input.file };
  const { buffer, byteOffset, byteLength } = input.data as Uint8Array;
  return { ...rest, stdin: Buffer.from(buffer, byteOffset, byteLength).toString("base64"), stdinEncoding: "base64" };
}

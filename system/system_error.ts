import os from "node:os";

/** The runtimes word these differently, and add the name of a function that means nothing to a user. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program has it",
  EACCES: "permission denied",
  EFBIG: "the file would be larger than is allowed",
  EISDIR: "it is a directory",
  ELOOP: "too many symbolic links",
  EMFILE: "too many open files",
  ENFILE: "too many open files in the whole system",
  ENOENT: "no such file or directory",
  ENOSPC: "no space left on the device",
  ENAMETOOLONG: "the name is too long",
  ENOEXEC: "it is no program that the system can execute",
  ENOMEM: "not enough memory",
  EAGAIN: "no more processes can be started now",
  ENOTDIR: "a part of the path is not a directory",
  EROFS: "the file system is read-only",
};

/** Why an operation of the system failed, in words. */
export function systemReason(error: unknown): string {
  const reason = REASONS[systemCode(error) ?? ""];
  return reason ?? (error as { message?: string }).message ?? String(error);
}

/** The system's code for an error, such as `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  const { code, message = "" } = error as { code?: string; message?: string };
  if (code !== undefined) return code;
  // Deno leaves the code of some errors to the message: `File too large (os error 27)`.
  const number = Number(/\(os error (\d+)\)/.exec(message)?.[1]);
  return Object.entries(os.constants.errno).find(([, errno]) => errno === number)?.[0];
}

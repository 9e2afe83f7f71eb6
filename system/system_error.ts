import os from "node:os";

/** Reasons by error code. The runtimes word theirs differently and add the name of an internal function. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: "the address is already in use",
  EACCES: "permission denied",
  EFBIG: "the file would exceed the size limit",
  EISDIR: "it is a directory",
  ELOOP: "too many symbolic links",
  EMFILE: "too many open files",
  ENFILE: "too many open files in the whole system",
  ENOENT: "no such file or directory",
  ENOSPC: "no space left on the device",
  ENAMETOOLONG: "the name is too long",
  ENOEXEC: "the system does not recognize the executable format",
  ENOMEM: "not enough memory",
  EAGAIN: "the system cannot start more processes now",
  ENOTDIR: "a part of the path is not a directory",
  EROFS: "the file system is read-only",
};

/** Returns the reason for a failed system call, in the same words on all runtimes. */
export function systemReason(error: unknown): string {
  const reason = REASONS[systemCode(error) ?? ""];
  return reason ?? (error as { message?: string }).message ?? String(error);
}

/** Returns the system's code for an error, such as `ENOENT`, if it has one. */
export function systemCode(error: unknown): string | undefined {
  const { code, message = "" } = error as { code?: string; message?: string };
  if (code !== undefined) return code;
  // Some of Deno's errors have the number only in the message: `File too large (os error 27)`.
  const number = Number(/\(os error (\d+)\)/.exec(message)?.[1]);
  return Object.entries(os.constants.errno).find(([, errno]) => errno === number)?.[0];
}

/** Names of the descriptors of a process, and the command that limits the size of files. */
const PATTERN = /\/dev\/(?:std|fd)|\/proc\/[^/]+\/fd|\bulimit\b/;

/**
 * Returns whether a command may need pipes as outputs: opening an output file by its `/dev` name would truncate it, and
 * `ulimit` could limit its size.
 */
export function needsPipes(cmd: string | readonly string[]): boolean {
  return typeof cmd === "string" ? PATTERN.test(cmd) : cmd.some((argument) => PATTERN.test(argument));
}

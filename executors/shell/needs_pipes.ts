/** Names for the descriptors of a process, and the limit of what its files may hold. */
const OWN_DESCRIPTOR = /\/dev\/(?:std|fd)|\/proc\/[^/]+\/fd|\bulimit\b/;

/** Returns whether a command could tell that its outputs are files: one that it opens by name would be emptied. */
export function needsPipes(cmd: string | readonly string[]): boolean {
  return typeof cmd === "string" ? OWN_DESCRIPTOR.test(cmd) : cmd.some((argument) => OWN_DESCRIPTOR.test(argument));
}

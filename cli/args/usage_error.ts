/** What the user asked for cannot be done as it was asked for: a flag, its value, or a file that is named. */
export class UsageError extends Error {
  override name = "UsageError";
}

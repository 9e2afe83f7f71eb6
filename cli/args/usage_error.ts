/** An error in the use of the command: a wrong flag, value or operand. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** What all three runtimes have had for long and TypeScript does not know yet. */
const { parse, rawJSON } = JSON as unknown as {
  parse: (text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown) => unknown;
  rawJSON: (text: string) => object;
};

/**
 * Whether there may be a number in JSON that loses digits when it becomes a JavaScript number: 15 digits never do, wherever
 * the point is, as long as there is no exponent.
 */
export function mayLoseDigits(json: string): boolean {
  return /\d[\d.]{15}|\d[eE][-+]?\d/.test(json);
}

/**
 * Parses JSON so that `JSON.stringify` writes the same numbers again: one that loses digits as a JavaScript number becomes a
 * `JSON.rawJSON` object with its text.
 *
 * @throws `RangeError` when it is nested too deeply.
 */
export function parseExactly(json: string): unknown {
  try {
    return parse(
      json,
      (_, value, { source }) => typeof value === "number" && !isExact(value, source!) ? rawJSON(source!) : value,
    );
  } catch (cause) {
    throw new RangeError("Cannot read the line: it is nested too deeply to keep all digits of its numbers", { cause });
  }
}

/** The text of a number that {@linkcode parseExactly} could not make a JavaScript number of; else nothing. */
export function rawNumber(value: unknown): string | undefined {
  const isRaw = typeof value === "object" && value !== null && Object.getPrototypeOf(value) === null &&
    Object.isFrozen(value) && "rawJSON" in value;
  return isRaw ? String(value.rawJSON) : undefined;
}

/** Whether a number is what its JSON says, and is written as the same number again. */
function isExact(value: number, source: string): boolean {
  return Number.isFinite(value) && canonical(String(value)) === canonical(source);
}

/** The same text for the same number: its digits without zeros around them, and the power of ten of the last one. */
function canonical(decimal: string): string {
  const [mantissa, exponent = "0"] = decimal.toLowerCase().split("e") as [string, string?];
  const [whole, fraction = ""] = mantissa.split(".") as [string, string?];
  const isNegative = whole.startsWith("-");
  const digits = (whole + fraction).replace(/^-?0*/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return "0";
  const power = Number(exponent) - fraction.length + digits.length - significant.length;
  return `${isNegative ? "-" : ""}${significant}e${power}`;
}

/** Members of `JSON` that all three runtimes have, but the types of TypeScript lack. */
const { parse, rawJSON } = JSON as unknown as {
  parse: (text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown) => unknown;
  rawJSON: (text: string) => object;
};

/**
 * Returns whether JSON text may contain a number that loses precision as a JavaScript number. Cheap and conservative:
 * up to 15 digits without an exponent always survive.
 */
export function mayLoseDigits(json: string): boolean {
  return /\d[\d.]{15}|\d[eE][-+]?\d/.test(json);
}

/**
 * Parses JSON so that `JSON.stringify` writes back the same numbers: a number that would lose precision as a JavaScript
 * number becomes a `JSON.rawJSON` object.
 *
 * @throws `RangeError` when the JSON is nested too deeply.
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

/** Returns the digits of a number that {@linkcode parseExactly} kept as raw JSON; `undefined` for any other value. */
export function rawNumber(value: unknown): string | undefined {
  const isRaw = typeof value === "object" && value !== null && Object.getPrototypeOf(value) === null &&
    Object.isFrozen(value) && "rawJSON" in value;
  return isRaw ? String(value.rawJSON) : undefined;
}

/** Returns whether a parsed number is written back as the number in its source. */
function isExact(value: number, source: string): boolean {
  return Number.isFinite(value) && canonical(String(value)) === canonical(source);
}

/**
 * Normalizes a decimal number to its significant digits and the exponent of the last one, so that `1.0` equals `1e0`.
 */
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

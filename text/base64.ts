/** Patterns of the last digit, by padding. Its unused bits must be 0. */
const LAST: Readonly<Record<string, RegExp>> = { "": /^/, "=": /[AEIMQUYcgkosw048]$/, "==": /[AQgw]$/ };

/** Returns whether a text is canonical base64: the standard alphabet, with padding, without white space. */
export function isBase64(text: string): boolean {
  if (text.length % 4 !== 0) return false;
  const padding = text.endsWith("==") ? "==" : text.endsWith("=") ? "=" : "";
  const digits = text.slice(0, text.length - padding.length);
  return !/[^A-Za-z0-9+/]/.test(digits) && LAST[padding]!.test(digits.slice(-1));
}

/** The last characters before the padding, by its length: those whose unused bits are 0. */
const LAST: Readonly<Record<string, RegExp>> = { "": /^/, "=": /[AEIMQUYcgkosw048]$/, "==": /[AQgw]$/ };

/** Returns whether a text is base64 as every encoder writes it: the standard alphabet, padded, without white space. */
export function isBase64(text: string): boolean {
  if (text.length % 4 !== 0) return false;
  const padding = text.endsWith("==") ? "==" : text.endsWith("=") ? "=" : "";
  const digits = text.slice(0, text.length - padding.length);
  return !/[^A-Za-z0-9+/]/.test(digits) && LAST[padding]!.test(digits.slice(-1));
}

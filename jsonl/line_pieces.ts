import { printable, printableJson } from "../text/excerpt.ts";
import { LazyText, lazyTextsOf } from "../text/lazy_text.ts";

/** The length from which on a string is worth the work of escaping it apart from its line, in UTF-16 code units. */
const MIN_LONG_LENGTH = 4 * 1024;
/** Limit of the length of an array whose elements are examined. */
const MAX_ELEMENTS = 4;

/** A long text within a JSON string, not escaped. */
export class LongText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A part of a line: JSON, or the content of a string. */
export type Piece = string | LongText | LazyText;

/**
 * Returns the JSON of a value as pieces, with long texts apart: those of a plain object, and those of plain objects in a short
 * array. Returns `undefined` for any other value.
 *
 * @throws `TypeError` when JSON cannot represent a part of the value.
 */
export function piecesOf(value: unknown): Piece[] | undefined {
  if (!Array.isArray(value)) return hasLongText(value) ? new PieceList().addObject(value).pieces : undefined;
  if (value.length > MAX_ELEMENTS || !value.some(hasLongText) || !value.every(isPlain)) return undefined;
  const list = new PieceList();
  for (const [index, element] of value.entries()) {
    list.add(index === 0 ? "[" : ",");
    if (hasLongText(element)) list.addObject(element);
    else list.add(printableJson(element) ?? "null");
  }
  return list.add("]").pieces;
}

/** Returns whether a value is a plain object with a long text. Decodes no lazy text. */
function hasLongText(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  if (lazyTextsOf(value)) return isPlain(value);
  for (const key in value) if (isLong((value as Record<string, unknown>)[key])) return isPlain(value);
  return false;
}

function isLong(value: unknown): value is string {
  return typeof value === "string" && value.length >= MIN_LONG_LENGTH;
}

/** Returns whether a value is a primitive, or an object of which JSON contains exactly the properties. */
function isPlain(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return true;
  const prototype = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && !("toJSON" in value);
}

class PieceList {
  readonly pieces: Piece[] = [];

  add(text: string): this {
    if (typeof this.pieces.at(-1) === "string") this.pieces[this.pieces.length - 1] += text;
    else this.pieces.push(text);
    return this;
  }

  addObject(value: Readonly<Record<string, unknown>>): this {
    const lazyTexts = lazyTextsOf(value);
    let separator = "{";
    for (const key of Object.keys(value)) {
      const member = lazyTexts?.[key] ?? value[key];
      if (member instanceof LazyText || isLong(member) && member.isWellFormed()) {
        this.add(`${separator}${printable(JSON.stringify(key))}:"`);
        this.pieces.push(member instanceof LazyText ? member : new LongText(member));
        this.add('"');
      } else {
        const json = JSON.stringify({ [key]: member });
        if (json === "{}") continue; // JSON cannot represent the member
        this.add(separator + printable(json.slice(1, -1)));
      }
      separator = ",";
    }
    return this.add("}");
  }
}

/** Text and macros of man(7). Text enters a page only through the functions of this file. @module */

const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\e",
  "-": "\\-", // a hyphen would be another character, which neither a search for a flag nor a shell takes
  "'": "\\(aq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
  '"': "\\(dq",
};

/** Escapes text, so that a page shows it as it is. Line breaks become spaces. */
export function roff(text: string): string {
  const escaped = text.replace(/\s*\n\s*/g, " ").replace(/[^\x20-\x7e]|[\\\-'`^~"]/gu, (character) => {
    return ESCAPES[character] ?? `\\[u${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}]`;
  });
  return escaped.startsWith(".") ? `\\&${escaped}` : escaped; // a dot begins a macro
}

/** Returns text in bold type. */
export function bold(text: string): string {
  return `\\fB${roff(text)}\\fR`;
}

/** Returns text in italic type. */
export function italic(text: string): string {
  return `\\fI${roff(text)}\\fR`;
}

/** Returns a section. The title is text; the content is roff. */
export function section(title: string, ...content: string[]): string {
  return [`.SH ${quoted(title)}`, ...content].join("\n");
}

/** Returns a subsection. */
export function subsection(title: string, ...content: string[]): string {
  return [`.SS ${quoted(title)}`, ...content].join("\n");
}

/** Returns a paragraph. The content is roff. */
export function paragraph(content: string): string {
  return `.PP\n${content}`;
}

/** Returns an item of a list of definitions. Both parts are roff. */
export function item(term: string, definition: string): string {
  return `.TP\n${term}\n${definition}`;
}

/** Returns lines of code, which are text. */
export function code(...lines: string[]): string {
  return [".PP", ".RS 4", ".nf", ...lines.map(roff), ".fi", ".RE"].join("\n");
}

/** Returns text as an argument of a macro. */
export function quoted(text: string): string {
  return `"${roff(text)}"`;
}

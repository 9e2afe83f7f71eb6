/** Draws what a terminal shows as SVG, with text that can be selected. @module */

/** The size of a character cell, and the space around the text, in pixels. */
const CELL = { width: 8.4, height: 19, baseline: 14 } as const;
const FONT_SIZE = 14;
const PADDING = 16;
const FONTS = "ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,Liberation Mono,monospace";

/** The colors of a terminal. */
export interface Theme {
  background: string;
  border: string;
  text: string;
  /** The colors 0 to 15. */
  palette: readonly string[];
}

/** Themes for light and dark pages. Each color is readable on its background, also black on dark and white on light. */
export const THEMES: Readonly<Record<"light" | "dark", Theme>> = {
  light: {
    background: "#ffffff",
    border: "#d1d9e0",
    text: "#1f2328",
    palette: (
      "#24292f #cf222e #116329 #7d4e00 #0969da #8250df #1b7c83 #6e7781 " +
      "#57606a #a40e26 #1a7f37 #9a6700 #0a6cce #9352e6 #0f7f93 #6a737d"
    ).split(" "),
  },
  dark: {
    background: "#0d1117",
    border: "#30363d",
    text: "#e6edf3",
    palette: (
      "#7d8590 #ff7b72 #3fb950 #d29922 #58a6ff #bc8cff #39c5cf #b1bac4 " +
      "#8b949e #ffa198 #56d364 #e3b341 #79c0ff #d2a8ff #56d4dd #ffffff"
    ).split(" "),
  },
};

/** An index of the palette, or a color such as `#ff8700`. */
type Color = number | `#${string}`;

/** The rendition of a character. */
interface Style {
  bold?: boolean;
  dim?: boolean;
  italic?: boolean;
  underline?: boolean;
  inverse?: boolean;
  strikethrough?: boolean;
  foreground?: Color | undefined;
  background?: Color | undefined;
}

/** Adjacent characters of a line with one style. */
interface Run {
  column: number;
  text: string;
  style: Style;
}

/** Sequences of `SGR` codes, other control sequences and characters, and text. */
// deno-lint-ignore no-control-regex -- matching control characters is the purpose
const PARTS = /\x1b\[([\d;]*)m|[\x00-\x1f\x7f-\x9f]|[^\x00-\x1f\x7f-\x9f]+/g;

/** Characters that are not one column wide: combining ones, East Asian ones, emoji. */
const NOT_NARROW = /[\p{M}\p{Emoji_Presentation}\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]/u;

/** Returns text without its `SGR` sequences. */
export function plainText(text: string): string {
  // deno-lint-ignore no-control-regex -- matching control characters is the purpose
  return text.replace(/\x1b\[[\d;]*m/g, "");
}

/**
 * Draws the lines of a terminal. The colors follow the color scheme of the reader.
 *
 * @param lines the lines as `tmux capture-pane -e -p` prints them: text and `SGR` sequences, whose effect lasts beyond
 * the end of a line.
 * @param options the width in columns, and the title, which screen readers announce.
 * @throws an `Error` for other control sequences, and for characters that are not one column wide.
 */
export function terminalSvg(lines: readonly string[], { columns, title }: { columns: number; title: string }): string {
  const rows = runsOf(lines);
  const width = round(columns * CELL.width + 2 * PADDING);
  const height = lines.length * CELL.height + 2 * PADDING;
  const body = rows.flatMap((runs, row) => drawRow(runs, PADDING + row * CELL.height));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<title>${escaped(title)}</title>`,
    `<style>${styleSheet(body.join(""))}</style>`,
    `<rect class="w" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>`,
    ...body,
    "</svg>",
    "",
  ].join("\n");
}

function runsOf(lines: readonly string[]): Run[][] {
  let style: Style = {};
  return lines.map((line) => {
    const runs: Run[] = [];
    let column = 0;
    for (const [part, codes] of line.matchAll(PARTS)) {
      if (codes !== undefined) style = styleAfter(style, codes);
      else {
        // deno-lint-ignore no-control-regex -- matching control characters is the purpose
        const strange = /[\x00-\x1f\x7f-\x9f]/.exec(part) ?? NOT_NARROW.exec(part);
        if (strange) {
          throw new Error(`Cannot draw the character ${JSON.stringify(strange[0])} of ${JSON.stringify(line)}`);
        }
        runs.push({ column, text: part, style });
        column += [...part].length;
      }
    }
    return runs;
  });
}

/** Codes that change one property. */
const CODES: ReadonlyMap<number, Style> = new Map<number, Style>([
  [1, { bold: true }],
  [2, { dim: true }],
  [3, { italic: true }],
  [4, { underline: true }],
  [7, { inverse: true }],
  [9, { strikethrough: true }],
  [22, { bold: false, dim: false }],
  [23, { italic: false }],
  [24, { underline: false }],
  [27, { inverse: false }],
  [29, { strikethrough: false }],
  [39, { foreground: undefined }],
  [49, { background: undefined }],
]);

function styleAfter(before: Style, sequence: string): Style {
  let style = before;
  const codes = sequence.split(";").map(Number);
  for (let code = codes.shift(); code !== undefined; code = codes.shift()) {
    const change = CODES.get(code);
    const base = code - code % 10;
    if (code === 0) style = {};
    else if (change) style = { ...style, ...change };
    else if (code === 38) style = { ...style, foreground: extendedColor(codes, sequence) };
    else if (code === 48) style = { ...style, background: extendedColor(codes, sequence) };
    else if (code % 10 < 8 && (base === 30 || base === 90)) {
      style = { ...style, foreground: code % 10 + (base === 90 ? 8 : 0) };
    } else if (code % 10 < 8 && (base === 40 || base === 100)) {
      style = { ...style, background: code % 10 + (base === 100 ? 8 : 0) };
    } else throw new Error(`Cannot draw the style ${sequence}: unknown code ${code}`);
  }
  return style;
}

/** Takes the rest of a color of 256 (`5;N`) or of 16 million (`2;R;G;B`) from the codes. */
function extendedColor(codes: number[], sequence: string): Color {
  const kind = codes.shift();
  const values = codes.splice(0, kind === 5 ? 1 : 3);
  const isValid = (kind === 5 && values.length === 1) || (kind === 2 && values.length === 3);
  if (!isValid || values.some((value) => value > 255)) throw new Error(`Cannot draw the style ${sequence}: no color`);
  if (kind === 2) return hexOf(values);
  const [index] = values as [number];
  if (index < 16) return index;
  if (index >= 232) return hexOf(Array(3).fill(8 + 10 * (index - 232)));
  const cube = index - 16;
  return hexOf([Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map((step) => step && 55 + 40 * step));
}

function hexOf(channels: readonly number[]): `#${string}` {
  return `#${channels.map((channel) => channel.toString(16).padStart(2, "0")).join("")}`;
}

/** Draws the backgrounds and the text of a line. One element holds the whole text, so that copying keeps the line. */
function drawRow(runs: readonly Run[], top: number): string[] {
  const length = runs.reduce((sum, { text }) => sum + [...text].length, 0);
  if (length === 0) return [];
  const backgrounds = runs.flatMap(({ column, text, style }) => {
    const fill = style.inverse ? paint(style.foreground, "f", "t") : paint(style.background, "b");
    if (!fill) return [];
    const [x, width] = [round(PADDING + column * CELL.width), round([...text].length * CELL.width)];
    return [`<rect ${fill} x="${x}" y="${top}" width="${width}" height="${CELL.height}"/>`];
  });
  const text = runs.map(({ text, style }) => {
    const attributes = attributesOf(style);
    return attributes === "" ? escaped(text) : `<tspan ${attributes}>${escaped(text)}</tspan>`;
  });
  const position = `x="${PADDING}" y="${top + CELL.baseline}" textLength="${round(length * CELL.width)}"`;
  return [...backgrounds, `<text ${position} lengthAdjust="spacingAndGlyphs">${text.join("")}</text>`];
}

function attributesOf(style: Style): string {
  const fill = style.inverse ? paint(style.background, "f", "i") : paint(style.foreground, "f");
  const decorations = [style.underline && "underline", style.strikethrough && "line-through"].filter(Boolean);
  return [
    fill,
    style.bold && 'font-weight="bold"',
    style.dim && 'fill-opacity="0.65"',
    style.italic && 'font-style="italic"',
    decorations.length > 0 && `text-decoration="${decorations.join(" ")}"`,
  ].filter(Boolean).join(" ");
}

/** Returns the attribute that fills an element with a color: a class, because themes have different palettes. */
function paint(color: Color | undefined, prefix: "f" | "b", fallback?: "t" | "i"): string | undefined {
  if (typeof color === "string") return `fill="${color}"`;
  if (color !== undefined) return `class="${prefix}${color}"`;
  return fallback && `class="${fallback}"`;
}

/** Returns the rules for the classes that occur in elements. */
function styleSheet(elements: string): string {
  const used = new Set([...elements.matchAll(/class="(\w+)"/g)].map(([, name]) => name!));
  const rules = ({ background, border, text, palette }: Theme) =>
    [
      `.w{fill:${background};stroke:${border}}`,
      `text,.t{fill:${text}}`,
      used.has("i") && `.i{fill:${background}}`,
      ...palette.flatMap((color, index) => ["f", "b"].map((prefix) => [prefix + index, color] as const))
        .filter(([name]) => used.has(name)).map(([name, color]) => `.${name}{fill:${color}}`),
    ].filter(Boolean).join("");
  return `text{font:${FONT_SIZE}px ${FONTS};white-space:pre}${rules(THEMES.light)}` +
    `@media(prefers-color-scheme:dark){${rules(THEMES.dark)}}`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}

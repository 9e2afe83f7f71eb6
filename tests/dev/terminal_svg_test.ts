import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertStringIncludes } from "@std/assert/string-includes";
import { assertThrows } from "@std/assert/throws";
import { plainText, terminalSvg, THEMES } from "../../dev/tools/terminal_svg.ts";
import { test } from "../support/test.ts";

/** Returns the elements that draw lines of ten columns. */
function elementsOf(...lines: string[]): string[] {
  const svg = terminalSvg(lines, { columns: 10, title: "" });
  return svg.split("\n").filter((line) => line.startsWith("<text") || /^<rect (?!class="w")/.test(line));
}

/** Returns the content of the text element of a line. */
function textOf(line: string): string {
  return /^<text [^>]*>(.*)<\/text>$/.exec(elementsOf(line).at(-1)!)![1]!;
}

test("terminalSvg() draws each line that is not empty as one text, as wide as its columns", () => {
  assertEquals(elementsOf("$ ls", "", "  a"), [
    '<text x="16" y="30" textLength="33.6" lengthAdjust="spacingAndGlyphs">$ ls</text>',
    '<text x="16" y="68" textLength="25.2" lengthAdjust="spacingAndGlyphs">  a</text>',
  ]);
  const svg = terminalSvg(["$ ls", "", "  a"], { columns: 10, title: "<A & B>" });
  assertStringIncludes(
    svg,
    '<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" width="116" height="89" viewBox="0 0 116 89">',
  );
  assertStringIncludes(svg, "<title>&lt;A &amp; B&gt;</title>");
});

test("terminalSvg() escapes markup", () => {
  assertEquals(textOf('\x1b[1m<a href="&amp;">'), '<tspan font-weight="bold">&lt;a href="&amp;amp;"&gt;</tspan>');
});

test("terminalSvg() draws the styles of SGR sequences until they are reset", () => {
  assertEquals(
    textOf("a\x1b[1mb\x1b[2;3mc\x1b[22md\x1b[me"),
    [
      "a",
      '<tspan font-weight="bold">b</tspan>',
      '<tspan font-weight="bold" fill-opacity="0.65" font-style="italic">c</tspan>',
      '<tspan font-style="italic">d</tspan>',
      "e",
    ].join(""),
  );
  assertEquals(
    textOf("\x1b[4;9ma\x1b[24mb\x1b[29mc"),
    '<tspan text-decoration="underline line-through">a</tspan><tspan text-decoration="line-through">b</tspan>c',
  );
});

test("terminalSvg() continues the style of a line on the next one, as tmux prints it", () => {
  const elements = elementsOf("\x1b[31ma", "b\x1b[39mc");
  assertEquals(elements.map((element) => element.replace(/^<text [^>]*>|<\/text>$/g, "")), [
    '<tspan class="f1">a</tspan>',
    '<tspan class="f1">b</tspan>c',
  ]);
});

test("terminalSvg() draws the 16 colors by the theme, and the others as they are", () => {
  assertEquals(textOf("\x1b[36ma\x1b[96mb"), '<tspan class="f6">a</tspan><tspan class="f14">b</tspan>');
  assertEquals(textOf("\x1b[38;5;9ma"), '<tspan class="f9">a</tspan>');
  assertEquals(textOf("\x1b[38;5;208ma"), '<tspan fill="#ff8700">a</tspan>');
  assertEquals(textOf("\x1b[38;5;16ma"), '<tspan fill="#000000">a</tspan>');
  assertEquals(textOf("\x1b[38;5;244ma"), '<tspan fill="#808080">a</tspan>');
  assertEquals(textOf("\x1b[38;2;1;2;255;1ma"), '<tspan fill="#0102ff" font-weight="bold">a</tspan>');
  const svg = terminalSvg(["\x1b[36ma"], { columns: 1, title: "" });
  const [light, dark] = svg.split("@media(prefers-color-scheme:dark)");
  assertStringIncludes(light!, `.f6{fill:${THEMES.light.palette[6]}}`);
  assertStringIncludes(dark!, `.f6{fill:${THEMES.dark.palette[6]}}`);
  assert(!svg.includes(".f5{"), "only rules that an element needs");
});

test("terminalSvg() draws backgrounds below the text, also of inverse text", () => {
  const [rect, text] = elementsOf("ab\x1b[42mcd\x1b[49me");
  assertEquals(rect, '<rect class="b2" x="32.8" y="16" width="16.8" height="19"/>');
  assertStringIncludes(text!, ">abcde</text>");
  assertEquals(elementsOf("\x1b[7ma"), [
    '<rect class="t" x="16" y="16" width="8.4" height="19"/>',
    '<text x="16" y="30" textLength="8.4" lengthAdjust="spacingAndGlyphs"><tspan class="i">a</tspan></text>',
  ]);
  const [colored, inverse] = elementsOf("\x1b[31;44;7ma\x1b[27mb");
  assertStringIncludes(colored!, '<rect class="f1" ');
  assertStringIncludes(inverse!, '<rect class="b4" ');
  assertStringIncludes(textOf("\x1b[31;44;7ma"), '<tspan class="f4">a</tspan>');
});

test("terminalSvg() refuses what it cannot draw", () => {
  for (const line of ["\x1b[5ma", "\x1b[38;5ma", "\x1b[38;5;256ma", "\x1b[38;2;1;2ma", "\x1b[38;4;1ma", "\x1b[98ma"]) {
    assertThrows(() => elementsOf(line), Error, "Cannot draw the style");
  }
  for (const line of ["\x1b[2K", "a\tb", "a\x9bb", "\x0ea", "日本", "👍", "e\u0301"]) {
    assertThrows(() => elementsOf(line), Error, "Cannot draw the character");
  }
});

test("plainText() removes the styles", () => {
  assertEquals(plainText("a\x1b[1;38;5;208mb\x1b[mc"), "abc");
});

test("every color of a theme has a contrast of 4.5 or more with the background", () => {
  for (const [name, { background, text, palette }] of Object.entries(THEMES)) {
    assertEquals(palette.length, 16);
    for (const color of [text, ...palette]) {
      const contrast = contrastOf(color, background);
      assert(contrast >= 4.5, `${color} in the ${name} theme: ${contrast.toFixed(2)}`);
    }
  }
});

/** Returns the contrast of two colors by the Web Content Accessibility Guidelines, from 1 to 21. */
function contrastOf(one: string, other: string): number {
  const [dark, light] = [luminanceOf(one), luminanceOf(other)].sort((one, other) => one - other) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

function luminanceOf(color: string): number {
  const [red, green, blue] = [1, 3, 5].map((begin) => {
    const channel = parseInt(color.slice(begin, begin + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

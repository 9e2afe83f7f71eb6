/**
 * Fails when a sentence for people has a phrase that reads like a translation, a British spelling, or a doc comment that
 * begins with a question word. Checks comments and strings of modules, and the text of Markdown and YAML. Also fails when
 * a file shows a command that would install the package of somebody else from npm.
 *
 *     deno run -A dev/check_prose.ts [FILE | FOLDER]...
 *
 * Without arguments, checks everything.
 *
 * @module
 */

import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** Files and folders without prose of the project, and the files that list the phrases. */
const SKIPPED =
  /(?:^|\/)(?:\.(?!github)[^/]*|node_modules|dist|std_npm|bench\/results|[^/]*\.generated\.ts|check_prose(?:_test)?\.ts)$/;
const CHECKED_FILE = /\.(?:ts|md|ya?ml)$/;

interface Rule {
  readonly pattern: RegExp;
  readonly remedy: string;
}

const phrase = (pattern: string, remedy: string): Rule => ({
  pattern: new RegExp(`\\b(?:${pattern.replaceAll(" ", "\\s+")})\\b`, "gi"),
  remedy,
});

/** Phrases, as regular expressions in which a space matches any white space. */
const PHRASES: readonly Rule[] = [
  phrase("became of|becomes of", 'name the outcome, as in "the result of a task"'),
  phrase("came to|come to(?= (?:an end|be))", 'name the result, as in "summarizes" or "totals"'),
  phrase(
    "(?:is|are|was|were|be|been|being) told",
    'name the mechanism, as in "receives", "is notified" or "is documented"',
  ),
  phrase("what there is|all that there is", "name the thing"),
  phrase("(?:that|which|what|who) (?:is|are) no(?! longer| more| less)", 'write "not a", or name the case'),
  phrase("go(?:es|ing)? on|went on|gone on", 'write "continues", "lasts" or "happens"'),
  phrase("at one go", 'write "at once" or "in one call"'),
  phrase("of (?:its|their|his) own accord", 'write "by itself", or name the trigger'),
  phrase("as much as", 'write "up to", or state the quantity'),
  phrase("one more", 'write "another" or "an additional"'),
  phrase("lets? (?:\\w+ ){1,3}be", 'write "leaves … as is", or name the action'),
  phrase("(?:say|says|said|saying) that", 'write "reports", "states" or "documents"'),
  phrase("(?:know|knows|knew|known) that", "name the actor and the check"),
  phrase("for want of", 'write "without", "for lack of" or the error'),
  phrase("(?:is|are) seen whether", 'write "checks whether", with the actor'),
  phrase("the own", 'write "its own", or name the owner'),
  phrase("so many(?! that)", "state the number, or name the variable"),
  phrase("so long(?! as| that)", "state the duration, or name the variable"),
];

/** British spellings and their American forms. `deno task spell` finds most others; it accepts these. */
const SPELLINGS: readonly Rule[] = [
  ["(behavi|col|fav|flav|hon|hum|lab|neighb|harb|rum|arm|endeav)our(\\w*)", "$1or$2"],
  ["(cancel|signal|label|model|travel|level|channel|fuel|marshal|tunnel|total|dial)l(ed|ing|er|ers)", "$1$2"],
  [
    "(organ|recogn|util|serial|initial|normal|summar|optim|real|minim|maxim|synchron|emphas|priorit|custom|special|general|visual|author|capital|categor|final|token|parallel|random)is(e|es|ed|ing|er|ation|ations)",
    "$1iz$2",
  ],
  ["(anal|paral)ys(e|es|ed|ing)", "$1yz$2"],
  ["(cent|fib|calib)re(s?)", "$1er$2"],
  ["(licen|defen|offen)ce(s?)", "$1se$2"],
  ["catalogue(s?)", "catalog$1"],
  ["programme(s?)", "program$1"],
  ["grey(s?)", "gray$1"],
  ["judgement(s?)", "judgment$1"],
  ["acknowledgement(s?)", "acknowledgment$1"],
  ["artefact(s?)", "artifact$1"],
  ["whilst", "while"],
  ["amongst", "among"],
  ["fulfil(s|ment)?", "fulfill$1"],
].map(([pattern, american]) => ({
  pattern: new RegExp(`\\b${pattern}\\b`, "gi"),
  remedy: american!,
}));

/** Commands that take `taskrunner` without a scope from npm, where this name belongs to another package. */
const FOREIGN_PACKAGE =
  /\b(?:(?:npx|bunx|npm (?:exec|x|i|install|add)|(?:yarn|pnpm) (?:dlx|add)|bun (?:x|add))(?:[ \t]+-[^\s]*)*[ \t]+|npm:)taskrunner\b/g;

const QUESTION_START = /^(?:What|How|Whether|Who|Whose|Those)\b/;

/** Checks the text of a file. Returns a line for each offense, with file, line, phrase and remedy. */
export function findOffenses(path: string, text: string): string[] {
  const { prose, docStarts } = path.endsWith(".ts")
    ? proseOfModule(text)
    : { prose: proseOfPaper(text), docStarts: [] };
  const offenses: [offset: number, message: string][] = [];
  for (const { pattern, remedy } of PHRASES) {
    for (const { 0: found, index } of prose.matchAll(pattern)) {
      offenses.push([index, `"${found.replace(/\s+/g, " ")}": ${remedy}`]);
    }
  }
  for (const { pattern, remedy } of SPELLINGS) {
    for (const { 0: found, index } of prose.matchAll(pattern)) {
      offenses.push([index, `"${found}": write "${found.replace(pattern, remedy)}"`]);
    }
  }
  for (const { 0: found, index } of text.matchAll(FOREIGN_PACKAGE)) {
    offenses.push([index, `"${found}": this package of npm is another one; write @x/taskrunner`]);
  }
  for (const offset of docStarts) {
    const [word] = QUESTION_START.exec(prose.slice(offset).trimStart()) ?? [];
    if (word === undefined) continue;
    const remedy = "begin with a verb (Returns, Reads) for a function, with a noun for a value";
    offenses.push([offset, `a doc comment begins with "${word}": ${remedy}`]);
  }
  const lineOf = (offset: number) => text.slice(0, offset).split("\n").length;
  return offenses.sort(([a], [b]) => a - b).map(([offset, message]) => `${path}:${lineOf(offset)}: ${message}`);
}

/** Stands for what is not prose, so that no phrase reaches from one comment or string into another. */
const NOT_PROSE = "\0";

const blank = (text: string) => text.replace(/\S/g, NOT_PROSE);

/** Masks code in Markdown and YAML. Offsets stay the same. */
function proseOfPaper(text: string): string {
  return text.replace(/^(```+|~~~+)[\s\S]*?^\1/gm, blank).replace(/`[^`\n]*`/g, blank);
}

/** A token that ends before a `/` makes that a division; after anything else, a regular expression begins. */
const ENDS_OPERAND = /(?:[\w$)\]}"'`]|[\w$)\]]!|\+\+|--)$/;
const KEYWORD_BEFORE_PATTERN = /(?:^|[^\w$.])(?:return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield)$/;

/** Tokens of TypeScript that matter here; the rest is skipped character by character. */
const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
const STRING = /"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*'/y;
const TEMPLATE_PART = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{)/y;
const PATTERN = /\/(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/y;

/** Masks everything in a module except for comments and strings. Offsets stay the same. */
function proseOfModule(text: string): { prose: string; docStarts: number[] } {
  const prose = blank(text).split(""); // by code units, as offsets are
  const docStarts: number[] = [];
  const keep = (from: number, part: string) => {
    for (let index = 0; index < part.length; index++) prose[from + index] = part[index]!;
  };
  /** For each template that is open: the number of braces open in its `${`. */
  const braces: number[] = [];
  let code = ""; // before the current offset, without comments: it tells a division from a regular expression
  let offset = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = offset;
    return pattern.exec(text)?.[0];
  };
  const readTemplate = (): void => {
    const part = match(TEMPLATE_PART);
    if (part === undefined) {
      offset = text.length;
      return;
    }
    const endLength = part.endsWith("`") ? 1 : 2;
    keep(offset, maskEscapes(part.slice(0, -endLength)));
    if (endLength === 2) braces.push(0);
    offset += part.length;
    code = endLength === 2 ? "{" : "`";
  };
  while (offset < text.length) {
    const character = text[offset]!;
    const comment = character === "/" ? match(COMMENT) : undefined;
    const string = character === '"' || character === "'" ? match(STRING) : undefined;
    if (comment !== undefined) {
      keep(offset, proseOfComment(comment));
      if (comment.startsWith("/**")) docStarts.push(offset + 3);
      offset += comment.length;
    } else if (string !== undefined) {
      keep(offset + 1, maskEscapes(string.slice(1, -1)));
      offset += string.length;
      code = string;
    } else if (character === "`") {
      offset++;
      readTemplate();
    } else if (character === "}" && braces.at(-1) === 0) {
      braces.pop();
      offset++;
      readTemplate();
    } else {
      if (braces.length > 0 && character === "{") braces[braces.length - 1]!++;
      if (braces.length > 0 && character === "}") braces[braces.length - 1]!--;
      const before = code.trimEnd();
      const isPattern = character === "/" && (!ENDS_OPERAND.test(before) || KEYWORD_BEFORE_PATTERN.test(before));
      const token = (isPattern ? match(PATTERN) : undefined) ?? character;
      offset += token.length;
      code = (code + (isPattern ? ")" : token)).slice(-20);
    }
  }
  return { prose: prose.join(""), docStarts };
}

/** Masks the marks of a comment, its examples and code spans. */
function proseOfComment(comment: string): string {
  const spaces = (text: string) => text.replace(/\S/g, " ");
  const text = comment.startsWith("//")
    ? comment.replace(/^\/\/+/, spaces)
    : comment.replace(/^\/\*+/, spaces).replace(/\*+\/$/, blank).replace(/^[ \t]*\*/gm, spaces);
  return text.replace(/```[\s\S]*?```/g, blank).replace(/`[^`\n]*`/g, blank);
}

/** Masks escapes such as `\n`, which would otherwise begin a word. */
function maskEscapes(text: string): string {
  return text.replace(/\\[\s\S]/g, NOT_PROSE.repeat(2));
}

/** Lists the files to check in a file or folder. */
async function filesIn(root: string, path: string): Promise<string[]> {
  if (path.split("/").some((name) => SKIPPED.test(name)) || SKIPPED.test(path.split("/").slice(-2).join("/"))) {
    return [];
  }
  if (!(await stat(join(root, path))).isDirectory()) return CHECKED_FILE.test(path) ? [path] : [];
  const names = await readdir(join(root, path));
  return (await Promise.all(names.sort().map((name) => filesIn(root, path === "" ? name : `${path}/${name}`)))).flat();
}

if (import.meta.main) {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const wanted = process.argv.slice(2);
  const paths = (await Promise.all((wanted.length > 0 ? wanted : [""]).map((path) => filesIn(root, path)))).flat();
  let count = 0;
  for (const path of paths) {
    for (const offense of findOffenses(path, await readFile(join(root, path), "utf8"))) {
      count++;
      console.error(offense);
    }
  }
  if (count > 0) process.exit(1);
}

/** Generates random shell commands that end, by the grammar of the commands that a worker runs. */

/** A generator of commands from a source of random numbers from 0 to 1. */
export class ShellCommandGenerator {
  readonly #random: () => number;
  /** The number of enclosing loops, each of which has its own counter. */
  #loops = 0;
  /** The number of enclosing pipelines, whose commands must not use files: they run at the same time. */
  #pipelines = 0;
  #documents: string[] = [];

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Returns a command. Names of files begin with `@`. */
  command(): string {
    this.#documents = [];
    const command = this.#list(3);
    return command + this.#endLine();
  }

  #pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.#random() * values.length)]!;
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #list(depth: number): string {
    let text = this.#andOr(depth);
    while (this.#chance(0.4)) text += this.#separator() + this.#andOr(depth);
    return text;
  }

  #separator(): string {
    if (this.#chance(0.5)) return this.#pick(["; ", ";", " ; "]);
    return this.#pick(["", " ", " # it's a $(comment", "   "]) + this.#endLine() + this.#pick(["\n", "\n\n", "\n  "]);
  }

  /** Returns the texts of the here-documents of the line. */
  #endLine(): string {
    const documents = this.#documents.map((document) => `\n${document}`).join("");
    this.#documents = [];
    return documents;
  }

  /** Returns the end of a list before a parenthesis. */
  #endGroup(): string {
    const documents = this.#endLine();
    return documents === "" ? this.#pick(["", "\n"]) : `${documents}\n`;
  }

  /** Returns the separator before a reserved word. */
  #end(): string {
    return this.#chance(0.6) && this.#documents.length === 0 ? "; " : `${this.#endLine()}\n`;
  }

  /** Returns the separator after the words of a loop. At the end of this line, dash would not read here-documents. */
  #endWords(): string {
    return this.#documents.length > 0 ? "; " : this.#end();
  }

  #andOr(depth: number): string {
    let text = this.#pipeline(depth);
    while (this.#chance(0.15)) text += this.#pick([" && ", "||", " || ", "&&"]) + this.#pipeline(depth);
    return text;
  }

  #pipeline(depth: number): string {
    const not = this.#chance(0.08) ? "! " : "";
    if (!this.#chance(0.2)) return not + this.#compound(depth);
    this.#pipelines++;
    let text = this.#compound(depth - 1);
    do text += this.#pick([" | ", "|"]) + this.#reader(depth - 1); while (this.#chance(0.3));
    this.#pipelines--;
    return not + text;
  }

  /** Returns a command that reads all of its input: a signal could end the commands before it at any time. */
  #reader(depth: number): string {
    const reader = this.#pick(["cat", "sed 's/^/> /'", "tr a b", 'while read x; do echo "[$x]"; done', "commands"]);
    return reader === "commands" ? `{ cat; ${this.#list(depth)}${this.#end()}}` : reader;
  }

  #compound(depth: number): string {
    if (depth <= 0 || this.#chance(0.5)) return this.#simple(depth);
    const list = () => this.#list(depth - 1);
    switch (this.#pick(["for", "while", "if", "case", "(", "{", "document"])) {
      case "for":
        return this.#loop(() => {
          const head = `for ${this.#pick(["x", "y", "i"])} in ${this.#words(depth)}${this.#endWords()}`;
          return `${head}do ${list()}${this.#end()}done${this.#commonRedirection()}`;
        });
      case "while":
        return this.#loop((counter) => {
          const guard = `${counter}=x$${counter}; [ $${counter} != xxxx ]`;
          const condition = this.#chance(0.5) ? "" : ` && ${this.#pipeline(depth - 1)}`;
          return `{ ${counter}=; while ${guard}${condition}${this.#end()}do ${list()}${this.#end()}done; }${this.#commonRedirection()}`;
        });
      case "if": {
        let text = `if ${list()}${this.#end()}then ${list()}${this.#end()}`;
        while (this.#chance(0.3)) text += `elif ${list()}${this.#end()}then ${list()}${this.#end()}`;
        if (this.#chance(0.5)) text += `else ${list()}${this.#end()}`;
        return `${text}fi${this.#commonRedirection()}`;
      }
      case "case": {
        let text = `case ${this.#word(depth)} in `;
        while (this.#chance(0.7)) {
          const patterns = this.#pick(["a", "a*", "[!a]*", "*", "'a'", '"$x"', "$y", "a|b", "?|1", "é"]);
          text += `${this.#pick(["", "("])}${patterns}) ${list()}${this.#endLine()}\n${
            this.#pick([";;", " ;; ", ";;\n"])
          }`;
        }
        return `${text} esac${this.#commonRedirection()}`;
      }
      case "(":
        return `(${list()}${this.#endGroup()})${this.#commonRedirection()}`.replace(/^\(\(/, "( (");
      case "{":
        return `{ ${list()}${this.#end()}}${this.#commonRedirection()}`;
      default: {
        const [word, isLiteral] = this.#pick([["E", false], ["'E'", true], ["-E", false], ["\\E", true]] as const);
        const lines = Array.from({ length: Math.floor(this.#random() * 4) }, () => this.#documentLine(isLiteral));
        this.#documents.push([...lines, "E"].join("\n"));
        return `${this.#pick(["cat", "read x", "tr a-z A-Z", "cat -"])} <<${word}`;
      }
    }
  }

  #loop(text: (counter: string) => string): string {
    this.#loops++;
    const loop = text(`n${this.#loops}`);
    this.#loops--;
    return loop;
  }

  #documentLine(isLiteral: boolean): string {
    const lines = [
      "plain text",
      'it\'s "quoted"',
      "$x and ${y}",
      "\\$x \\\\ \\`",
      "${z:-default} $((1 + 2))",
      "$(echo sub)",
    ];
    return this.#pick(isLiteral ? [...lines, "$(", "`", "\\"] : lines);
  }

  /** Returns a redirection of a single process, or nothing. */
  #redirection(): string {
    if (this.#chance(0.8)) return "";
    if (this.#pipelines > 0) return this.#pick([" 2>&1", " >&2", " </dev/null", " 2>/dev/null"]);
    return this.#pick([" 2>&1", " >&2", " </dev/null", " >@1", " >>@2", " 2>@3", " <@1", " >/nowhere/x", " 3>&1"]);
  }

  /** Returns a redirection of several processes, or nothing. The order of their messages in a file would depend on time. */
  #commonRedirection(): string {
    if (this.#chance(0.8)) return "";
    if (this.#pipelines > 0) return this.#pick([" >&2", " </dev/null", " 2>/dev/null"]);
    return this.#pick([" >&2", " </dev/null", " >@1", " >>@2", " <@1", " >/nowhere/x", " 3>&1"]);
  }

  #simple(depth: number): string {
    const word = () => this.#word(depth);
    switch (
      this.#pick(["echo", "echo", "echo", "assignment", "status", "test", "built-in", "program", "exit", "loop"])
    ) {
      case "echo":
        return `echo ${this.#words(depth)}${this.#redirection()}`;
      case "assignment":
        return `${this.#pick(["x", "y", "z"])}=${word()}${this.#chance(0.2) ? ` sh -c 'echo "$x $y"'` : ""}`;
      case "status":
        return this.#pick(["true", "false", ":", "no_such_command", "(exit 3)", "cd /nowhere", "sh -c 'exit 5'"]);
      case "test":
        return this.#pick(["[ a = a ]", '[ "$x" = a ]', "[ ! -e /nowhere ]", "test $x", "[ $# -gt 0 ]", "[ a -eq b ]"])
          .replace("$#", "1");
      case "built-in":
        return this.#pick([
          "set -e",
          "set +e",
          "set -u",
          "set -f",
          "export x",
          `export y=${word()}`,
          "unset x",
          "unset z",
          "readonly z=r",
          "read x y",
          "IFS=a",
          "IFS= read -r y",
          "umask 022",
          "cd /",
          `printf '%s|' ${this.#words(depth)}`,
          ": ${x:=assigned}",
        ]);
      case "program":
        return this.#pick(["cat", "sed 's/^/> /'", "head -n 1", "tr a b", "sh -c 'echo out; echo err >&2'"]) +
          this.#redirection();
      case "exit":
        return this.#chance(0.7) ? `echo $?` : this.#pick(["exit 3", "exit $?", 'exit "$x"', "exit $((1 + 1))"]);
      default:
        return this.#loops > 0 ? this.#pick(["break", "continue", "break 2", "continue 2"]) : "break";
    }
  }

  #words(depth: number): string {
    const words = Array.from({ length: 1 + Math.floor(this.#random() * 3) }, () => this.#word(depth));
    return words.join(this.#pick([" ", "  ", " \\\n "]));
  }

  #word(depth: number): string {
    let text = this.#part(depth);
    while (this.#chance(0.25)) text += this.#part(depth);
    return text;
  }

  #part(depth: number): string {
    const kind = this.#random();
    if (kind < 0.45 || depth <= 1) {
      return this.#pick(["a", "b1", "é", "'q  s'", '"d  q"', "\\$", "/et[c]", "-", "1", '""']);
    }
    if (kind < 0.65) return this.#pick(["$x", '"$y"', "${z}", "$i", '"$?"', "${#x}", "$PWD"]);
    if (kind < 0.8) {
      const inner = this.#pick(["a", "b", "$x", "'c d'", "$((2))"]);
      const operator = this.#pick([":-", "-", ":+", "+", ":=", "%", "##", "?"]);
      return `\${${this.#pick(["x", "y", "z"])}${operator}${inner}}`;
    }
    if (kind < 0.87) {
      return this.#pick(["$((1 + 2))", "$((x + 1))", "$((y * (2 - 3)))", '"$(($x))"', "$((x = 4))", "$((1 / 0))"]);
    }
    if (kind < 0.92) return this.#pick(["`echo old`", "`echo a; false`", "`no_such`", '"`echo b  c`"']);
    const documents = this.#documents;
    this.#documents = [];
    const commands = this.#list(depth - 2) + this.#endGroup();
    this.#documents = documents;
    const text = `$(${commands})`.replace(/^\$\(\(/, "$( (");
    // The lines of the commands would come before the texts of the documents.
    if (documents.length > 0 && text.includes("\n")) return "$(echo one line)";
    return this.#chance(0.3) ? `"${text}"` : text;
  }
}

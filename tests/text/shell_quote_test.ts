import { assertEquals } from "@std/assert/equals";
import { execFileSync } from "node:child_process";
import { encodeByteText } from "../../text/byte_text.ts";
import {
  commandText,
  oneLineCommand,
  printfEscapes,
  quoteArgument,
  shellCommand,
  shellQuote,
} from "../../text/shell_quote.ts";
import { lacks } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const WORDS = ["=ls", "%self", "--jobs=4", "a=b", "-k", "it's", "", "a b", "~", "$HOME", "*", "{a,b}", "+1", "@x", "é"];
const PLAIN = ["--jobs=4", "a=b", "-k", "+1", "@x", "100%", "a,b:c/d.e"];

const run = (shell: string, ...args: string[]) => execFileSync(shell, args, { encoding: "buffer" });

test("quoteArgument() and shellQuote() quote for every shell, and leave flags as people write them", () => {
  for (const shell of ["sh", "bash", "dash", "zsh", "fish"]) {
    if (lacks(shell)) continue;
    for (const quote of [quoteArgument, shellQuote]) {
      const script = `printf '<%s>' ${WORDS.map(quote).join(" ")}`;
      assertEquals(
        run(shell, "-c", script).toString(),
        WORDS.map((word) => `<${word}>`).join(""),
        `${shell}: ${script}`,
      );
    }
  }
  assertEquals(PLAIN.map(quoteArgument), PLAIN);
});

test("shellCommand() quotes names that are assignments or reserved words", () => {
  assertEquals(shellCommand(["gzip", "-k", "a b"]), "gzip -k 'a b'");
  assertEquals(shellCommand(["a=b", "if"]), "'a=b' if");
  assertEquals(shellCommand(["if"]), "'if'");
  assertEquals([commandText("a | b"), commandText(["a", "|"])], ["a | b", "a '|'"]);
});

test("printfEscapes() and oneLineCommand() keep every byte", () => {
  const bytes = Uint8Array.from({ length: 255 }, (_, index) => index + 1);
  const escaped = printfEscapes(bytes);
  assertEquals(/^[ -~]*$/.test(escaped), true);
  assertEquals(Uint8Array.from(run("sh", "-c", 'printf %b "$1"', "sh", escaped)), bytes);
  const command = "printf '%s' 'a\n\t\\n\u0085\udce9'";
  const line = oneLineCommand(command);
  assertEquals(line.includes("\n"), false);
  assertEquals(oneLineCommand("echo 'é'"), "echo 'é'");
  const output = execFileSync("sh", { input: encodeByteText(`${line}\n`) });
  assertEquals(Uint8Array.from(output), encodeByteText("a\n\t\\n\u0085\udce9"));
});

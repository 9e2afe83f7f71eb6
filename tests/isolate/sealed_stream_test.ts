import { test } from "node:test";
import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import fc from "fast-check";
import { ForeignBytesError, Sealer, unseal } from "../../isolate/sealed_stream.ts";
import { byteStream, collect, TIMEOUT } from "../support/helpers.ts";

const KEY = "the key";
const texts = fc.array(fc.string({ unit: "binary" }), { maxLength: 5 });

function sealed(pieces: readonly string[], key = KEY): Uint8Array[] {
  const sealer = new Sealer(key);
  return pieces.map((piece) => sealer.seal(new TextEncoder().encode(piece)));
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(pieces.flatMap((piece) => [...piece]));
}

async function unsealed(bytes: Uint8Array, pieceBytes = Infinity): Promise<string[]> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return (await collect(unseal(byteStream(bytes, pieceBytes), KEY))).map((piece) => decoder.decode(piece));
}

test("a stream gives the pieces that were written, however they arrive", TIMEOUT, async () => {
  await fc.assert(fc.asyncProperty(texts, fc.integer({ min: 1, max: 200 }), async (pieces, pieceBytes) => {
    assertEquals(await unsealed(joined(sealed(pieces)), pieceBytes), pieces);
  }));
});

test("each header is a line of JSON, so that a stream of lines is one still", () => {
  const lines = new TextDecoder().decode(joined(sealed(['{"id":"1"}\n', "[]\n"]))).trimEnd().split("\n");
  const [[codeOfLength, code, length], , [, , secondLength]] = lines.map((line) => JSON.parse(line));
  assertEquals([codeOfLength.length, code.length, length, secondLength], [32, 32, 11, 3]);
});

test("a stream that ends early gives the pieces that were complete", TIMEOUT, async () => {
  await fc.assert(fc.asyncProperty(texts, fc.nat(), async (pieces, number) => {
    const frames = sealed(pieces);
    const bytes = joined(frames);
    const length = number % (bytes.length + 1);
    let [complete, end] = [0, 0];
    while (complete < frames.length && (end += frames[complete]!.length) <= length) complete++;
    assertEquals(await unsealed(bytes.subarray(0, length)), pieces.slice(0, complete));
  }));
});

test("a byte that was changed is noticed, and what comes from there on is not taken", TIMEOUT, async () => {
  await fc.assert(
    fc.asyncProperty(texts, fc.nat(), fc.integer({ min: 1, max: 255 }), async (pieces, number, change) => {
      const bytes = joined(sealed(["first", ...pieces, "last"]));
      bytes[number % bytes.length]! ^= change;
      const taken: string[] = [];
      try {
        for await (const piece of unseal(byteStream(bytes), KEY)) taken.push(new TextDecoder().decode(piece));
        // Blanks after the header mean nothing.
      } catch (error) {
        if (!(error instanceof ForeignBytesError)) throw error;
      }
      const truth = ["first", ...pieces, "last"].map((piece) =>
        new TextDecoder().decode(new TextEncoder().encode(piece))
      );
      assertEquals(taken, truth.slice(0, taken.length));
    }),
  );
});

for (
  const [what, change] of [
    ["was taken out", ([, second, third]) => [second!, third!]],
    ["was repeated", ([first, second]) => [first!, first!, second!]],
    ["changed places", ([first, second, third]) => [first!, third!, second!]],
    ["is of another stream", ([first]) => [first!, sealed(["1", "2"], "another key")[1]!]],
    ["was made up", ([first]) => [first!, new TextEncoder().encode('["x","y",2]\n{}\n'.padEnd(200))]],
    ["is not one at all", ([first]) => [first!, new TextEncoder().encode("5\n".padEnd(200))]],
  ] satisfies [string, (pieces: Uint8Array[]) => Uint8Array[]][]
) {
  test(`a piece that ${what} is noticed`, async () => {
    const pieces = change(sealed(["one", "two", "three"]));
    await assertRejects(() => unsealed(joined(pieces)), ForeignBytesError);
  });
}

test("a header that was made up is noticed before anything more has come", async () => {
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode(JSON.stringify(["x", "y", 1_000_000_000]).padEnd(96));
    await new Promise(() => {});
  }
  await assertRejects(() => unseal(endless(), KEY).next(), ForeignBytesError, "a header of the stream was changed");
});

import { assertEquals } from "@std/assert/equals";
import { assertRejects } from "@std/assert/rejects";
import fc from "fast-check";
import { FrameSigner, InvalidFrameError, verifyFrames } from "../../isolate/signed_frames.ts";
import { byteStream, collect } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const KEY = "the key";
const texts = fc.array(fc.string({ unit: "binary" }), { maxLength: 5 });

function signed(contents: readonly string[], key = KEY): Uint8Array[] {
  const signer = new FrameSigner(key);
  return contents.map((content) => signer.sign(new TextEncoder().encode(content)));
}

function joined(frames: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(frames.flatMap((frame) => [...frame]));
}

async function verified(bytes: Uint8Array, chunkBytes = Infinity): Promise<string[]> {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return (await collect(verifyFrames(byteStream(bytes, chunkBytes), KEY))).map((content) => decoder.decode(content));
}

test("verifyFrames() yields what FrameSigner signed, for chunks of any size", async () => {
  await fc.assert(fc.asyncProperty(texts, fc.integer({ min: 1, max: 200 }), async (contents, chunkBytes) => {
    assertEquals(await verified(joined(signed(contents)), chunkBytes), contents);
  }));
});

test("FrameSigner writes each header as a line of JSON", () => {
  const lines = new TextDecoder().decode(joined(signed(['{"id":"1"}\n', "[]\n"]))).trimEnd().split("\n");
  const [[lengthSignature, signature, length], , [, , secondLength]] = lines.map((line) => JSON.parse(line));
  assertEquals([lengthSignature.length, signature.length, length, secondLength], [32, 32, 11, 3]);
});

test("verifyFrames() yields the complete frames of a stream that ends early", async () => {
  await fc.assert(fc.asyncProperty(texts, fc.nat(), async (contents, number) => {
    const frames = signed(contents);
    const bytes = joined(frames);
    const length = number % (bytes.length + 1);
    let [complete, end] = [0, 0];
    while (complete < frames.length && (end += frames[complete]!.length) <= length) complete++;
    assertEquals(await verified(bytes.subarray(0, length)), contents.slice(0, complete));
  }));
});

test("verifyFrames() yields nothing from the first changed byte on", async () => {
  await fc.assert(
    fc.asyncProperty(texts, fc.nat(), fc.integer({ min: 1, max: 255 }), async (contents, number, change) => {
      const bytes = joined(signed(["first", ...contents, "last"]));
      bytes[number % bytes.length]! ^= change;
      const taken: string[] = [];
      try {
        for await (const content of verifyFrames(byteStream(bytes), KEY)) taken.push(new TextDecoder().decode(content));
        // The blanks after a header are not signed.
      } catch (error) {
        if (!(error instanceof InvalidFrameError)) throw error;
      }
      const truth = ["first", ...contents, "last"].map((content) =>
        new TextDecoder().decode(new TextEncoder().encode(content))
      );
      assertEquals(taken, truth.slice(0, taken.length));
    }),
  );
});

for (
  const [what, change] of [
    ["was removed", ([, second, third]) => [second!, third!]],
    ["was repeated", ([first, second]) => [first!, first!, second!]],
    ["was moved", ([first, second, third]) => [first!, third!, second!]],
    ["is of another stream", ([first]) => [first!, signed(["1", "2"], "another key")[1]!]],
    ["was forged", ([first]) => [first!, new TextEncoder().encode('["x","y",2]\n{}\n'.padEnd(200))]],
    ["is not a frame", ([first]) => [first!, new TextEncoder().encode("5\n".padEnd(200))]],
  ] satisfies [string, (frames: Uint8Array[]) => Uint8Array[]][]
) {
  test(`verifyFrames() rejects a frame that ${what}`, async () => {
    const frames = change(signed(["one", "two", "three"]));
    await assertRejects(() => verified(joined(frames)), InvalidFrameError);
  });
}

test("verifyFrames() rejects a forged header before it reads the frame", async () => {
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode(JSON.stringify(["x", "y", 1_000_000_000]).padEnd(96));
    await new Promise(() => {});
  }
  await assertRejects(() => verifyFrames(endless(), KEY).next(), InvalidFrameError, "a header was changed");
});

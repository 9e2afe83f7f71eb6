import { assertEquals } from "@std/assert/equals";
import { drain } from "../../executors/drain.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

/** An output whose bytes, reader and end the test controls. */
class FakeOutput {
  readonly end = Promise.withResolvers<void>();
  readonly ended: Promise<void> = this.end.promise;
  bytes = 0;
  isBusy = false;
  cancels = 0;
  readonly bytesRead = () => this.bytes;
  readonly isReading = () => !this.isBusy;
  readonly cancel = () => {
    this.cancels++;
  };
}

/** Calls a function with an output that is being drained, under a fake clock. */
async function withOutput(
  maxBytes: number,
  use: (output: FakeOutput, clock: FakeClock) => Promise<void>,
): Promise<FakeOutput> {
  const output = new FakeOutput();
  const clock = new FakeClock();
  await clock.during(async () => {
    const drained = drain({ ...output, maxBytes });
    await use(output, clock);
    await drained;
    assertEquals(clock.waiting, 0);
  });
  return output;
}

test("drain() waits for the end of the output, and does not cancel it", async () => {
  const { cancels } = await withOutput(Infinity, async (output, clock) => {
    await clock.advance(99);
    output.end.resolve();
  });
  assertEquals(cancels, 0);
});

test("drain() cancels the output after four rounds without bytes", async () => {
  await withOutput(Infinity, async (output, clock) => {
    await clock.advance(30);
    output.bytes++; // in the second round, which then does not count as quiet
    await clock.advance(119);
    assertEquals(output.cancels, 0);
    await clock.advance(1);
    assertEquals(output.cancels, 1);
  });
});

test("drain() cancels output that never pauses after forty rounds", async () => {
  await withOutput(Infinity, async (output, clock) => {
    for (let round = 1; round <= 40; round++) {
      assertEquals(output.cancels, 0);
      output.bytes++;
      await clock.advance(25);
    }
    assertEquals(output.cancels, 1);
  });
});

test("drain() does not count rounds in which the reader is busy", async () => {
  await withOutput(Infinity, async (output, clock) => {
    output.isBusy = true;
    await clock.advance(10_000);
    assertEquals(output.cancels, 0);
    output.isBusy = false;
    await clock.advance(100);
    assertEquals(output.cancels, 1);
  });
});

test("drain() cancels output with more bytes than the process can have left", async () => {
  await withOutput(10, async (output, clock) => {
    output.bytes = 10;
    await clock.advance(25);
    assertEquals(output.cancels, 0);
    output.bytes = 11;
    await clock.advance(25);
    assertEquals(output.cancels, 1);
  });
});

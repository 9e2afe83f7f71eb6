import { Buffer } from "node:buffer";
import { assert } from "@std/assert/assert";
import { assertEquals } from "@std/assert/equals";
import { assertThrows } from "@std/assert/throws";
import fc from "fast-check";
import {
  closeCommand,
  LauncherProtocolError,
  type LauncherReport,
  LauncherReportReader,
  MAX_STARTERS,
  MESSAGE_BYTES,
  openCommand,
  openShellCommand,
  type Program,
  type ProgramCommand,
  type Redirection,
  runCommand,
  scriptCommands,
  SECRET_BYTES,
  secretCommand,
  waitStatus,
} from "../../executors/shell/launcher/messages.ts";
import { concatenate } from "../../text/concatenate.ts";
import { decodeByteText, encodeByteText } from "../../text/byte_text.ts";
import { EFFORT, SEED } from "../support/helpers.ts";
import { test } from "../support/test.ts";

const SECRET = Uint8Array.from({ length: SECRET_BYTES }, (_, index) => 0xf0 ^ index);
const KINDS = [
  ...["ready", "opened", "begun", "ended", "unopened", "unstarted", "died", "channel", "reported"] as const,
];
const IN_FILE = 0xffffffff;
const NO_BYTES = new Uint8Array();
const PARAMETERS = { numRuns: 300 * EFFORT, seed: SEED };

/** The parts of a report. */
interface Fields {
  kind: number;
  starter?: number;
  number?: number;
  secret?: Uint8Array;
  /** The length in the header. */
  bytes?: number;
}

/** Encodes a report as the launcher does. */
function reportBytes({ kind, starter = 3, number = 7, secret = SECRET, bytes }: Fields, body: Uint8Array): Uint8Array {
  const header = new DataView(new ArrayBuffer(16));
  [bytes ?? 32 + body.length, starter, kind, number].forEach((value, index) =>
    header.setUint32(index * 4, value, true)
  );
  return concatenate([new Uint8Array(header.buffer), secret, body]);
}

const u32 = (...values: number[]): Uint8Array => concatenate(values.map((value) => littleEndian(BigInt(value), 4)));
const u64 = (...values: bigint[]): Uint8Array => concatenate(values.map((value) => littleEndian(value, 8)));

function littleEndian(value: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));
}

/** The values of a report about an end. */
interface End {
  durationNs?: bigint;
  userUs?: bigint;
  systemUs?: bigint;
  status?: number;
  stdout?: Uint8Array | "in file";
  stderr?: Uint8Array | "in file";
}

function endBody({ durationNs = 0n, userUs = 0n, systemUs = 0n, status = 0, ...outputs }: End): Uint8Array {
  const { stdout = NO_BYTES, stderr = NO_BYTES } = outputs;
  const length = (output: Uint8Array | "in file") => output === "in file" ? IN_FILE : output.length;
  const contents = [stdout, stderr].filter((output) => output !== "in file");
  return concatenate([
    u64(durationNs, userUs, systemUs),
    u32(status, length(stdout), length(stderr)),
    ...contents,
  ]);
}

const ended = (end: End, fields: Partial<Fields> = {}) => reportBytes({ kind: 3, ...fields }, endBody(end));

/** Parses bytes in pieces of a size. Each piece is overwritten once the reader has it. */
function parse(bytes: Uint8Array, pieceBytes = Math.max(1, bytes.length)): LauncherReport[] {
  const reader = new LauncherReportReader(SECRET);
  const reports: LauncherReport[] = [];
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
    const piece = concatenate([new Uint8Array(5), bytes.subarray(offset, offset + pieceBytes)]).subarray(5);
    reports.push(...reader.push(piece));
    piece.fill(0xff);
  }
  return reports;
}

function assertRejected(bytes: Uint8Array, what: string): void {
  assertThrows(() => parse(bytes), LauncherProtocolError, `The launcher sent ${what}`);
}

/** The values of a report of a shell. */
interface Reported {
  channel?: Uint8Array;
  stdout?: Uint8Array | "in file";
  stderr?: Uint8Array | "in file";
}

function reported({ channel = NO_BYTES, stdout = NO_BYTES, stderr = NO_BYTES }: Reported): Uint8Array {
  const length = (output: Uint8Array | "in file") => output === "in file" ? IN_FILE : output.length;
  const contents = [stdout, stderr].filter((output) => output !== "in file");
  const lengths = u32(channel.length, length(stdout), length(stderr));
  return reportBytes({ kind: 8 }, concatenate([u64(1_500_000n), lengths, channel, ...contents]));
}

/** A report of each kind, with its encoding. */
const SAMPLES: [Uint8Array, LauncherReport][] = [
  [reportBytes({ kind: 0, secret: new Uint8Array(SECRET_BYTES) }, u32(77)), { kind: "ready", pid: 77 }],
  [reportBytes({ kind: 1, starter: 4095 }, u32(4_194_304)), { kind: "opened", starter: 4095, pid: 4_194_304 }],
  [
    reportBytes({ kind: 2, number: 0xfffffffe }, u64(9_000_000_500_000n)),
    { kind: "begun", starter: 3, number: 0xfffffffe, uptimeMs: 9_000_000.5 },
  ],
  [
    ended({
      durationNs: 1_500_000n,
      userUs: 2_500n,
      systemUs: 750n,
      status: 3 << 8,
      stdout: encodeByteText("é\n"),
      stderr: Uint8Array.of(0xff, 0),
    }),
    {
      kind: "ended",
      starter: 3,
      number: 7,
      end: {
        code: 3,
        signal: null,
        durationMs: 1.5,
        userMs: 2.5,
        systemMs: 0.75,
        stdout: { text: "é\n" },
        stderr: { text: "/wA=", encoding: "base64" },
      },
    },
  ],
  [reportBytes({ kind: 4 }, u32(17)), { kind: "unopened", starter: 3, number: 7, errno: 17 }],
  [reportBytes({ kind: 5 }, u32(2)), { kind: "unstarted", starter: 3, number: 7, errno: 2 }],
  [reportBytes({ kind: 6 }, u32(9)), { kind: "died", starter: 3, status: 9 }],
  [reportBytes({ kind: 6 }, u32(IN_FILE)), { kind: "died", starter: 3, status: undefined }],
  [reportBytes({ kind: 7 }, NO_BYTES), { kind: "channel", starter: 3, bytes: NO_BYTES }],
  [reportBytes({ kind: 7 }, Uint8Array.of(0, 255)), { kind: "channel", starter: 3, bytes: Uint8Array.of(0, 255) }],
  [reported({ channel: Uint8Array.of(1, 2, 3), stdout: encodeByteText("é\n"), stderr: "in file" }), {
    kind: "reported",
    starter: 3,
    number: 7,
    bytes: Uint8Array.of(1, 2, 3),
    end: { durationMs: 1.5, stdout: { text: "é\n" }, stderr: undefined },
  }],
  [reported({ stderr: Uint8Array.of(0xff, 0) }), {
    kind: "reported",
    starter: 3,
    number: 7,
    bytes: NO_BYTES,
    end: { durationMs: 1.5, stdout: { text: "" }, stderr: { text: "/wA=", encoding: "base64" } },
  }],
];

test("LauncherReportReader parses a report of each kind, in pieces of each size", () => {
  assertEquals(new Set(SAMPLES.map(([, { kind }]) => kind)), new Set(KINDS));
  const all = concatenate(SAMPLES.map(([bytes]) => bytes));
  for (let size = 1; size <= all.length; size++) {
    assertEquals([size, parse(all, size)], [size, SAMPLES.map(([, report]) => report)]);
  }
});

test("LauncherReportReader waits for the rest of a report that is cut at any byte", () => {
  for (const [bytes, report] of SAMPLES) {
    for (let end = 0; end < bytes.length; end++) {
      const reader = new LauncherReportReader(SECRET);
      assertEquals([end, reader.push(bytes.subarray(0, end))], [end, []]);
      assertEquals([end, reader.push(bytes.subarray(end))], [end, [report]]);
    }
  }
});

test("LauncherReportReader accepts the secret only as a whole, except in the first report", () => {
  const [ready, ...others] = SAMPLES.map(([bytes]) => bytes);
  for (const bytes of others) {
    for (let index = 0; index < SECRET_BYTES; index++) {
      const forged = bytes.slice();
      forged[16 + index]! ^= 1;
      assertRejected(forged, "a wrong secret");
    }
  }
  assertRejected(concatenate([ready!, ready!]), "a wrong secret");
  assertRejected(concatenate([others[0]!, ready!]), "a wrong secret");
  assertEquals(parse(concatenate([ready!, reportBytes({ kind: 0 }, u32(0))])).length, 2);
});

test("LauncherReportReader rejects lengths that no report has", () => {
  for (const bytes of [0, 1, 31, MESSAGE_BYTES + 1, 2 ** 31, IN_FILE]) {
    assertRejected(reportBytes({ kind: 4, bytes }, u32(17)), `a length of ${bytes}`);
  }
  for (const [index, kind] of KINDS.entries()) {
    if (kind === "ended" || kind === "channel" || kind === "reported") continue;
    const expected = kind === "begun" ? 8 : 4;
    for (let length = 0; length <= 64; length++) {
      if (length === expected) continue;
      assertRejected(reportBytes({ kind: index }, new Uint8Array(length)), `${32 + length} bytes of the kind ${kind}`);
    }
    const longest = new Uint8Array(MESSAGE_BYTES - 32);
    assertRejected(reportBytes({ kind: index }, longest), `${MESSAGE_BYTES} bytes of the kind ${kind}`);
  }
  for (let length = 0; length < 36; length++) {
    assertRejected(reportBytes({ kind: 3 }, new Uint8Array(length)), "a short report of an end");
  }
  for (let length = 0; length < 20; length++) {
    assertRejected(reportBytes({ kind: 8 }, new Uint8Array(length)), "a short report of a script");
  }
});

test("LauncherReportReader rejects unknown kinds", () => {
  for (const kind of [KINDS.length, KINDS.length + 1, 255, 256, 2 ** 31, IN_FILE]) {
    assertRejected(reportBytes({ kind }, u32(0)), "an unknown kind");
  }
});

test("LauncherReportReader rejects outputs that do not fill the report", () => {
  const [one, four] = [Uint8Array.of(1), new Uint8Array(4)];
  const withLengths = (stdout: number, stderr: number, contents: Uint8Array) =>
    reportBytes({ kind: 3 }, concatenate([u64(0n, 0n, 0n), u32(0, stdout, stderr), contents]));
  const wrong: [number, number, Uint8Array][] = [
    [0, 0, one],
    [1, 0, NO_BYTES],
    [0, 1, NO_BYTES],
    [IN_FILE, IN_FILE, one],
    [IN_FILE, 3, four],
    [5, IN_FILE, four],
    [2, 3, four],
    [IN_FILE - 1, 1, NO_BYTES], // a sum of 32 bits would be 0
    [2 ** 31, 2 ** 31, NO_BYTES],
    [IN_FILE - 1, 6, four],
  ];
  for (const [stdout, stderr, contents] of wrong) {
    assertRejected(withLengths(stdout, stderr, contents), "outputs of another length");
    for (const channel of [0, 2]) {
      const lengths = u32(channel, stdout, stderr);
      const body = concatenate([u64(0n), lengths, new Uint8Array(channel), contents]);
      assertRejected(reportBytes({ kind: 8 }, body), "outputs of another length");
    }
  }
  const channelLengths: [number, Uint8Array][] = [[1, NO_BYTES], [0, one], [5, four], [IN_FILE, NO_BYTES], [
    IN_FILE,
    four,
  ]];
  for (const [channel, contents] of channelLengths) {
    assertRejected(
      reportBytes({ kind: 8 }, concatenate([u64(0n), u32(channel, 0, 0), contents])),
      "outputs of another length",
    );
    assertRejected(
      reportBytes({ kind: 8 }, concatenate([u64(0n), u32(channel, IN_FILE, IN_FILE), contents])),
      "outputs of another length",
    );
  }
});

test("LauncherReportReader parses outputs that are empty, text, binary, in their files, or as long as a message", () => {
  const outputs: [Uint8Array | "in file", unknown][] = [
    ["in file", undefined],
    [NO_BYTES, { text: "" }],
    [encodeByteText("\ufeffa\0é𝄞\r\n"), { text: "\ufeffa\0é𝄞\r\n" }],
    [Uint8Array.of(0xc3), { text: "ww==", encoding: "base64" }],
    [Uint8Array.of(0xed, 0xa0, 0x80), { text: "7aCA", encoding: "base64" }],
    [new Uint8Array(1000).fill(0x61), { text: "a".repeat(1000) }],
    [new Uint8Array(1000).fill(0x80), { text: btoa("\x80".repeat(1000)), encoding: "base64" }],
  ];
  for (const [stdout, expectedStdout] of outputs) {
    for (const [stderr, expectedStderr] of outputs) {
      const [report] = parse(ended({ stdout, stderr }), 100);
      assert(report?.kind === "ended");
      assertEquals([report.end.stdout, report.end.stderr], [expectedStdout, expectedStderr]);
    }
  }
  const longest = new Uint8Array(MESSAGE_BYTES - 68).fill(0x62);
  for (const end of [{ stdout: longest }, { stderr: longest }]) {
    assertEquals(ended(end).length, MESSAGE_BYTES);
    const [report] = parse(ended(end));
    assert(report?.kind === "ended");
    assertEquals(report.end.stdout!.text + report.end.stderr!.text, "b".repeat(longest.length));
  }
  const tooLong = concatenate([longest, Uint8Array.of(1)]);
  assertRejected(ended({ stdout: tooLong }), `a length of ${MESSAGE_BYTES + 1}`);
});

test("waitStatus() splits the statuses of ended processes, and rejects all others", () => {
  for (let code = 0; code <= 255; code++) assertEquals(waitStatus(code << 8), { code, signal: null });
  for (let signal = 1; signal <= 64; signal++) {
    for (const core of [0, 0x80]) assertEquals(waitStatus(signal | core), { code: null, signal });
  }
  const stopped = [0x137f, 0x7f, 0xff7f, 0xffff, 0xff];
  const impossible = [0x80, 0x180, 0x109, 0xff01, 65, 126, 65 | 0x80];
  for (const status of [...stopped, ...impossible, 0x10000, 0x10009, 2 ** 31, IN_FILE]) {
    assertEquals([status, waitStatus(status)], [status, undefined]);
    assertRejected(ended({ status }), `the status ${status}`);
  }
});

const secret = fc.constant(SECRET);
const id = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const output = fc.oneof(
  fc.constant("in file" as const),
  fc.uint8Array({ maxLength: 100 }),
  fc.string({ unit: "binary", maxLength: 60 }).map((text) => encodeByteText(text)),
);
const nanoseconds = fc.bigInt({ min: 0n, max: 2n ** 53n - 1n });

/** A report about an end, with its encoding. */
const sampleEnd: fc.Arbitrary<[Uint8Array, LauncherReport]> = fc.record({
  starter: id,
  number: id,
  secret,
  status: fc.oneof(fc.nat(255).map((code) => code << 8), fc.integer({ min: 1, max: 64 })),
  durationNs: nanoseconds,
  userUs: nanoseconds,
  systemUs: nanoseconds,
  stdout: output,
  stderr: output,
}).map(({ starter, number, secret, ...end }) => {
  const decoded = (output: Uint8Array | "in file") => {
    if (output === "in file") return undefined;
    const text = decodeByteText(output);
    return text.isWellFormed()
      ? { text }
      : { text: Buffer.from(output).toString("base64"), encoding: "base64" as const };
  };
  return [ended(end, { starter, number, secret }), {
    kind: "ended",
    starter,
    number,
    end: {
      code: end.status > 255 || end.status === 0 ? end.status >> 8 : null,
      signal: end.status > 255 || end.status === 0 ? null : end.status,
      durationMs: Number(end.durationNs) / 1e6,
      userMs: Number(end.userUs) / 1e3,
      systemMs: Number(end.systemUs) / 1e3,
      stdout: decoded(end.stdout),
      stderr: decoded(end.stderr),
    },
  }];
});

test("LauncherReportReader parses any reports in any pieces", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(sampleEnd, fc.constantFrom(...SAMPLES.slice(1))), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }),
      (samples, sizes) => {
        const bytes = concatenate(samples.map(([bytes]) => bytes));
        const reader = new LauncherReportReader(SECRET);
        const reports: LauncherReport[] = [];
        for (let offset = 0, piece = 0; offset < bytes.length; piece++) {
          const size = sizes[piece % sizes.length]!;
          reports.push(...reader.push(bytes.slice(offset, offset + size)));
          offset += size;
        }
        assertEquals(reports, samples.map(([, report]) => report));
      },
    ),
    PARAMETERS,
  );
});

test("LauncherReportReader throws nothing but LauncherProtocolError, for any bytes", () => {
  const change = fc.tuple(fc.nat(200), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(
      fc.array(fc.oneof(sampleEnd.map(([bytes]) => bytes), fc.uint8Array({ maxLength: 60 })), { maxLength: 4 }),
      fc.array(change, { maxLength: 6 }),
      (parts, changes) => {
        const bytes = concatenate(parts);
        for (const [index, value] of changes) if (index < bytes.length) bytes[index] = value;
        try {
          for (const report of parse(bytes, 13)) assert(KINDS.includes(report.kind));
        } catch (error) {
          assert(error instanceof LauncherProtocolError, `${error}`);
        }
      },
    ),
    PARAMETERS,
  );
});

/** A command as the launcher decodes it. */
interface DecodedCommand {
  starter: number;
  kind: number;
  number: number;
  flags: number;
  stdin: Uint8Array;
  stdout: Uint8Array;
  stderr: Uint8Array;
  directory: Uint8Array;
  shell: Uint8Array;
  parts: Uint8Array[];
  variables: Uint8Array[];
  /** The number of bytes after the last text. */
  padding: number;
}

/** Decodes a command to run a program, apart from the code under test. */
function decodeRun(bytes: Uint8Array): DecodedCommand {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const field = (index: number) => view.getUint32(index * 4, true);
  assertEquals([field(0), bytes.length % 4], [bytes.length, 0]);
  let offset = 28;
  const text = () => {
    const end = bytes.indexOf(0, offset);
    assert(end !== -1, "a text without an end");
    const found = bytes.slice(offset, end);
    offset = end + 1;
    return found;
  };
  const texts = (count: number) => Array.from({ length: count }, text);
  const [stdin, stdout, stderr, directory, shell] = [text(), text(), text(), text(), text()];
  const [parts, variables] = [texts(field(5)), texts(field(6))];
  const padding = bytes.length - offset;
  return {
    starter: field(1),
    kind: field(2),
    number: field(3),
    flags: field(4),
    stdin,
    stdout,
    stderr,
    directory,
    shell,
    parts,
    variables,
    padding,
  };
}

const programOf = (...words: string[]): Program => ({ words, redirections: [] });

const PROGRAM: ProgramCommand = {
  programs: [programOf("cat")],
  variables: {},
  stdin: "",
  stdout: "/d/1.out",
  stderr: "/d/1.err",
  directory: "",
  shell: "",
  reportsBegin: false,
  isQueued: false,
  keepsFiles: false,
};

const byteText = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.uint8Array({ maxLength: 12 }).map((bytes) => decodeByteText(bytes)),
).map((text) => text.replaceAll("\0", ""));
const variableName = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/).filter((name) => name !== "__proto__");

const redirection = fc.record<Redirection>({
  descriptor: fc.constantFrom("0", "1", "2"),
  operator: fc.constantFrom("<", ">", ">>", "&"),
  target: byteText,
});
const program = fc.record<Program>({
  words: fc.array(byteText, { minLength: 1, maxLength: 8 }),
  redirections: fc.array(redirection, { maxLength: 3 }),
});

/** Returns the parts of programs as `docs/launcher_protocol.md` specifies them. */
function partsOf(programs: readonly Program[]): string[] {
  return programs.flatMap(({ words, redirections }, index) => [
    ...(index === 0 ? [] : ["|"]),
    ...words.map((word) => ` ${word}`),
    ...redirections.map(({ descriptor, operator, target }) => {
      return descriptor + (operator === ">>" ? "+" : operator) + target;
    }),
  ]);
}

test("runCommand() encodes what a decoder gets back, with escaped bytes as those bytes", () => {
  fc.assert(
    fc.property(
      fc.record<ProgramCommand>({
        programs: fc.array(program, { minLength: 1, maxLength: 4 }),
        variables: fc.dictionary(variableName, byteText, { maxKeys: 5, noNullPrototype: true }),
        stdin: byteText,
        stdout: byteText,
        stderr: byteText,
        directory: byteText,
        shell: byteText,
        reportsBegin: fc.boolean(),
        isQueued: fc.boolean(),
        keepsFiles: fc.boolean(),
      }),
      id,
      id,
      (command, starter, number) => {
        const bytes = runCommand(starter, number, command)!;
        const { padding, ...decoded } = decodeRun(bytes);
        assert(padding < 4);
        const { programs, variables, stdin, stdout, stderr, directory, shell, reportsBegin, isQueued, keepsFiles } =
          command;
        assertEquals(decoded, {
          starter,
          kind: 2,
          number,
          flags: Number(reportsBegin) + 2 * Number(isQueued) + 4 * Number(keepsFiles),
          stdin: encodeByteText(stdin),
          stdout: encodeByteText(stdout),
          stderr: encodeByteText(stderr),
          directory: encodeByteText(directory),
          shell: encodeByteText(shell),
          parts: partsOf(programs).map(encodeByteText),
          variables: Object.entries(variables).map(([name, value]) => encodeByteText(`${name}=${value}`)),
        });
      },
    ),
    PARAMETERS,
  );
});

test("runCommand() encodes a message of 4096 bytes, and refuses a longer one", () => {
  const fixedBytes = 28 + 1 + "/d/1.out/d/1.err".length + 2 + 2 + " cat".length + 1 + 2;
  const room = MESSAGE_BYTES - fixedBytes;
  const characters: [string, number][] = [["x", 1], ["é", 2], ["€", 3], ["𝄞", 4], ["\udc80", 1], ["a\udcff", 2]];
  for (const [character, size] of characters) {
    for (let extra = -8; extra <= 8; extra++) {
      const length = room + extra;
      const argument = character.repeat(Math.floor(length / size)) + "x".repeat(length % size);
      const bytes = runCommand(1, 2, { ...PROGRAM, programs: [programOf("cat", argument)] });
      assertEquals([character, extra, bytes !== undefined], [character, extra, extra <= 0]);
      if (!bytes) continue;
      assertEquals(bytes.length, Math.ceil((MESSAGE_BYTES + extra) / 4) * 4);
      assertEquals(decodeRun(bytes).parts[1], encodeByteText(` ${argument}`));
    }
  }
  for (const part of ["stdin", "stdout", "stderr", "directory", "shell"] as const) {
    assertEquals(runCommand(1, 2, { ...PROGRAM, [part]: "x".repeat(MESSAGE_BYTES) }), undefined);
  }
  assertEquals(runCommand(1, 2, { ...PROGRAM, variables: { A: "x".repeat(MESSAGE_BYTES) } }), undefined);
  assertEquals(runCommand(1, 2, { ...PROGRAM, programs: [programOf("x".repeat(10_000_000))] }), undefined);
});

test("runCommand() encodes as many empty arguments as fit", () => {
  const count = Math.floor((MESSAGE_BYTES - 28 - 1 - "/d/1.out/d/1.err".length - 2 - 2 - " cat".length - 1) / 2);
  const empty = (count: number) => ({ ...PROGRAM, programs: [programOf("cat", ...Array<string>(count).fill(""))] });
  assertEquals(decodeRun(runCommand(0, 1, empty(count))!).parts.length, count + 1);
  assertEquals(runCommand(0, 1, empty(count + 1)), undefined);
});

test("each command is an array of its own, which later commands do not change", () => {
  const first = runCommand(1, 1, { ...PROGRAM, programs: [programOf("first")] })!;
  const copy = first.slice();
  runCommand(2, 2, { ...PROGRAM, programs: [programOf("another", "program")] });
  secretCommand(SECRET);
  assertEquals(first, copy);
});

test("the other commands consist of a header, and the secret", () => {
  assertEquals(secretCommand(SECRET), concatenate([u32(32, 0, 0, 0), SECRET]));
  for (const starter of [0, 1, MAX_STARTERS - 1]) {
    assertEquals(openCommand(starter), u32(16, starter, 1, 0));
    assertEquals(closeCommand(starter), u32(16, starter, 3, 0));
  }
});

/** Decodes commands with a script as the router does. Returns the paths and the script. */
function decodeScript(commands: readonly Uint8Array[], starter: number, number: number, settled: number) {
  const parts: Uint8Array[] = [];
  let paths: Uint8Array[] = [];
  for (const [index, bytes] of commands.entries()) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const fields = [0, 1, 2, 3, 4].map((field) => view.getUint32(field * 4, true));
    assert(bytes.length <= MESSAGE_BYTES && bytes.length % 4 === 0);
    assertEquals(fields, [bytes.length, starter, 5, index === 0 ? number : 0, settled]);
    const stdoutEnd = bytes.indexOf(0, 24);
    const begin = bytes.indexOf(0, stdoutEnd + 1) + 1;
    if (index === 0) paths = [bytes.slice(24, stdoutEnd), bytes.slice(stdoutEnd + 1, begin - 1)];
    else assertEquals(begin, 26); // no paths
    const end = begin + view.getUint32(20, true);
    assert(bytes.length - end >= 0 && bytes.length - end < 4);
    parts.push(bytes.slice(begin, end));
  }
  return { paths, script: concatenate(parts) };
}

test("scriptCommands() encode what a decoder gets back, in as few messages as possible", () => {
  const lengths = [0, 1, 100, ...Array.from({ length: 40 }, (_, index) => 4_020 + 2 * index), 8_140, 12_300, 300_000];
  const characters = ["x", "é", "€", "𝄞", "\udc80"];
  for (const [stdout, stderr] of [["", ""], ["/d/7.out", ""], ["/d/7.out", "/d/é.err"]] as const) {
    for (const length of lengths) {
      for (const character of characters) {
        const script = character.repeat(length);
        const commands = scriptCommands(3, { number: 7, settled: 5, stdout, stderr }, script);
        const decoded = decodeScript(commands, 3, 7, 5);
        assertEquals(decoded.paths, [encodeByteText(stdout), encodeByteText(stderr)]);
        assertEquals(Buffer.compare(decoded.script, encodeByteText(script)), 0);
        assert(commands.length <= Math.max(1, Math.ceil(decoded.script.length / (MESSAGE_BYTES - 60))));
      }
    }
  }
  const long = "/d".repeat(3_000);
  const [command] = scriptCommands(3, { number: 7, settled: 5, stdout: long, stderr: long }, "echo a\n");
  const { paths, script } = decodeScript([command!], 3, 7, 5);
  assertEquals([paths, script], [[NO_BYTES, NO_BYTES], encodeByteText("echo a\n")]);
});

test("openShellCommand() contains the token, the shell and the variables, if they fit", () => {
  const token = "0123456789abcdef01234567";
  const bytes = openShellCommand(9, { shell: "/bin/é", token, variables: { ENV: "", BASH_ENV: "a=b" } })!;
  const text = encodeByteText(`${token}\0/bin/é\0ENV=\0BASH_ENV=a=b\0`);
  const length = Math.ceil((20 + text.length) / 4) * 4;
  assertEquals(bytes.subarray(0, 20), u32(length, 9, 4, 0, 2));
  assertEquals([bytes.length, bytes.subarray(20, 20 + text.length)], [length, text]);
  assertEquals(openShellCommand(9, { shell: "x".repeat(MESSAGE_BYTES), token, variables: {} }), undefined);
});

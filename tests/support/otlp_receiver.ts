/** Receives OpenTelemetry data over HTTP, in place of a collector. @module */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

/** A received request. */
export interface OtlpRequest {
  path: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Uint8Array;
}

/** The parts of a span that tests check. */
export interface ReceivedSpan {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  kind: number;
  startMs: number;
  endMs: number;
  attributes: Record<string, string | number>;
  isError: boolean;
  resource: Record<string, string | number>;
}

// deno-lint-ignore no-explicit-any -- the protocol defines the structure
type Json = Record<string, any>;

export class OtlpReceiver {
  readonly url: string;
  readonly requests: OtlpRequest[] = [];
  /** Responds to a request. */
  answer: (request: OtlpRequest, response: ServerResponse) => void = (_, response) => response.end("{}");

  constructor(url: string) {
    this.url = url;
  }

  /** Environment variables with which a program sends its data here, in JSON. */
  get env(): Record<string, string> {
    return { OTEL_EXPORTER_OTLP_ENDPOINT: this.url, OTEL_EXPORTER_OTLP_PROTOCOL: "http/json", TRACEPARENT: "" };
  }

  /** The bodies of all requests. */
  get text(): string {
    return this.requests.map(({ body }) => new TextDecoder().decode(body)).join("\n");
  }

  /** All spans so far, in the order of their ends; the span of the run comes last. */
  get spans(): ReceivedSpan[] {
    return this.#sent("/v1/traces").flatMap((json) => json["resourceSpans"]).flatMap(({ resource, scopeSpans }: Json) =>
      scopeSpans.flatMap(({ spans }: Json) => spans).map((span: Json) => ({
        name: span["name"],
        traceId: span["traceId"],
        spanId: span["spanId"],
        parentSpanId: span["parentSpanId"] || undefined,
        kind: span["kind"],
        startMs: Number(span["startTimeUnixNano"]) / 1e6,
        endMs: Number(span["endTimeUnixNano"]) / 1e6,
        attributes: valuesOf(span["attributes"]),
        isError: span["status"]?.code === 2,
        resource: valuesOf(resource.attributes),
      }))
    );
  }

  /** The spans of the attempts, in the order of their ends, and the span of the run. */
  get trace(): { attempts: ReceivedSpan[]; run: ReceivedSpan } {
    const spans = this.spans;
    const [run, ...more] = spans.filter(({ name }) => name === "run");
    if (!run || more.length > 0) {
      throw new Error(`Expected one span of a run, got ${run ? 1 + more.length : 0} in ${spans.length} spans`);
    }
    return { attempts: spans.filter((span) => span !== run), run };
  }

  /** The latest values of the metrics, by name, unit and attributes. */
  get metrics(): Record<string, number> {
    const numbers: Record<string, number> = {};
    for (const json of this.#sent("/v1/metrics").slice(-1)) {
      for (const { name, unit, sum } of json["resourceMetrics"][0].scopeMetrics[0].metrics) {
        for (const { attributes, asDouble, asInt } of sum.dataPoints) {
          const key = [name, unit, ...Object.values(valuesOf(attributes))].join(" ");
          numbers[key] = Number(asDouble ?? asInt);
        }
      }
    }
    return numbers;
  }

  #sent(path: string): Json[] {
    return this.requests.filter((request) => request.path === path)
      .map(({ body }) => JSON.parse(new TextDecoder().decode(body)));
  }
}

function valuesOf(attributes: { key: string; value: Json }[]): Record<string, string | number> {
  return Object.fromEntries(attributes.map(({ key, value }) => {
    return [key, value["stringValue"] ?? Number(value["intValue"] ?? value["doubleValue"])];
  }));
}

/** Calls a function with a receiver on a free port. */
export async function withOtlpReceiver(use: (receiver: OtlpReceiver) => Promise<void>): Promise<void> {
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks = await Array.fromAsync(request as AsyncIterable<Uint8Array>);
    const body = new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
    const received = { path: request.url!, headers: request.headers, body };
    receiver.requests.push(received);
    receiver.answer(received, response);
  };
  const server = createServer((request, response) => {
    take(request, response).catch((error) => response.destroy(error)); // a client may disconnect during the request
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const receiver = new OtlpReceiver(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  try {
    await use(receiver);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

/**
 * Returns the values of a nested field of a Protocol Buffers message; the second argument is its path of field numbers.
 */
export function fieldsOf(message: Uint8Array, [number, ...path]: readonly number[]): Uint8Array[] {
  const found: Uint8Array[] = [];
  let offset = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 0;; shift += 7) {
      const byte = message[offset++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (offset < message.length) {
    const key = varint();
    const type = key & 7;
    if (type === 0) varint();
    else if (type === 2) {
      const length = varint();
      const value = message.subarray(offset, offset += length);
      if (key >> 3 === number) found.push(...path.length > 0 ? fieldsOf(value, path) : [value]);
    } else offset += type === 1 ? 8 : 4;
  }
  return found;
}

/**
 * The parts of the packages of OpenTelemetry that this room uses. These types stand for those of the packages, so that
 * checking the types of a program downloads none of the packages.
 *
 * @module
 */

/** `@opentelemetry/api`. */
export interface ApiPackage {
  ROOT_CONTEXT: Context;
  SpanKind: { readonly CLIENT: number };
  SpanStatusCode: { readonly ERROR: number };
  trace: { setSpan(context: Context, span: Span): Context };
}

/** `@opentelemetry/core`. */
export interface CorePackage {
  W3CTraceContextPropagator: new () => Propagator;
}

/** `@opentelemetry/resources`. */
export interface ResourcesPackage {
  defaultResource(): Resource;
  detectResources(options: { detectors?: ResourceDetector[] }): Resource;
  resourceFromAttributes(attributes: Record<string, string>): Resource;
  resourceAttributesEnvDetector: ResourceDetector;
  serviceNameEnvDetector: ResourceDetector;
}

/** `@opentelemetry/sdk-trace`. */
export interface TracesSdkPackage {
  BatchSpanProcessor: new (options: {
    exporter: SpanExporter;
    maxQueueSize: number;
    maxExportBatchSize: number;
    scheduledDelayMillis: number;
  }) => SpanProcessor;
  NoopSpanProcessor: new () => SpanProcessor;
  TracerProvider: typeof TracerProvider;
}

/** Creates the spans of a resource. */
export declare class TracerProvider {
  constructor(options?: {
    resource?: Resource;
    spanProcessors?: SpanProcessor[];
    spanLimits?: { attributeValueLengthLimit?: number };
  });
  getTracer(name: string, version: string): Tracer;
  shutdown(): Promise<void>;
}

/** `@opentelemetry/exporter-trace-otlp-proto` or `@opentelemetry/exporter-trace-otlp-http`. */
export interface TracesExporterPackage {
  OTLPTraceExporter: new (options: { concurrencyLimit: number; timeoutMillis: number }) => SpanExporter;
}

/** `@opentelemetry/sdk-metrics`. */
export interface MetricsSdkPackage {
  MeterProvider: typeof MeterProvider;
  PeriodicExportingMetricReader: new (options: {
    exporter: MetricsExporter;
    exportIntervalMillis: number;
  }) => MetricReader;
}

/** Creates the metrics of a resource. */
export declare class MeterProvider {
  constructor(options?: { resource?: Resource; readers?: MetricReader[] });
  getMeter(name: string, version: string): Meter;
  shutdown(): Promise<void>;
}

/** `@opentelemetry/exporter-metrics-otlp-proto` or `@opentelemetry/exporter-metrics-otlp-http`. */
export interface MetricsExporterPackage {
  OTLPMetricExporter: new (options: { timeoutMillis: number }) => MetricsExporter;
}

/** The span that is active, among other values. */
export type Context = object;

/** The attributes of the program that sends data. */
export interface Resource {
  merge(other: Resource | null): Resource;
}

/** Detects attributes of the program. */
export interface ResourceDetector {
  detect(): object;
}

/** Attributes by name; `undefined` values are left out. */
export type Attributes = Record<string, string | number | undefined>;

/** A span. */
export interface Span {
  setAttribute(name: string, value: string): unknown;
  setAttributes(attributes: Attributes): unknown;
  setStatus(status: { code: number }): unknown;
  end(): void;
}

/** Creates spans. */
export interface Tracer {
  startSpan(name: string, options: { kind?: number; attributes?: Attributes }, parent?: Context): Span;
}

/** Is called for each span. */
export interface SpanProcessor {
  onEnd(span: object): void;
  shutdown(): Promise<void>;
}

/** Carries the context of a span in variables. */
export interface Propagator {
  extract<Carrier>(context: Context, carrier: Carrier, getter: VariableGetter<Carrier>): Context;
  inject<Carrier>(context: Context, carrier: Carrier, setter: VariableSetter<Carrier>): void;
}

/** Reads variables. */
export interface VariableGetter<Carrier> {
  keys(carrier: Carrier): string[];
  get(carrier: Carrier, name: string): string | undefined;
}

/** Writes variables. */
export interface VariableSetter<Carrier> {
  set(carrier: Carrier, name: string, value: string): void;
}

/** The result of an export. */
export interface ExportResult {
  /** 0 when the collector has accepted the data. */
  code: number;
  error?: Error;
}

/** Sends spans. */
export interface SpanExporter {
  export(spans: object[], callback: (result: ExportResult) => void): void;
  shutdown(): Promise<void>;
}

/** Sends metrics. */
export interface MetricsExporter {
  export(metrics: object, callback: (result: ExportResult) => void): void;
  forceFlush(): Promise<void>;
  shutdown(): Promise<void>;
}

/** Reads metrics at an interval. */
export interface MetricReader {
  shutdown(): Promise<void>;
}

/** Creates counters. */
export interface Meter {
  createCounter(name: string, options: { unit: string; description: string }): Counter;
  createUpDownCounter(name: string, options: { unit: string; description: string }): Counter;
}

/** A counter. */
export interface Counter {
  add(value: number, attributes?: Record<string, string>): void;
}

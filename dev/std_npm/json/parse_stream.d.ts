export class JsonParseStream extends TransformStream<string, unknown> {}

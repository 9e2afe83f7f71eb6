// @ts-self-types="./text_line_stream.d.ts"
export * from "deno-std/streams/text_line_stream.js";

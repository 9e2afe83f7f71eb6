// @ts-self-types="./parse_stream.d.ts"
export * from "deno-std/json/parse_stream.js";

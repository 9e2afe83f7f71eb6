/**
 * Assembles WebAssembly from its text format, as far as the modules of this project use it: folded instructions,
 * functions, and one memory.
 *
 * @module
 */

/** A list, or an atom. */
type Expression = string | Expression[];
type Names = ReadonlyMap<string, number>;

const TYPES: Readonly<Record<string, number>> = { i32: 0x7f, v128: 0x7b };
const NO_RESULT = 0x40;
const END = 0x0b;
const SIMD = 0xfd;
const [MEMORY, FUNCTION] = [2, 0];

/** By name: the opcode, and its static operands. */
const OPCODES: Readonly<Record<string, [opcode: number[], operands?: "local" | "function" | "label" | "memory"]>> = {
  "br": [[0x0c], "label"],
  "br_if": [[0x0d], "label"],
  "call": [[0x10], "function"],
  "local.get": [[0x20], "local"],
  "local.set": [[0x21], "local"],
  "i32.load8_u": [[0x2d], "memory"],
  "i32.store": [[0x36], "memory"],
  "i32.store16": [[0x3b], "memory"],
  "i32.eqz": [[0x45]],
  "i32.eq": [[0x46]],
  "i32.lt_u": [[0x49]],
  "i32.gt_u": [[0x4b]],
  "i32.ge_u": [[0x4f]],
  "i32.ctz": [[0x68]],
  "i32.popcnt": [[0x69]],
  "i32.add": [[0x6a]],
  "i32.sub": [[0x6b]],
  "i32.mul": [[0x6c]],
  "i32.and": [[0x71]],
  "i32.or": [[0x72]],
  "i32.xor": [[0x73]],
  "i32.shl": [[0x74]],
  "i32.shr_u": [[0x76]],
  "v128.load": [[SIMD, 0x00], "memory"],
  "v128.store": [[SIMD, 0x0b], "memory"],
  "i8x16.swizzle": [[SIMD, 0x0e]],
  "i8x16.splat": [[SIMD, 0x0f]],
  "i8x16.eq": [[SIMD, 0x23]],
  "v128.and": [[SIMD, 0x4e]],
  "v128.or": [[SIMD, 0x50]],
  "v128.any_true": [[SIMD, 0x53]],
  "i8x16.bitmask": [[SIMD, 0x64]],
  "i8x16.shr_u": [[SIMD, 0x6d]],
  "i8x16.add": [[SIMD, 0x6e]],
  "i8x16.sub": [[SIMD, 0x71]],
  "i8x16.min_u": [[SIMD, 0x77]],
};

/**
 * Returns the module for a text.
 *
 * @throws `SyntaxError` for a text that this assembler does not support.
 */
export function assemble(text: string): Uint8Array<ArrayBuffer> {
  const [head, ...fields] = parse(text) as Expression[];
  if (head !== "module") throw new SyntaxError(`Expected a module, got ${head}`);
  const functions = fields.filter((field) => field[0] === "func") as Expression[][];
  const memories = fields.filter((field) => field[0] === "memory") as Expression[][];
  const numbers = new Map(functions.map((field, number) => [String(field[1]), number]));
  const types = functions.map((field) => {
    const [parameters, results] = [typesOf(field, "param"), typesOf(field, "result")];
    return [0x60, ...vector(parameters.map((type) => [type])), ...vector(results.map((type) => [type]))];
  });
  const exports = [
    ...memories.flatMap((field, number) => exportsOf(field, MEMORY, number)),
    ...functions.flatMap((field, number) => exportsOf(field, FUNCTION, number)),
  ];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, types),
    ...section(3, functions.map((_, number) => unsigned(number))),
    ...section(5, memories.map((field) => [0x00, ...unsigned(Number(field.at(-1)))])),
    ...section(7, exports),
    ...section(10, functions.map((field) => sized(codeOf(field, numbers)))),
  ]);
}

function parse(text: string): Expression {
  const stack: Expression[][] = [[]];
  for (const [token] of text.replace(/;;.*/g, "").matchAll(/[()]|"[^"]*"|[^\s()"]+/g)) {
    if (token === "(") stack.push([]);
    else if (token !== ")") stack.at(-1)!.push(token);
    else {
      const list = stack.pop()!;
      if (stack.length === 0) throw new SyntaxError("Unexpected )");
      stack.at(-1)!.push(list);
    }
  }
  if (stack.length !== 1 || stack[0]!.length !== 1) throw new SyntaxError("Expected one complete list");
  return stack[0]![0]!;
}

/** Returns the declarations of a function with a keyword, such as `param`. */
function declarations(field: Expression[], keyword: string): Expression[][] {
  return field.filter((part) => Array.isArray(part) && part[0] === keyword) as Expression[][];
}

function typesOf(field: Expression[], keyword: string): number[] {
  return declarations(field, keyword).map((part) => lookUp(TYPES, String(part.at(-1))));
}

function exportsOf(field: Expression[], kind: number, number: number): number[][] {
  return declarations(field, "export").map(([, name]) => {
    const bytes = new TextEncoder().encode(String(name).slice(1, -1));
    return [...sized([...bytes]), kind, ...unsigned(number)];
  });
}

function codeOf(field: Expression[], functions: Names): number[] {
  const named = [...declarations(field, "param"), ...declarations(field, "local")];
  const locals = new Map(named.map(([, name], number) => [String(name), number]));
  const body = field.slice(2).filter(([keyword]) => !["export", "param", "result", "local"].includes(String(keyword)));
  return [
    ...vector(typesOf(field, "local").map((type) => [1, type])),
    ...body.flatMap((expression) => instruction(expression, { locals, functions }, [])),
    END,
  ];
}

/** @param labels the enclosing blocks, from the inside; empty for those without a name. */
function instruction(
  expression: Expression,
  names: { locals: Names; functions: Names },
  labels: readonly string[],
): number[] {
  const [name, ...parts] = expression as [string, ...Expression[]];
  const all = (expressions: readonly Expression[], labels: readonly string[]) =>
    expressions.flatMap((part) => instruction(part, names, labels));
  switch (name) {
    case "block":
    case "loop": {
      const [label, ...body] = parts;
      return [name === "block" ? 0x02 : 0x03, NO_RESULT, ...all(body, [String(label), ...labels]), END];
    }
    case "if": {
      const [condition, then, otherwise] = parts as Expression[][];
      const inside = ["", ...labels];
      const elsePart = otherwise ? [0x05, ...all(otherwise.slice(1), inside)] : [];
      return [...all([condition!], labels), 0x04, NO_RESULT, ...all(then!.slice(1), inside), ...elsePart, END];
    }
    case "i32.const":
      return [0x41, ...signed(BigInt(String(parts[0])))];
    case "v128.const": // of 16 bytes
      return [SIMD, 0x0c, ...parts.slice(1).map((byte) => Number(byte))];
  }
  const [opcode, operands] = lookUp(OPCODES, name);
  switch (operands) {
    case "local":
      return [...all(parts.slice(1), labels), ...opcode, ...unsigned(numberOf(names.locals, parts[0]))];
    case "function":
      return [...all(parts.slice(1), labels), ...opcode, ...unsigned(numberOf(names.functions, parts[0]))];
    case "label": {
      const depth = labels.indexOf(String(parts[0]));
      if (depth === -1) throw new SyntaxError(`Unknown label: ${parts[0]}`);
      return [...all(parts.slice(1), labels), ...opcode, ...unsigned(depth)];
    }
    case "memory":
      return [...all(parts, labels), ...opcode, 0, 0]; // no alignment, no offset
    default:
      return [...all(parts, labels), ...opcode];
  }
}

function lookUp<T>(table: Readonly<Record<string, T>>, name: string): T {
  const found = table[name];
  if (found === undefined) throw new SyntaxError(`Unknown name: ${name}`);
  return found;
}

function numberOf(names: Names, name: Expression | undefined): number {
  const number = names.get(String(name));
  if (number === undefined) throw new SyntaxError(`Unknown name: ${name}`);
  return number;
}

function section(id: number, items: readonly number[][]): number[] {
  return [id, ...sized(vector(items))];
}

function vector(items: readonly number[][]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function sized(bytes: readonly number[]): number[] {
  return [...unsigned(bytes.length), ...bytes];
}

function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [value & 0x7f | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: bigint): number[] {
  const low = Number(value & 0x7fn);
  const rest = value >> 7n;
  const isLast = rest === (low & 0x40 ? -1n : 0n);
  return isLast ? [low] : [low | 0x80, ...signed(rest)];
}

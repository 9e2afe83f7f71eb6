export function parseArgs(args: string[], options?: Record<string, unknown>): Record<string, unknown>;

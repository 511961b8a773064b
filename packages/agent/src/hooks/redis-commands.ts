/**
 * Commands that are no part of what a request asks: those that wait on purpose until somebody writes,
 * and those that clients send for their connection's sake (Redis command reference, groups connection and pubsub).
 */
const untold =
  /^(?:B(?:LPOP|RPOP|LMOVE|LMPOP|ZPOPMIN|ZPOPMAX|ZMPOP|RPOPLPUSH)|[PS]?(?:UN)?SUBSCRIBE|PUNSUBSCRIBE|MONITOR|AUTH|HELLO|CLIENT|SELECT|INFO|READONLY|QUIT|WAIT|CLUSTER)$/;

const names = new Map<string, string | null>();

/** A command's name as the reference writes it; null for one that is not told. */
export function commandName(sent: unknown): string | null {
  const name = typeof sent === 'string' ? sent : String(sent);
  let told = names.get(name);
  if (told === undefined) {
    const upper = name.toUpperCase();
    told = untold.test(upper) ? null : upper;
    // An application's own names are few; whatever comes beyond them is a mistake of somebody's.
    if (names.size < 1_000) names.set(name, told);
  }
  return told;
}

/** A stream read that blocks waits for others to write. */
export function blocks(name: string, args: readonly unknown[]): boolean {
  return name.startsWith('XREAD') && args.some((arg) => typeof arg === 'string' && arg.toUpperCase() === 'BLOCK');
}

/** `host:port`, or the path of a Unix socket. */
export function redisPeer(options: unknown): string {
  const { path, host, port } = (options ?? {}) as { readonly path?: unknown; readonly host?: unknown; readonly port?: unknown };
  if (typeof path === 'string' && path !== '') return path;
  return `${typeof host === 'string' ? host : 'localhost'}:${typeof port === 'number' || typeof port === 'string' ? port : 6379}`;
}

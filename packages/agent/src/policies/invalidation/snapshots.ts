/** A `pg_current_snapshot()`: which transactions a read could see. Ids are their low 32 bits, as the change stream tells them. */
export interface Snapshot {
  /** Everything older is visible. */
  readonly xmin: number;
  /** This and everything newer is not. */
  readonly xmax: number;
  readonly running: readonly number[];
}

/** What the agent asks of a connection before it reads what it may keep. */
export const snapshotText = 'SELECT pg_current_snapshot()::text AS seen';

/** `xmin:xmax:xip,xip` (manual, section "Transaction ID and Snapshot Information Functions"); null for anything else. */
export function parseSnapshot(text: unknown): Snapshot | null {
  const parts = typeof text === 'string' ? /^(\d+):(\d+):([\d,]*)$/.exec(text) : null;
  if (parts === null) return null;
  return { xmin: low(parts[1]!), xmax: low(parts[2]!), running: parts[3] === '' ? [] : parts[3]!.split(',').map(low) };
}

/** Rolled-back transactions count as visible: they changed nothing. */
export function sees(snapshot: Snapshot, transactionId: number): boolean {
  if (precedes(transactionId, snapshot.xmin)) return true;
  return precedes(transactionId, snapshot.xmax) && !snapshot.running.includes(transactionId);
}

function low(digits: string): number {
  return Number(BigInt(digits) & 0xff_ff_ff_ffn);
}

/** Ids wrap around; PostgreSQL never keeps two alive that are further than half the circle apart. */
function precedes(one: number, other: number): boolean {
  return ((one - other) | 0) < 0;
}

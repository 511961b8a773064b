import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { AnnealError } from '../errors.ts';
import type { Files } from '../ports/files.ts';
import type { ProcessIdentity, Processes } from '../ports/processes.ts';

/**
 * One writer per ledger. Every contender first puts down a file named after itself and then looks for others: of
 * two that come together at least one sees the other, and whoever sees a living other steps back. A file of a
 * dead process is nobody's; its name (pid and start time) is never used again, so removing it can hit no one else.
 * Meant for one machine: processes of another one that shares the folder would look dead from here.
 *
 * Throws ANNEAL_LEDGER_LOCKED with the other's pid.
 */
export async function lockLedger(
  outside: { readonly files: Files; readonly processes: Processes },
  path: string,
): Promise<AsyncDisposable> {
  const { files, processes } = outside;
  const self = await processes.identify(process.pid);
  if (self === null) throw new Error('this platform does not tell when a process began');
  const prefix = `${basename(path)}.lock.`;
  const ours = `${prefix}${self.pid}-${self.startTicks}-${randomBytes(4).toString('hex')}`;
  const release = () => files.remove(join(dirname(path), ours));
  try {
    await files.write(join(dirname(path), ours), '');
    for (const name of await files.list(dirname(path))) {
      const holder = name.startsWith(prefix) && name !== ours ? holderOf(name.slice(prefix.length)) : null;
      if (holder === null) continue;
      const living = await processes.identify(holder.pid);
      if (living?.startTicks === holder.startTicks) throw new AnnealError('ANNEAL_LEDGER_LOCKED', { pid: holder.pid, path: dirname(path) });
      await files.remove(join(dirname(path), name));
    }
  } catch (error) {
    await release().catch(() => {});
    throw error;
  }
  return { [Symbol.asyncDispose]: release };
}

function holderOf(suffix: string): ProcessIdentity | null {
  const match = /^(\d+)-(\d+)-[0-9a-f]{8}$/.exec(suffix);
  return match === null ? null : { pid: Number(match[1]), startTicks: Number(match[2]) };
}

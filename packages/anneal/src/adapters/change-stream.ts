import { randomBytes } from 'node:crypto';
import { LogicalReplicationService, TestDecodingPlugin } from 'pg-logical-replication';
import { setTimeout as sleep } from 'node:timers/promises';
import pg, { type Client } from 'pg';
import { AnnealError } from '../errors.ts';
import type { ChangeListener, ChangeStream, ChangeStreams, CommittedTransaction, RowChange } from '../ports/change-stream.ts';
import { parseChange } from './test-decoding.ts';

const pingEveryMs = 400;
const silenceMs = 2_000;
const startTimeoutMs = 10_000;
const releaseTimeoutMs = 5_000;

/**
 * PostgreSQL's log, decoded by `test_decoding`, which comes with the server and needs nothing created in the database
 * (pgoutput would need a publication). The slot is temporary: it is gone with the connection, so that no log piles up
 * behind an Anneal that was killed.
 */
export function createChangeStreams(): ChangeStreams {
  return { follow };
}

class TemporarySlot extends TestDecodingPlugin {
  /** On the connection that reads from it: nobody else can. */
  override async start(client: Client, slotName: string, lastLsn: string): Promise<unknown> {
    await client.query(`CREATE_REPLICATION_SLOT "${slotName}" TEMPORARY LOGICAL test_decoding`);
    return super.start(client, slotName, lastLsn);
  }

  override parse(chunk: Buffer): string {
    return chunk.toString();
  }
}

async function follow(url: string, listener: ChangeListener): Promise<ChangeStream> {
  const service = new LogicalReplicationService(
    { connectionString: url, application_name: 'anneal changes', keepAlive: true },
    { acknowledge: { auto: false, timeoutSeconds: 0 } },
  );
  const slot = `anneal_${randomBytes(8).toString('hex')}`;
  let heardAt = performance.now();
  let ended = false;
  let open: { readonly id: number; readonly changes: RowChange[] } | null = null;
  let committed: CommittedTransaction[] = [];
  let last = '0/0';

  const end = (reason: string | null) => {
    if (ended) return;
    ended = true;
    clearInterval(pings);
    if (reason !== null) listener.lost(reason);
    service.destroy().catch(() => undefined);
  };
  const tell = () => {
    const transactions = committed;
    committed = [];
    if (transactions.length > 0 && !ended) listener.committed(transactions);
  };
  const pings = setInterval(() => {
    if (performance.now() - heardAt > silenceMs) end('the server stopped answering');
    else service.acknowledge(last, true).catch(() => undefined);
  }, pingEveryMs).unref();

  service.on('data', (lsn: string, line: string) => {
    last = lsn;
    heardAt = performance.now();
    const edge = /^(BEGIN|COMMIT) (\d+)/.exec(line);
    if (edge?.[1] === 'BEGIN') open = { id: Number(edge[2]), changes: [] };
    else if (edge !== null) {
      if (open !== null && open.changes.length > 0) committed.push(open);
      open = null;
      // What one packet brought is told in one go.
      if (committed.length === 1) setImmediate(tell);
    } else open?.changes.push(parseChange(line));
  });
  service.on('heartbeat', (lsn: string) => {
    last = lsn;
    heardAt = performance.now();
    tell();
    if (!ended) listener.alive();
  });

  await new Promise<void>((resolve, reject) => {
    const refuse = (error: unknown) => {
      clearTimeout(timer);
      const problem = error instanceof Error ? error.message : String(error);
      if (ended) return;
      end(started ? problem : null);
      if (!started) reject(new AnnealError('ANNEAL_CHANGES_UNAVAILABLE', { problem }, { cause: error }));
    };
    let started = false;
    const timer = setTimeout(() => refuse(new Error('the server did not start to send its log in time')), startTimeoutMs);
    service.on('error', refuse);
    service.on('start', () => {
      clearTimeout(timer);
      started = true;
      heardAt = performance.now();
      listener.alive();
      resolve();
    });
    service
      .subscribe(new TemporarySlot({ includeXids: true, skipEmptyXacts: true }), slot)
      .then(() => refuse(new Error('the server ended the stream')), refuse);
  });

  const close = async () => {
    if (ended) return;
    ended = true;
    clearInterval(pings);
    await service.destroy();
    await released(url, slot);
  };
  return { close, [Symbol.asyncDispose]: close };
}

/** A server that is busy notices late that nobody reads any more, and until then the database cannot be dropped. */
async function released(url: string, slot: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'anneal changes' });
  client.on('error', () => undefined);
  try {
    await client.connect();
    for (let waitedMs = 0; waitedMs < releaseTimeoutMs; waitedMs += 20) {
      const { rows } = await client.query('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1', [slot]);
      if (rows.length === 0) return;
      await sleep(20);
    }
  } catch {
    // The server is gone or lets nobody in: then the slot is no hindrance, or a later command will say so.
  } finally {
    await client.end();
  }
}

/** The thread that owns the socket: lines of JSON on one side, messages to the application's thread on the other. */
import { connect } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import type { FromThread, ThreadSetup, ToThread } from './channel.ts';
import { Permissions } from './policies/flags.ts';
import { silenceMs, type FromAgent, type ToAgent } from './protocol.ts';

/** Far beyond any policy. Whoever sends more without ending the line does not speak the protocol. */
const longestLine = 16 * 1024 * 1024;

/** What may wait for a listener that does not read, besides what is being written: then it is as good as gone. */
const mostUnreadBytes = 16 * 1024 * 1024;

const application = parentPort;
if (application !== null) {
  const { socketPath, flags } = workerData as ThreadSetup;
  const permissions = new Permissions(flags);
  const socket = connect(socketPath);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port, not a window
  const tell = (message: FromThread) => application.postMessage(message);
  const answer = (message: FromAgent) => {
    if (socket.writableLength > mostUnreadBytes) socket.destroy();
    else socket.write(`${JSON.stringify(message)}\n`);
  };

  let heardAt = performance.now();
  let silent = false;
  const isQuiet = () => !silent && !permissions.isEmpty && performance.now() - heardAt > silenceMs;
  const fallSilent = () => {
    if (!isQuiet()) return;
    silent = true;
    permissions.forbidAll();
    tell({ type: 'silent' });
  };
  // After a pause of the whole process its clock is ahead of what waits in the socket, which is read before an immediate runs.
  setInterval(() => isQuiet() && setImmediate(fallSilent), silenceMs / 10).unref();

  const pass = (message: ToAgent) => {
    if (message.type === 'heartbeat') return;
    if (message.type === 'apply-policy') {
      const slot = permissions.grant(message.policyId);
      if (slot === null) answer({ type: 'refused', replyTo: message.id, reason: 'there are too many policies' });
      else tell({ ...message, slot });
      return;
    }
    // In effect from here on; the application's thread hears of it when it has the time.
    if (message.type === 'switch-policy') permissions.permit(message.policyId, message.on);
    if (message.type === 'toggle-policy' && message.policyId !== null) permissions.permit(message.policyId, true);
    if (message.type === 'revoke-policy') permissions.permit(message.policyId, false);
    tell(message);
  };

  let unread = '';
  socket.setEncoding('utf8');
  socket.on('connect', () => tell({ type: 'opened' }));
  socket.on('data', (chunk: string) => {
    heardAt = performance.now();
    silent = false;
    const lines = (unread + chunk).split('\n');
    unread = lines.pop() ?? '';
    for (const line of lines) {
      const message = messageIn(line);
      if (message === null) {
        socket.destroy();
        return;
      }
      pass(message);
    }
    if (unread.length > longestLine) socket.destroy();
  });
  // `close` follows every error; a dead path closes at once, and the agent stays off.
  socket.on('error', () => undefined);
  socket.on('close', () => {
    permissions.forbidAll();
    tell({ type: 'closed' });
    application.close();
  });
  application.on('message', (message: ToThread) => {
    if (message.type === 'released') permissions.release(message.slot);
    else answer(message);
  });
}

/** Null where the line is nothing that an Anneal of any version would say: then nothing else it says is trusted. */
function messageIn(line: string): ToAgent | null {
  try {
    const message: unknown = JSON.parse(line);
    if (typeof message !== 'object' || message === null) return null;
    const { type, id } = message as { readonly type?: unknown; readonly id?: unknown };
    return type === 'heartbeat' || (typeof type === 'string' && typeof id === 'number') ? (message as ToAgent) : null;
  } catch {
    return null;
  }
}

/** The thread that owns the socket: lines of JSON on one side, messages to the application's thread on the other. */
import { connect } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import type { FromThread } from './channel.ts';
import type { FromAgent, ToAgent } from './protocol.ts';

const application = parentPort;
if (application !== null && typeof workerData === 'string') {
  const socket = connect(workerData);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port, not a window
  const tell = (message: FromThread) => application.postMessage(message);
  let unread = '';
  socket.setEncoding('utf8');
  socket.on('connect', () => tell({ type: 'opened' }));
  socket.on('data', (chunk: string) => {
    const lines = (unread + chunk).split('\n');
    unread = lines.pop() ?? '';
    for (const line of lines) tell(JSON.parse(line) as ToAgent);
  });
  // `close` follows every error; a dead path closes at once, and the agent stays off.
  socket.on('error', () => undefined);
  socket.on('close', () => {
    tell({ type: 'closed' });
    application.close();
  });
  application.on('message', (message: FromAgent) => {
    socket.write(`${JSON.stringify(message)}\n`);
  });
}

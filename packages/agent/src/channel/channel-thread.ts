/** The thread that owns the socket once there are policies: Anneal on one side, the application's thread on the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { silenceMs } from './agreed.ts';
import { openLine } from './line.ts';
import { Permissions } from '../policies/flags.ts';
import type { FromThread, ThreadSetup, ToThread } from './policy-thread.ts';
import type { ToAgent } from '../protocol.ts';

const application = parentPort;
if (application !== null) {
  const { socketPath, key, flags } = workerData as ThreadSetup;
  const permissions = new Permissions(flags);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port, not a window
  const tell = (message: FromThread) => application.postMessage(message);

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
      if (slot === null) line.say({ type: 'refused', replyTo: message.id, reason: 'there are too many policies' });
      else tell({ ...message, slot });
      return;
    }
    // In effect from here on; the application's thread hears of it when it has the time.
    if (message.type === 'switch-policy') permissions.permit(message.policyId, message.on);
    if (message.type === 'toggle-policy' && message.policyId !== null) permissions.permit(message.policyId, true);
    if (message.type === 'revoke-policy') permissions.permit(message.policyId, false);
    tell(message);
  };

  const line = openLine(socketPath, {
    opened() {
      line.say({ type: 'moved', key });
      tell({ type: 'opened' });
    },
    heard(message) {
      heardAt = performance.now();
      silent = false;
      pass(message);
    },
    closed() {
      permissions.forbidAll();
      tell({ type: 'closed' });
      application.close();
    },
  });
  application.on('message', (message: ToThread) => {
    if (message.type === 'released') permissions.release(message.slot);
    else if (message.type === 'passed') pass(message.message);
    else line.say(message);
  });
}

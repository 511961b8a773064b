import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { appFile } from '../../packages/agent/test/target.ts';
import type { AgentControl, AgentListener, Agents } from '../../packages/anneal/src/ports/agent.ts';

export interface ObservedApp {
  readonly pid: number;
  readonly url: string;
  readonly agent: AgentControl;
  stop(): Promise<void>;
}

/** One of the agent's test applications (`packages/agent/test/apps`) on that database, observed by whoever listens. */
export async function startObservedApp(name: string, databaseUrl: string, agents: Agents, listener: AgentListener): Promise<ObservedApp> {
  const child = spawn(process.execPath, [appFile(name)], {
    env: {
      ...process.env,
      NODE_OPTIONS: `--conditions=@anneal/source --import=${agents.importSpecifier}`,
      ANNEAL_SOCKET: listener.socketPath,
      DATABASE_URL: databaseUrl,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return {
    pid: child.pid!,
    url: `http://127.0.0.1:${line.split(' ')[1]!}`,
    agent: await listener.connected(20_000),
    async stop() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

import { Attendance } from './channel/attendance.ts';
import { Channel } from './channel/channel.ts';
import type { ExportSettings } from './export/export-settings.ts';
import { hookFastifyRoutes } from './hooks/fastify-routes.ts';
import { hookFastify } from './hooks/fastify.ts';
import { hookFetch } from './hooks/fetch.ts';
import { hookHttpClient } from './hooks/http-client.ts';
import { hookHttp } from './hooks/http.ts';
import { libraries } from './hooks/libraries.ts';
import { hookModules } from './hooks/modules.ts';
import { hookSerialisation } from './hooks/serialisation.ts';
import { hookSynchronousCalls } from './hooks/synchronous-calls.ts';
import { Observer } from './observer.ts';
import { StandingPolicies } from './policies/standing.ts';
import type { PolicySummary } from './protocol.ts';

/** What the environment asks for; texts are empty where it does not. */
export interface Asked {
  readonly socketPath: string;
  readonly holdPath: string;
  readonly exported: ExportSettings | null;
  readonly policiesPath: string;
}

/**
 * Installs the hooks; they stay passive until Anneal answers, or the figures are wanted. All that was asked for begins when the process
 * first listens for HTTP: that tells the server apart from the npm and build processes around it. Returns what the hooks report to.
 */
export function start({ socketPath, holdPath, exported, policiesPath }: Asked): Observer {
  const observer = new Observer();
  // Summaries are read once: while Anneal measures, the figures are its own.
  const standing = policiesPath === '' ? null : new StandingPolicies(policiesPath, observer);
  const channel = socketPath === '' ? null : new Channel(socketPath, observer, standing);
  const attendance = holdPath === '' ? null : new Attendance(holdPath, observer, standing, { observesAnyway: exported !== null });
  const listening = () => {
    void standing?.begin();
    attendance?.begin();
    if (channel !== null) channel.open();
    else if (exported !== null) void exports(observer, exported, () => [...(standing?.take() ?? []), ...(attendance?.take() ?? [])]);
  };
  hookSerialisation(observer);
  hookSynchronousCalls(observer);
  hookHttp(observer, listening);
  hookHttpClient(observer);
  hookFetch(observer);
  hookFastify(observer);
  hookFastifyRoutes(observer);
  hookModules(observer, libraries);
  return observer;
}

async function exports(observer: Observer, settings: ExportSettings, policies: () => readonly PolicySummary[]): Promise<void> {
  try {
    const { startExport } = await import('./export/exporter.ts');
    startExport(observer, settings, policies);
  } catch (error) {
    observer.problems.note(`the figures are not exported: ${String(error)}`);
  }
}

import { plazaTarget } from '../../lab/plaza/lab.ts';
import { createPlazaWorkload } from '../../lab/plaza/workload.ts';
import { resolveSettings, type AnnealConfig, type Settings } from '../../packages/anneal/src/index.ts';

/** Plaza as the laboratory's tests start it, with the named weaknesses fixed (`none`, or identifiers with commas between them). */
export function plazaSettings(given: {
  readonly fix: string;
  readonly databaseUrl: string;
  readonly outputFolder: string;
  readonly trial?: AnnealConfig['trial'];
}): Settings {
  return resolveSettings(
    {
      target: {
        start: plazaTarget.startCommand,
        cwd: plazaTarget.workingDirectory,
        ready: plazaTarget.readyPath,
        env: { [plazaTarget.fixVariable]: given.fix },
      },
      database: { url: given.databaseUrl },
      workload: createPlazaWorkload(1),
      // As the demo measures: forty-odd weaknesses share the traffic, and each has to be seen often enough to be certain.
      measure: { warmupMs: 8000, windowMs: 40_000 },
      output: given.outputFolder,
      ...(given.trial === undefined ? {} : { trial: given.trial }),
    },
    given.outputFolder,
    {},
  );
}

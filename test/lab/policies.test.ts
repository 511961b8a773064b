import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadLabels, seedPlaza } from '../../lab/plaza/lab.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../packages/anneal/src/adapters/embedded-postgres.ts';
import { isAbout } from '../../packages/anneal/src/demo.ts';
import { optimize } from '../../packages/anneal/src/index.ts';
import { plazaSettings } from './plaza-settings.ts';

/** The labelled weaknesses that a policy of the agent answers by itself, apart from the rest: only they are switched on. */
const answered = new Set(['feed-author-loop', 'room-preview-fanout', 'preview-connections', 'guide-compression', 'atlas-validator']);
const { defects } = loadLabels();
const open = defects.filter(({ id }) => answered.has(id));
const fix = defects
  .filter((defect) => !open.includes(defect))
  .map(({ id }) => id)
  .join(',');

let postgres: EmbeddedPostgres;
let outputFolder: string;

beforeAll(async () => {
  postgres = await startEmbeddedPostgres({ settings: { shared_buffers: '512MB', max_wal_size: '4GB' } });
  outputFolder = await mkdtemp(join(tmpdir(), 'anneal-policies-'));
  await seedPlaza(postgres.databaseUrl('postgres'), { size: 1, fix });
}, 120_000);

afterAll(async () => {
  await postgres?.stop();
  await rm(outputFolder, { recursive: true, force: true });
});

test('what has a policy is proven by switching it off and on, with equal answers', { timeout: 1_800_000 }, async () => {
  const databaseUrl = postgres.databaseUrl('postgres');
  // The usual looks: five trials with four guards each are to hold, and one that cannot tell yet goes on.
  const settings = plazaSettings({ fix, databaseUrl, outputFolder, trial: { answers: 50 } });
  const { findings, trials } = await optimize(settings, { dryRun: true });
  for (const { description, verdict, primary } of trials) {
    const reason = verdict.decision === 'keep' ? '' : `: ${verdict.reason}`;
    console.log(`${description.title}: ${verdict.decision}, ${(100 * primary.change.point).toFixed(1)} % of ${primary.metric}${reason}`);
  }
  const standings = open.map((defect) => [defect.id, findings.find((finding) => isAbout(finding, defect))?.standing]);
  expect(Object.fromEntries(standings)).toEqual(Object.fromEntries(open.map(({ id }) => [id, 'confirmed'])));
});

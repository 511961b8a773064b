import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadLabels, seedPlaza, type Defect } from '../../lab/plaza/lab.ts';
import { matchSchema } from '../../lab/plaza/src/schema-forms.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../packages/anneal/src/adapters/embedded-postgres.ts';
import { isAbout } from '../../packages/anneal/src/demo.ts';
import { diagnose, type Assessment } from '../../packages/anneal/src/index.ts';
import { plazaSettings } from './plaza-settings.ts';

/**
 * Every labelled defect on and off, without a window for each: defect number n is switched off in window w when bit w
 * of n is set, so that each is seen both ways, each time in other company. Window 0 has all of them on, the last all off.
 *
 * What is on in company counts for the recall that is printed but need not be found: defects load each other, and a pool
 * that is too small for slow statements is large enough for fast ones.
 */
const { defects, decoys } = loadLabels();
const bits = Math.ceil(Math.log2(defects.length + 1));
const windows: readonly (readonly Defect[])[] = [
  [],
  ...Array.from({ length: bits }, (_, bit) => defects.filter((_, index) => (((index + 1) >> bit) & 1) === 1)),
  defects,
];

let postgres: EmbeddedPostgres;
let databaseUrl: string;
let outputFolder: string;
const cells: { readonly window: number; readonly defect: Defect; readonly isOn: boolean; readonly isFound: boolean }[] = [];
const invented: string[] = [];
/** What the rules of missed defects were silent about, and why. */
const reasons: string[] = [];

beforeAll(async () => {
  postgres = await startEmbeddedPostgres({ settings: { shared_buffers: '512MB' } });
  outputFolder = await mkdtemp(join(tmpdir(), 'anneal-matrix-'));
  databaseUrl = postgres.databaseUrl('postgres');
  await seedPlaza(databaseUrl, { size: 1, fix: 'none' });
}, 120_000);

afterAll(async () => {
  await postgres?.stop();
  await rm(outputFolder, { recursive: true, force: true });
});

async function diagnoseWith(fixed: readonly Defect[]): Promise<Assessment> {
  const fix = fixed.length === 0 ? 'none' : fixed.map(({ id }) => id).join(',');
  await matchSchema(databaseUrl, fix);
  return diagnose(plazaSettings({ fix, databaseUrl, outputFolder }));
}

test.each(windows.map((fixed, window) => ({ window, fixed })))('window $window', { timeout: 300_000 }, async ({ window, fixed }) => {
  const { findings, silences } = await diagnoseWith(fixed);
  for (const defect of defects) {
    const isOn = !fixed.includes(defect);
    const isFound = findings.some((finding) => isAbout(finding, defect));
    cells.push({ window, defect, isOn, isFound });
    if (!isOn || isFound) continue;
    reasons.push(`${defect.id} in window ${window}`);
    for (const { ruleId, subject, reason } of silences) if (ruleId === defect.rule) reasons.push(`  ${subject}: ${reason}`);
  }
  const accusations = findings.filter(({ level }) => level !== 'note');
  invented.push(
    ...accusations
      .filter((finding) => !defects.some((defect) => isAbout(finding, defect)))
      .map((finding) => `in window ${window}: ${finding.ruleId} ${finding.message}`),
  );
  expect(cells.filter((cell) => cell.window === window)).toHaveLength(defects.length);
});

test('every defect is found with all of them on, silent wherever it is off, and no decoy is accused', () => {
  const found = cells.filter((cell) => cell.isFound);
  const right = found.filter((cell) => cell.isOn).length;
  const expected = cells.filter((cell) => cell.isOn).length;
  const precision = right / (found.length + invented.length);
  const recall = right / expected;
  for (const defect of defects) {
    const line = cells
      .filter((cell) => cell.defect === defect)
      .map((cell) => (cell.isOn ? (cell.isFound ? 'found ' : 'MISSED') : cell.isFound ? 'FALSE ' : '  .   '));
    console.log(`${defect.id.padEnd(34)} ${line.join(' ')}`);
  }
  console.log(
    `precision ${precision.toFixed(3)}, recall ${recall.toFixed(3)} over ${windows.length} windows, ${defects.length} defects, ${decoys.length} decoys`,
  );
  if (reasons.length > 0) console.log(['missed; what their rules were silent about:', ...reasons].join('\n'));
  if (invented.length > 0) console.log(['invented:', ...invented].join('\n'));
  const named = (wrong: typeof cells) => wrong.map((cell) => `${cell.defect.id} in window ${cell.window}`);
  expect(named(cells.filter((cell) => cell.window === 0 && !cell.isFound))).toEqual([]);
  expect(named(cells.filter((cell) => !cell.isOn && cell.isFound))).toEqual([]);
  expect(invented).toEqual([]);
});

import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Assessment } from './assessment.ts';
import { anEmptyAssessment, aRichAssessment, nothingKept, withoutDatabase } from './fixtures/assessment.ts';
import { renderHtml, sectionIds } from './html.ts';

const assessments: Readonly<Record<string, Assessment>> = {
  'everything there is': aRichAssessment(),
  'only measured': anEmptyAssessment(),
  'nothing kept': nothingKept(),
  'no database': withoutDatabase(),
};

const hostile = `<img src=http://x.example/a onerror=alert(1)>"'&\u202E`;

/** Every text of the target is hostile: routes, statements, messages, reasons, names. */
function hostileEverywhere(): Assessment {
  const texts = new Set([
    'kind',
    'decision',
    'performance',
    'equality',
    'result',
    'standing',
    'level',
    'provenance',
    'resource',
    'metric',
    'unit',
  ]);
  const poison = (value: unknown, key: string): unknown => {
    if (typeof value === 'string')
      return texts.has(key) || /^(startedAt|schemaVersion|command|trialId|id|first|model)$/.test(key) ? value : hostile;
    if (Array.isArray(value)) return value.map((item) => poison(item, key));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, poison(entry, name)]));
  };
  return poison(aRichAssessment(), '') as Assessment;
}

test.each(Object.entries(assessments))('every section is there, with figures and without: %s', (_, assessment) => {
  const page = renderHtml(assessment);
  const ids = [...page.matchAll(/<section id="([^"]+)"/g)].map(([, id]) => id);
  expect(ids).toEqual(sectionIds(assessment));
  expect(ids.length).toBe(assessment.trials.length > 0 ? 11 : 5);
  for (const id of ids) expect(page).toContain(`<a href="#${id}">`);
  expect(page).not.toMatch(/NaN|Infinity|undefined|\[object/);
});

test('a rolled-back trial shows its reason, a mismatch its place, and every mask is listed', () => {
  const page = renderHtml(aRichAssessment());
  expect(page).toContain('Answers differ: GET /search at $.items[3].id: 81 instead of 17.');
  expect(page).toContain('Write-ahead log regressed: +44 %, beyond its margin of +10 %');
  expect(page).toContain('$.order.placedAt');
  expect(page).toContain('rolled back: no change');
  expect(page).toContain('rolled back: inconclusive');
});

test('the page itself, before any data, stays below 100 KB', () => {
  expect(Buffer.byteLength(renderHtml(anEmptyAssessment({ windows: [] })))).toBeLessThan(100_000);
});

test('nothing of the target becomes markup, and a credential never appears', () => {
  const page = renderHtml(hostileEverywhere());
  expect(page).not.toMatch(/<img|\u202E/);
  const assessment = aRichAssessment();
  const startCommand = 'DATABASE_URL=postgres://app:hunter2@db/shop node app.js';
  expect(renderHtml({ ...assessment, target: { ...assessment.target, startCommand } })).not.toContain('hunter2');
});

test('it holds no script, no inline style and nothing to load', () => {
  const page = renderHtml(aRichAssessment());
  expect(page).not.toMatch(/<script|\sstyle=|\son\w+=|(?:src|href)="(?!#|data:,")|url\(|@import/);
  expect(page).toMatch(/Content-Security-Policy" content="default-src &#39;none&#39;; style-src &#39;sha256-/);
});

const browserPath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path));

describe.skipIf(browserPath === undefined)(`in a browser${browserPath === undefined ? ': SKIPPED, no Chromium is installed' : ''}`, () => {
  let browser: Browser;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'anneal-page-'));
    browser = await chromium.launch({
      executablePath: browserPath!,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
  });
  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true });
  });

  const pages = { ...assessments, 'a hostile target': hostileEverywhere() };

  test.each(Object.entries(pages))('it opens from disk without an error, a request or a sideways scroll: %s', async (name, assessment) => {
    const path = join(folder, `${name.replaceAll(' ', '-')}.html`);
    await writeFile(path, renderHtml(assessment));
    for (const [width, colorScheme] of [
      [390, 'light'],
      [1280, 'dark'],
    ] as const) {
      const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
      const troubles: string[] = [];
      page.on('console', (message) => troubles.push(message.text()));
      page.on('pageerror', (error) => troubles.push(error.message));
      page.on('request', (request) => {
        if (request.url() !== pathToFileURL(path).href && !request.url().startsWith('data:')) troubles.push(request.url());
      });
      await page.goto(pathToFileURL(path).href);
      // As text, because the page's world and ours have no types in common.
      await page.evaluate('for (const part of document.querySelectorAll("details")) part.open = true');
      expect(await page.locator('section').count()).toBe(sectionIds(assessment).length);
      expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBe(width);
      expect(await page.evaluate<string>('getComputedStyle(document.body).fontVariantNumeric')).toBe('tabular-nums');
      expect(troubles).toEqual([]);
      await page.close();
    }
  });
});

import { execFileSync, spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeNewRule } from '../scripts/new-rule.ts';

const root = join(import.meta.dirname, '..');
let copy = '';

beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'anneal-new-rule-'));
  await cp(join(root, 'packages/anneal/src'), join(copy, 'packages/anneal/src'), { recursive: true });
  for (const path of ['package.json', 'tsconfig.json', 'packages/anneal/package.json', 'scripts/new-rule.ts', 'test/support']) {
    await cp(join(root, path), join(copy, path), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
});
afterAll(() => rm(copy, { recursive: true, force: true }));

const run = (...words: readonly string[]) =>
  spawnSync(process.execPath, [join(copy, 'scripts/new-rule.ts'), ...words], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
const read = (path: string) => readFile(join(copy, 'packages/anneal/src/domains', path), 'utf8');

describe('npm run new rule', () => {
  test.each([
    ['queue/poison-job', 'poisonJob'],
    ['database/idle-in-transaction', 'idleInTransaction'],
  ])('writes the rule %s, its test, a fixture and its line in the list', async (id, symbol) => {
    const [domain, name] = id.split('/');
    const { stdout, status } = run('rule', id);
    expect(status).toBe(0);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((path) => path.replace('packages/anneal/src/domains/', '')),
    ).toEqual([`${domain}/rules/${name}.ts`, `${domain}/rules/${name}.test.ts`, `${domain}/fixtures/${name}.ts`, `${domain}/index.ts`]);
    expect(await read(`${domain}/rules/${name}.ts`)).toContain(`id: '${id}'`);
    expect(await read(`${domain}/index.ts`)).toMatch(new RegExp(`rules: \\[[^\\]]*\\b${symbol}\\]`));
  });

  test('what it writes type-checks, beside every rule there was', async () => {
    await writeNewRule(copy, 'cache/cold-start');
    const own = JSON.parse(await readFile(join(copy, 'tsconfig.json'), 'utf8')) as object;
    const include = ['cache/rules/cold-start.test.ts', 'index.ts'].map((path) => `packages/anneal/src/domains/${path}`);
    await writeFile(join(copy, 'tsconfig.json'), JSON.stringify({ ...own, include }));
    expect(() => execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', copy], { encoding: 'utf8', stdio: 'pipe' })).not.toThrow();
  });

  test.each([
    ['an id that exists', ['rule', 'api/duplicate-query'], /exists: the rule api\/duplicate-query is there already/],
    ['a domain that does not', ['rule', 'weather/rain'], /there is no domain "weather"/],
    ['a name that is no kebab-case', ['rule', 'api/../etc'], /is no rule id/],
    ['nothing', [], /usage: npm run new rule/],
  ])('refuses %s and writes nothing', async (_name, words, problem) => {
    const before = await read('api/index.ts');
    const { stderr, stdout, status } = run(...words);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(problem);
    expect(await read('api/index.ts')).toBe(before);
  });
});

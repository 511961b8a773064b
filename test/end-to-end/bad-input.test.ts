import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { anneal } from '../support/anneal-cli.ts';
import { createIdleDatabase, type IdleDatabase } from '../support/test-database.ts';

/** Each mistake gets one clear error with its code, a hint and the right exit code, and changes nothing. */
let folder: string;
let database: IdleDatabase;

const server = (body: string) =>
  `require('node:http').createServer((request, response) => { ${body} }).listen(process.env.PORT, '127.0.0.1');`;
const apps = {
  healthy: server(`response.end('{}');`),
  failing: server(`response.statusCode = request.url === '/' ? 200 : 500; response.end();`),
  crashing: server(`if (request.url !== '/') process.exit(3); response.end();`),
  deaf: `setInterval(() => {}, 1000);`,
  broken: `throw new Error('no such module: shop');`,
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anneal-bad-input-'));
  database = await createIdleDatabase('CREATE TABLE orders (id int PRIMARY KEY)');
  for (const [name, source] of Object.entries(apps)) await writeFile(join(folder, `${name}.cjs`), source);
});

afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

interface Mistake {
  readonly args: readonly string[];
  readonly databaseUrl?: string | null;
  readonly code: string;
  readonly exitCode: number;
  readonly says?: RegExp;
}

const app = (name: keyof typeof apps) => ['--start', `node ${name}.cjs`, '--url', '/orders', '--window', '2', '--rate', '20'];
const withUrl = (change: (url: URL) => void) => {
  const url = new URL(database.url);
  change(url);
  return url.href;
};

async function expectRefusal({ args, databaseUrl = null, code, exitCode, says = /hint: ./ }: Mistake): Promise<void> {
  const result = await anneal(args, { cwd: folder, env: { DATABASE_URL: databaseUrl } });
  expect(result.stderr).toContain(`${code}: `);
  expect(result.stderr.match(/ANNEAL_[A-Z_]+: /g)).toHaveLength(1);
  expect(result.stderr).toMatch(says);
  expect(result.exitCode).toBe(exitCode);
  expect(result.stdout).toBe('');
}

describe('the target', () => {
  test('that ends while starting', () =>
    expectRefusal({ args: ['diagnose', ...app('broken')], code: 'ANNEAL_TARGET_EXITED', exitCode: 4, says: /no such module: shop/ }));

  test('that never answers', async () => {
    const config = `export default { target: { start: 'node deaf.cjs', readyTimeoutMs: 1500 }, workload: { urls: ['/'] } };`;
    await writeFile(join(folder, 'deaf.config.mjs'), config);
    await expectRefusal({ args: ['measure', '--config', 'deaf.config.mjs'], code: 'ANNEAL_TARGET_UNREACHABLE', exitCode: 4, says: /PORT/ });
  });

  test('that crashes under load', () =>
    expectRefusal({ args: ['measure', ...app('crashing')], code: 'ANNEAL_TARGET_CRASHED', exitCode: 4, says: /exit code 3/ }));

  test('that answers only errors', () =>
    expectRefusal({ args: ['measure', ...app('failing')], code: 'ANNEAL_TARGET_FAILING', exitCode: 4, says: /500: \d+/ }));
});

describe('the database', () => {
  const diagnose = ['diagnose', ...app('healthy')];

  test('that does not answer', () =>
    expectRefusal({ args: diagnose, databaseUrl: withUrl((url) => (url.port = '1')), code: 'ANNEAL_DATABASE_UNREACHABLE', exitCode: 4 }));

  test('that refuses the login', () =>
    expectRefusal({
      args: diagnose,
      databaseUrl: withUrl((url) => (url.password = 'wrong')),
      code: 'ANNEAL_DATABASE_CREDENTIALS',
      exitCode: 4,
    }));

  test('that does not exist', () =>
    expectRefusal({
      args: diagnose,
      databaseUrl: withUrl((url) => (url.pathname = '/nowhere')),
      code: 'ANNEAL_DATABASE_MISSING',
      exitCode: 4,
    }));

  test('that somebody uses', async () => {
    const pg = await import('pg');
    const user = new pg.default.Client({ connectionString: database.url, application_name: 'nightly export' });
    await user.connect();
    try {
      await expectRefusal({ args: diagnose, databaseUrl: database.url, code: 'ANNEAL_DATABASE_BUSY', exitCode: 4, says: /nightly export/ });
    } finally {
      await user.end();
    }
  });

  test('whose role may not copy it', async () => {
    await database.query(`CREATE ROLE visitor LOGIN PASSWORD 'visitor'`);
    try {
      const databaseUrl = withUrl((url) => {
        url.username = 'visitor';
        url.password = 'visitor';
      });
      await expectRefusal({
        args: diagnose,
        databaseUrl,
        code: 'ANNEAL_DATABASE_PRIVILEGE',
        exitCode: 4,
        says: /ALTER ROLE visitor CREATEDB/,
      });
    } finally {
      await database.query('DROP ROLE visitor');
    }
  });

  test('that is not on this machine and was not given for change is not even connected to', () =>
    expectRefusal({
      args: ['optimize', ...app('healthy')],
      databaseUrl: 'postgres://anneal:secret@db.example.com/shop',
      code: 'ANNEAL_DATABASE_NOT_OURS',
      exitCode: 4,
      says: /allowRemoteChange/,
    }));

  test('without statement statistics is measured with what there is, and the report says what is missing', async () => {
    const result = await anneal(['diagnose', ...app('healthy'), '--json'], { cwd: folder, env: { DATABASE_URL: database.url } });
    expect(result.exitCode).toBe(0);
    expect(result.stderr).toMatch(/not seen: .*pg_stat_statements/);
    expect(result.stderr).toContain('CREATE EXTENSION');
  });

  test('keeps everything it had', async () => {
    const { rows } = await database.query(`SELECT datname FROM pg_database WHERE datname LIKE 'anneal%'`);
    expect(rows).toEqual([]);
    const { rows: tables } = await database.query(`SELECT tablename FROM pg_tables WHERE schemaname = 'public'`);
    expect(tables).toEqual([{ tablename: 'orders' }]);
  });
});

describe('the configuration', () => {
  const configured = async (source: string) => {
    await writeFile(join(folder, 'bad.config.mjs'), source);
    return ['measure', '--config', 'bad.config.mjs'];
  };

  test('that is not there', () => expectRefusal({ args: ['diagnose'], code: 'ANNEAL_CONFIG_MISSING', exitCode: 2, says: /anneal init/ }));

  test('with an unknown key, and what was probably meant', async () =>
    expectRefusal({
      args: await configured(`export default { target: { start: 'node x.js', readyPath: '/' }, workload: { urls: ['/'] }, trail: {} };`),
      code: 'ANNEAL_CONFIG_INVALID',
      exitCode: 2,
      says: /unknown key "trail" \(did you mean "trial"\?\)/,
    }));

  test('that cannot be loaded', async () =>
    expectRefusal({ args: await configured('export default {'), code: 'ANNEAL_CONFIG_UNREADABLE', exitCode: 2 }));

  test('with an empty workload', async () =>
    expectRefusal({
      args: await configured(`export default { target: { start: 'node healthy.cjs' }, workload: { urls: [] } };`),
      code: 'ANNEAL_WORKLOAD_EMPTY',
      exitCode: 2,
    }));

  test('of a workload whose threshold cannot be read', async () => {
    const source = `export default { target: { start: 'node healthy.cjs' }, workload: {
      name: 'w', seed: 1, executor: { type: 'constant-arrival-rate', ratePerSecond: 5 }, variables: {}, login: null,
      scenarios: [{ name: 's', weight: 1, steps: [{ method: 'GET', path: '/' }] }], thresholds: { http_req_duration: ['p(95)<'] } } };`;
    await expectRefusal({ args: await configured(source), code: 'ANNEAL_WORKLOAD_INVALID', exitCode: 2 });
  });
});

test('a missed threshold is a failed gate', async () => {
  const source = `export default { target: { start: 'node healthy.cjs' }, measure: { windowMs: 2000, warmupMs: 1000 }, workload: {
    name: 'w', seed: 1, executor: { type: 'constant-arrival-rate', ratePerSecond: 20 }, variables: {}, login: null,
    scenarios: [{ name: 's', weight: 1, steps: [{ method: 'GET', path: '/' }] }], thresholds: { http_reqs: ['count>1000000'] } } };`;
  await writeFile(join(folder, 'gate.config.mjs'), source);
  const result = await anneal(['load', '--config', 'gate.config.mjs'], { cwd: folder, env: { DATABASE_URL: null } });
  expect(result.exitCode).toBe(1);
});

test('an unknown option says so and how to learn more', async () => {
  const result = await anneal(['optimize', '--tarrget', 'x'], { cwd: folder });
  expect(result.exitCode).toBe(2);
  expect(result.stderr).toMatch(/unknown option '--tarrget'/);
});

test('init writes a configuration that loads, and does not replace one', async () => {
  const project = await mkdtemp(join(tmpdir(), 'anneal-init-'));
  try {
    await writeFile(
      join(project, 'package.json'),
      JSON.stringify({ scripts: { start: 'node app.js' }, dependencies: { express: '5', pg: '8' } }),
    );
    await writeFile(join(project, 'app.js'), `app.get('/orders', list); app.get('/orders/:id', one);`);
    const first = await anneal(['init'], { cwd: project });
    expect(first.stdout).toContain('express');
    const config = await readFile(join(project, 'anneal.config.ts'), 'utf8');
    expect(config).toContain(`start: 'node app.js'`);
    expect(config).toContain(`'/orders',`);
    expect(config).not.toContain(':id');
    expect((await anneal(['init'], { cwd: project })).exitCode).toBe(2);
    expect(await readFile(join(project, 'anneal.config.ts'), 'utf8')).toBe(config);
  } finally {
    await rm(project, { recursive: true, force: true });
  }
});

describe('a backend that runs already', () => {
  test('is measured where it is, with what can be seen from outside', async () => {
    const { createServer } = await import('node:http');
    const server = createServer((_request, response) => void response.end('{}')).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    try {
      const measured = await anneal(['measure', '--attach', url, '--url', '/orders', '--window', '2', '--json'], {
        cwd: folder,
        env: { DATABASE_URL: null },
      });
      expect(measured.exitCode).toBe(0);
      const { windows } = JSON.parse(measured.stdout) as { windows: { load: { requests: number } }[] };
      expect(windows[0]!.load.requests).toBeGreaterThan(0);
      await expectRefusal({
        args: ['measure', '--attach', url, '--url', 'POST /orders {}'],
        code: 'ANNEAL_WORKLOAD_WRITES',
        exitCode: 4,
        says: /on a copy/,
      });
    } finally {
      server.close();
    }
  });

  test('and does not answer', () =>
    expectRefusal({ args: ['diagnose', '--attach', 'http://127.0.0.1:1', '--url', '/'], code: 'ANNEAL_TARGET_UNREACHABLE', exitCode: 4 }));

  test('at an address that is none', () =>
    expectRefusal({ args: ['load', '--attach', 'shop', '--url', '/'], code: 'ANNEAL_USAGE', exitCode: 2 }));
});

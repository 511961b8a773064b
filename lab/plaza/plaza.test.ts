import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Step } from '../../packages/anneal/src/workload/workload.ts';
import { createTestDatabase, type TestDatabase } from '../../test/support/test-database.ts';
import { loadLabels, plazaTarget, seedPlaza } from './lab.ts';
import { defectIds, parseFix } from './src/fix.ts';
import { matchSchema, schemaForms } from './src/schema-forms.ts';
import { seedPassword } from './src/seed.ts';
import { createPlazaWorkload } from './workload.ts';
import { freePort } from '../../packages/anneal/src/adapters/free-port.ts';

const size = 0.05;

test('every label names a file, a function in it and a known defect, once', async () => {
  const { defects, decoys } = loadLabels();
  expect(defects.map((defect) => defect.id)).toEqual(defectIds);
  expect(new Set(defects.map((defect) => `${defect.file} ${defect.function} ${defect.objects?.join() ?? ''}`)).size).toBe(defects.length);
  const misplaced: string[] = [];
  for (const { id, file, function: name } of [...defects, ...decoys]) {
    const source = await readFile(join(plazaTarget.workingDirectory, file), 'utf8');
    const defined = new RegExp(`(function ${name}\\(|async ${name}\\(|^\\s+${name}: )`, 'm').test(source);
    if (!defined) misplaced.push(id);
  }
  expect(misplaced).toEqual([]);
});

test('every label with a route that is called has a step in the workload, and the slow route has none', () => {
  const { defects, decoys } = loadLabels();
  const called = new Set(steps().map((step) => `${step.method} ${routeOf(step.path)}`));
  const labelled = [...defects, ...decoys].filter((label) => label.route !== null && label.id !== 'route-nobody-calls');
  for (const { route } of labelled) expect(called).toContain(route);
  expect(called).not.toContain('GET /admin/copied-comments');
});

test('a misspelt id in PLAZA_FIX is refused', () => {
  expect(parseFix('all').size).toBe(defectIds.length);
  expect([...parseFix('pool-size, login-hash')]).toEqual(['pool-size', 'login-hash']);
  expect(() => parseFix('pool-size,pool-sise')).toThrow('pool-sise');
});

test('two seeds of one size are equal, whatever is fixed in the schema', async () => {
  await using first = await createTestDatabase();
  await using second = await createTestDatabase();
  await seedPlaza(first.url, { size: 0.01, fix: 'none' });
  await seedPlaza(second.url, { size: 0.01, fix: 'comments-post-index,reading-position-key,audit-sequence' });
  expect(await contentOf(first)).toEqual(await contentOf(second));
});

test('each weakness of the schema follows PLAZA_FIX alone, in both directions', async () => {
  await using database = await createTestDatabase();
  await seedPlaza(database.url, { size: 0.01, fix: 'none' });
  const broken = await schemaOf(database);
  for (const { defect } of schemaForms) {
    await matchSchema(database.url, defect);
    expect(await schemaOf(database), defect).not.toEqual(broken);
    await matchSchema(database.url, 'none');
    expect(await schemaOf(database), defect).toEqual(broken);
  }
  await matchSchema(database.url, 'all');
  const fixed = await schemaOf(database);
  await matchSchema(database.url, 'all');
  expect(await schemaOf(database)).toEqual(fixed);
  expect(fixed.filter((line) => line.includes('INVALID'))).toEqual([]);
});

test('every request of the workload succeeds with and without the fixes, and reads answer equally where the contract stays', async () => {
  await using database = await createTestDatabase();
  await seedPlaza(database.url, { size, fix: 'none' });
  const { defects } = loadLabels();
  const changed = new Set(defects.filter((defect) => defect.contract === 'changes').map((defect) => defect.route));

  const broken = await startPlaza(database.url, 'none');
  await exercise(broken, (step) => step.method !== 'GET');
  const brokenReads = await exercise(broken, (step) => step.method === 'GET');
  expect(await stop(broken)).toBe(0);

  await matchSchema(database.url, 'all');
  const fixed = await startPlaza(database.url, 'all');
  const fixedReads = await exercise(fixed, (step) => step.method === 'GET');
  await exercise(fixed, (step) => step.method !== 'GET');
  expect(await stop(fixed)).toBe(0);

  expect(brokenReads.length).toBeGreaterThan(50);
  expect(fixedReads.map((read) => read.path)).toEqual(brokenReads.map((read) => read.path));
  const kept = (read: Answer) => !changed.has(read.route);
  expect(fixedReads.filter(kept)).toEqual(brokenReads.filter(kept));
});

test('a chat message is stored and reaches the sockets and long polls of its room', async () => {
  await using database = await createTestDatabase();
  await seedPlaza(database.url, { size: 0.01, fix: 'none' });
  const plaza = await startPlaza(database.url, 'none');
  const socket = new WebSocket(`${plaza.url.replace('http', 'ws')}/chat?room=7&token=${plaza.token}`);
  await once(socket, 'open');
  const received = once(socket, 'message');
  socket.send(JSON.stringify({ body: 'hello, room seven' }));

  const [data] = (await received) as [Buffer];
  const stored = await database.client.query('SELECT id, body FROM messages WHERE room_id = 7 ORDER BY id DESC LIMIT 1');
  expect(JSON.parse(data.toString())).toMatchObject(stored.rows[0]);
  expect(stored.rows[0].body).toBe('hello, room seven');

  // Nobody outside can see when a poll has begun to wait: the room goes on talking until it answers.
  const talk = setInterval(() => socket.send(JSON.stringify({ body: 'still there' })), 20);
  const polled = await fetch(`${plaza.url}/rooms/7/wait?timeoutMs=20000`);
  clearInterval(talk);
  expect(await polled.json()).toMatchObject({ messages: [{ body: 'still there' }] });
  socket.close();
  expect(await stop(plaza)).toBe(0);
});

interface Plaza {
  readonly url: string;
  readonly token: string;
  readonly process: ChildProcess;
}

/** The real server in its own process, as Anneal starts it. */
async function startPlaza(databaseUrl: string, fix: string): Promise<Plaza> {
  const port = await freePort();
  const [command = '', ...parameters] = plazaTarget.startCommand.split(' ');
  const child = spawn(command, parameters, {
    cwd: plazaTarget.workingDirectory,
    env: {
      ...process.env,
      [plazaTarget.portVariable]: String(port),
      [plazaTarget.urlVariable]: databaseUrl,
      [plazaTarget.fixVariable]: fix,
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const url = `http://127.0.0.1:${port}`;
  await expect.poll(() => isReady(url), { timeout: plazaTarget.readyTimeoutMs }).toBe(true);
  const answer = await fetch(`${url}/login`, json('POST', { email: 'member1@plaza.example', password: seedPassword }));
  const { token } = (await answer.json()) as { token: string };
  return { url, token, process: child };
}

/** The exit code after SIGTERM: 0 when it ended by itself. */
async function stop({ process: child }: Plaza): Promise<number | null> {
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const [code] = (await gone) as [number | null];
  return code;
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}${plazaTarget.readyPath}`)).ok;
  } catch {
    return false;
  }
}

interface Answer {
  readonly route: string;
  readonly path: string;
  readonly body: unknown;
}

/** Sends the chosen steps of the workload, each with three sets of values, and expects every one to succeed. */
async function exercise(plaza: Plaza, chosen: (step: Step) => boolean): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (const step of steps().filter(chosen)) {
    for (const variant of [0, 1, 2]) {
      const path = fill(step.path, variant);
      const body = step.body === undefined ? undefined : fillBody(step.body, variant);
      const answer = await fetch(`${plaza.url}${path}`, json(step.method, body, plaza.token));
      expect(answer.status, `${step.method} ${path}`).toBeLessThan(400);
      const text = await answer.text();
      answers.push({ route: `${step.method} ${routeOf(step.path)}`, path, body: text === '' ? null : JSON.parse(text) });
    }
  }
  return answers;
}

function json(method: string, body: unknown, token?: string): RequestInit {
  return {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
}

function steps(): readonly Step[] {
  return createPlazaWorkload(size).scenarios.flatMap((scenario) => scenario.steps);
}

/** `/posts/{post}?x=1` as the server names it: `/posts/:id`. */
function routeOf(path: string): string {
  const [pathname = ''] = path.split('?');
  return pathname
    .replace('/topics/{topic}', '/topics/:slug')
    .replace('/campaigns/{campaign}', '/campaigns/:campaign')
    .replaceAll(/\{\w+\}/g, ':id');
}

function fill(text: string, variant: number): string {
  return text.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(valueOf(name, variant)));
}

function fillBody(value: unknown, variant: number): unknown {
  if (typeof value === 'string') {
    const whole = /^\{(\w+)\}$/.exec(value);
    return whole === null
      ? value.replaceAll(/\{(\w+)\}/g, (_, name: string) => String(valueOf(name, variant)))
      : valueOf(whole[1]!, variant);
  }
  if (Array.isArray(value)) return value.map((item) => fillBody(item, variant));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillBody(item, variant)]));
  }
  return value;
}

/** First, last and one in between, of whatever the variable can be. */
function valueOf(name: string, variant: number): string | number {
  const variable = createPlazaWorkload(size).variables[name]!;
  const at = [0, 0.4, 1][variant]!;
  if (variable.type === 'integer') return Math.round(variable.min + at * (variable.max - variable.min));
  if (variable.type === 'one-of') return variable.values[Math.round(at * (variable.values.length - 1))]!;
  if (variable.type === 'text') return Array.from({ length: variable.words }, (_, index) => `word${index + variant}`).join(' ');
  return variable.template.replaceAll('{n}', String(variant + 1));
}

/** Every row of every table but the migrations' dates, as one digest per table. */
async function contentOf({ client }: TestDatabase): Promise<Readonly<Record<string, string>>> {
  const tables = await client.query<{ name: string }>(
    "SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'schema_migrations'",
  );
  const digests: Record<string, string> = {};
  for (const { name } of tables.rows) {
    const digest = await client.query<{ digest: string }>(
      `SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) AS digest FROM ${name} t`,
    );
    digests[name] = digest.rows[0]!.digest;
  }
  return digests;
}

/** What a schema fix can change: indexes, keys, types, storage parameters, and which statistics there are. */
async function schemaOf({ client }: TestDatabase): Promise<readonly string[]> {
  const { rows } = await client.query<{ line: string }>(
    `SELECT pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END AS line
       FROM pg_index WHERE indrelid::regclass::text !~ '^pg_'
      UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
      UNION ALL SELECT attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
      UNION ALL SELECT relname || ' ' || coalesce(reloptions::text, '') || ' ' || relpersistence::text || CASE WHEN EXISTS (SELECT FROM pg_statistic WHERE starelid = c.oid) THEN ' analysed' ELSE '' END
        FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
      UNION ALL SELECT 'sequence ' || seqrelid::regclass || ' ' || format_type(seqtypid, -1) FROM pg_sequence
      UNION ALL SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext
      ORDER BY 1`,
  );
  return rows.map(({ line }) => line);
}

import type { App } from './target.ts';

type Answering = Pick<App, 'get'>;

const askNumber = async (app: Answering, path: string) => Number(await (await app.get(path)).text());

/** `answers.mjs` works on its slow routes until so many requests more have arrived. */
export async function announce(app: Answering, count: number): Promise<void> {
  await askNumber(app, `/gather?count=${count}`);
}

/** Those that arrived since the last announcement, held back by a policy or not. */
export async function arrived(app: Answering, count: number): Promise<void> {
  while ((await askNumber(app, '/arrived')) < count);
}

/** How often it has begun to work on a route. */
export async function runsOf(app: Answering, path: string): Promise<number> {
  return ((await (await app.get('/runs')).json()) as Readonly<Record<string, number>>)[path] ?? 0;
}

/** It works on a route once more than it had before. */
export async function begun(app: Answering, path: string, before: number): Promise<void> {
  while ((await runsOf(app, path)) === before);
}

/** Sends the first request, and when the application works on it, the others at once. */
export async function gathered<Answer>(app: Answering, path: string, requests: readonly (() => Promise<Answer>)[]): Promise<Answer[]> {
  const [first, ...others] = requests;
  await announce(app, requests.length);
  const before = await runsOf(app, path);
  const leading = first!();
  await begun(app, path, before);
  return Promise.all([leading, ...others.map((request) => request())]);
}

import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { isFixed } from '../fix.ts';
import { patienceMs, type Town } from './town.ts';

const parts = ['title', 'icon', 'summary'] as const;
const kept = new Agent({ keepAlive: true });

/** What the links in a post lead to. */
export async function previewsOf(town: Town, links: readonly [string, string]): Promise<readonly unknown[]> {
  return Promise.all(links.flatMap((link) => parts.map((part) => readPart(`${town.url}/links/${link}/${part}`))));
}

async function readPart(url: string): Promise<unknown> {
  const agent = isFixed('preview-connections') ? kept : false;
  const request = get(url, { agent, signal: AbortSignal.timeout(patienceMs) });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return json(response);
}

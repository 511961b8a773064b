/**
 * The services in town that plaza asks: faces, links, weather, moderation, places. They answer from what they are asked
 * with, after a fixed time, in a thread of their own; the port is posted when they listen.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';

/** How long each takes, by the first part of its path. */
const answerMs: Readonly<Record<string, number>> = {
  faces: 4,
  links: 2,
  weather: 4,
  moderation: 160,
  places: 4,
  tides: 4,
  shares: 150,
  translations: 120,
};

const face = (id: string) => ({ id: Number(id), url: `/faces/${Number(id) % 50}.webp` });

/** Lookups that were turned away once: these two services are short of capacity, and take what is asked again. */
const turnedAway = new Set<string>();

function busy(request: IncomingMessage): boolean {
  const lookup = String(request.headers['x-lookup']);
  if (turnedAway.delete(lookup)) return false;
  turnedAway.add(lookup);
  return true;
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.resume();
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://town');
  const [, service = '', subject = '', part = ''] = pathname.split('/');
  await sleep(answerMs[service] ?? 1);
  if ((service === 'places' || service === 'tides') && busy(request)) response.writeHead(503).end();
  else if (service === 'shares') response.writeHead(204).end();
  else response.setHeader('content-type', 'application/json').end(JSON.stringify(contentOf(service, subject, part, searchParams)));
}

function contentOf(service: string, subject: string, part: string, asked: URLSearchParams): unknown {
  const letters = Buffer.from(asked.get('place') ?? subject).reduce((sum, letter) => sum + letter, 0);
  if (service === 'faces') return subject === '' ? (asked.get('ids') ?? '').split(',').map(face) : face(subject);
  if (service === 'links') return { [part]: `${part} of ${subject}` };
  if (service === 'weather') return { degrees: letters % 30 };
  if (service === 'tides') return { high: `${letters % 12}:30` };
  if (service === 'places') return { latitude: letters % 90, longitude: letters % 180 };
  return service === 'moderation' ? { verdict: 'fine' } : { text: `translated ${subject}` };
}

const server = createServer((request, response) => void answer(request, response));
server.listen(0, '127.0.0.1', () => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  parentPort!.postMessage((server.address() as AddressInfo).port);
});

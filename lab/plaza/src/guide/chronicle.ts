import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gunzipSync, gzipSync } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import { isFixed } from '../fix.ts';
import { paragraph } from './text.ts';

const unpack = promisify(gunzip);

/** What happened, day by day, packed as it comes from the archive. */
const packed = gzipSync(Array.from({ length: 3000 }, (_, day) => `${day} ${paragraph(day)}`).join('\n'));

interface Mention {
  readonly day: number;
  readonly line: string;
}

/** The first days on which a word was written. */
export async function mentions(word: string): Promise<readonly Mention[]> {
  const found: Mention[] = [];
  for (const line of (await openChronicle()).toString('latin1').split('\n', 200)) {
    const at = line.indexOf(` ${word} `);
    if (at !== -1) found.push({ day: Number.parseInt(line, 10), line: line.slice(Math.max(at - 20, 0), at + 40) });
    if (found.length === 10) break;
  }
  return found;
}

async function openChronicle(): Promise<Buffer> {
  return isFixed('chronicle-unpacking') ? unpack(packed) : gunzipSync(packed);
}

/** The archive is closed while it is put in order: whoever does that leaves a note at the door. */
function isClosed(): boolean {
  return existsSync(join(import.meta.dirname, 'closed'));
}

export function chronicleRoutes(app: FastifyInstance): void {
  app.get<{ Querystring: { word: string } }>('/chronicle', { schema: { querystring: wordQuery } }, async (request, reply) => {
    if (isClosed()) return reply.code(503).send({ error: 'the archive is closed' });
    return { mentions: await mentions(request.query.word) };
  });
}

const wordQuery = { type: 'object', required: ['word'], properties: { word: { type: 'string', minLength: 3, maxLength: 40 } } };

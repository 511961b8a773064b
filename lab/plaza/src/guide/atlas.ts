import type { FastifyInstance } from 'fastify';
import { isFixed } from '../fix.ts';
import { countryOf, places } from '../seed-vocabulary.ts';
import { tagOf } from '../validators.ts';
import { sentence } from './text.ts';

const entries = places.map((place, index) => ({ place, country: countryOf(index), about: sentence(index, 8) }));
/** Made once: it only changes with a release. */
const atlas = Buffer.from(JSON.stringify({ places: entries }));

/** Every place that has a name, for the map that visitors see before they log in. */
export function atlasRoutes(app: FastifyInstance): void {
  app.get('/atlas', async (request, reply) => {
    reply.type('application/json; charset=utf-8');
    // What answers to all other reads (validators.ts) only looks at texts, and this is a buffer.
    if (!isFixed('atlas-validator')) return atlas;
    const tag = tagOf(atlas);
    reply.header('etag', tag);
    return request.headers['if-none-match'] === tag ? reply.code(304).send() : atlas;
  });
}

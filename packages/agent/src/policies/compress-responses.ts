import { brotliCompress, constants, gzip } from 'node:zlib';
import { routeMatcher } from './cache-responses/request-key.ts';
import type { PolicyKind } from './policy.ts';
import { askedUrl, listed, watchWholeAnswers, type WholeAnswer } from './whole-answer.ts';

export interface CompressResponsesPolicy {
  readonly kind: 'compress-responses';
  /** Routes by the names Anneal knows them by. */
  readonly routes: readonly string[];
  /** Shorter answers pass: see `onePacketBytes`. */
  readonly minimumBytes?: number;
}

/**
 * What fits into one Ethernet packet beside a head of some 400 bytes (1,500 bytes of MTU without 40 of IP and TCP
 * headers, RFC 9293, 3.7.1): making that shorter saves no packet and no time.
 */
const onePacketBytes = 1060;

export const compressResponses: PolicyKind<CompressResponsesPolicy> = {
  kind: 'compress-responses',
  actsOn: 'requests',

  start({ routes, minimumBytes = onePacketBytes }, _context, _others, control) {
    const routeOf = routeMatcher(routes);
    let figures = { compressed: 0, savedBytes: 0, incompressible: 0 };
    const applies = (answer: WholeAnswer) =>
      answer.body.length >= minimumBytes && isCompressible(answer) && routeOf(askedUrl(answer.request)) !== null;
    const unwatch = watchWholeAnswers({
      isOn: () => control.on,
      describe: (answer) => applies(answer) && varyByEncoding(answer),
      look(answer) {
        if (control.draw?.(answer.request) === false || !applies(answer)) return false;
        const coding = chosenCoding(answer.request.headers['accept-encoding']?.toString() ?? '');
        if (coding === null) {
          // A shared cache must not give a compressed answer to this client (RFC 9110, 12.5.5).
          answer.send({ body: answer.body, headers: () => undefined });
          return true;
        }
        answer.hold();
        compressors[coding](answer.body, (error, compressed) => {
          if (error !== null || compressed.length >= answer.body.length || !control.on) {
            figures.incompressible += 1;
            answer.send(null);
            return;
          }
          figures.compressed += 1;
          figures.savedBytes += answer.body.length - compressed.length;
          answer.send({ body: compressed, headers: () => describeAs(answer, coding) });
        });
        return true;
      },
      failed: (error) => control.end(error instanceof Error ? error.message : String(error)),
    });
    return {
      switch: () => undefined,
      stop: unwatch,
      take() {
        const taken = figures;
        figures = { compressed: 0, savedBytes: 0, incompressible: 0 };
        return taken;
      },
    };
  },
};

type Coding = 'br' | 'gzip';
type Compressor = (body: Buffer, done: (error: Error | null, compressed: Buffer) => void) => void;

/** On Node's thread pool: the event loop waits for neither. Brotli at 4 of 11 takes 13 ms of CPU for a megabyte of JSON where gzip takes 18 at its own level, for no longer answers (own measurement). */
const compressors: Readonly<Record<Coding, Compressor>> = {
  br: (body, done) =>
    brotliCompress(
      body,
      {
        params: {
          [constants.BROTLI_PARAM_QUALITY]: 4,
          [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
          [constants.BROTLI_PARAM_SIZE_HINT]: body.length,
        },
      },
      done,
    ),
  gzip: (body, done) => gzip(body, done),
};

const compressibleType =
  /^(?:text\/(?!event-stream$).+|application\/(?:json|javascript|xml|x-ndjson|graphql|.+\+(?:json|xml))|image\/svg\+xml)$/;

/** Of a type that shrinks, not encoded before, nobody's digest of its bytes, and not to be transformed (RFC 9111, 5.2.2.6). */
function isCompressible({ response, type }: WholeAnswer): boolean {
  if (!compressibleType.test(type)) return false;
  if (listed(response.getHeader('content-encoding')).some((coding) => coding !== 'identity')) return false;
  if (['content-md5', 'digest', 'content-digest', 'content-range'].some((name) => response.hasHeader(name))) return false;
  return !listed(response.getHeader('cache-control')).includes('no-transform');
}

function describeAs({ response }: WholeAnswer, coding: Coding): void {
  response.setHeader('Content-Encoding', coding);
  // Ranges would be of other bytes, and a strong tag promises these (RFC 9110, 8.8.1).
  response.removeHeader('accept-ranges');
  const tag = response.getHeader('etag');
  if (typeof tag === 'string' && !tag.startsWith('W/')) response.setHeader('ETag', `W/${tag}`);
}

function varyByEncoding({ response }: WholeAnswer): void {
  const varies = listed(response.getHeader('vary'));
  if (!varies.includes('*') && !varies.includes('accept-encoding')) response.appendHeader('Vary', 'Accept-Encoding');
}

/** By the client's weights (RFC 9110, 12.5.3); Brotli where both are as welcome. Null: neither, or rather as it is. */
function chosenCoding(acceptEncoding: string): Coding | null {
  const weights = new Map(
    acceptEncoding.split(',').map((member) => {
      const [coding = '', ...parameters] = member.split(';').map((part) => part.trim().toLowerCase());
      const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
      return [coding, weight === undefined ? 1 : Number(weight) || 0] as const;
    }),
  );
  const weightOf = (coding: Coding) => weights.get(coding) ?? weights.get('*') ?? 0;
  const [br, zipped] = [weightOf('br'), weightOf('gzip')];
  const best: Coding = br >= zipped ? 'br' : 'gzip';
  const weight = Math.max(br, zipped);
  return weight > 0 && weight >= (weights.get('identity') ?? 0) ? best : null;
}

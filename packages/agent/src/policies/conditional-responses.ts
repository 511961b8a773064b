import { hash } from 'node:crypto';
import { routeMatcher } from './cache-responses/request-key.ts';
import type { PolicyKind } from './policy.ts';
import { askedUrl, listed, watchWholeAnswers, type WholeAnswer } from './whole-answer.ts';

export interface ConditionalResponsesPolicy {
  readonly kind: 'conditional-responses';
  /** Routes by the names Anneal knows them by. */
  readonly routes: readonly string[];
}

/**
 * A tag for answers that have none, and 304 to clients that have the answer already. The tag is weak: it names what
 * is said, in whatever coding it is sent. The application still works the answer out; what is saved is sending it.
 */
export const conditionalResponses: PolicyKind<ConditionalResponsesPolicy> = {
  kind: 'conditional-responses',
  actsOn: 'requests',

  start({ routes }, _context, _others, control) {
    const routeOf = routeMatcher(routes);
    let figures = { tagged: 0, notModified: 0, savedBytes: 0 };
    const unwatch = watchWholeAnswers({
      isOn: () => control.on,
      look(answer) {
        if (control.draw?.(answer.request) === false || !mayBeConditional(answer) || routeOf(askedUrl(answer.request)) === null)
          return false;
        const { body, request, response } = answer;
        const given = response.getHeader('etag');
        const tag = typeof given === 'string' ? given : tagOf(body);
        if (isMatched(tag, request.headers['if-none-match'])) {
          figures.notModified += 1;
          figures.savedBytes += body.length;
          answer.send({ status: 304, body: null, headers: () => describeUnchanged(answer, tag) });
          return true;
        }
        if (given !== undefined) return false;
        figures.tagged += 1;
        answer.send({ body, headers: () => response.setHeader('ETag', tag) });
        return true;
      },
      failed: (error) => control.end(error instanceof Error ? error.message : String(error)),
    });
    return {
      switch: () => undefined,
      stop: unwatch,
      take() {
        const taken = figures;
        figures = { tagged: 0, notModified: 0, savedBytes: 0 };
        return taken;
      },
    };
  },
};

/** What sets a cookie is for one client and one moment, and what must not be stored is never asked for again by its tag. */
function mayBeConditional({ request, response }: WholeAnswer): boolean {
  if (response.hasHeader('set-cookie') || request.headers.range !== undefined) return false;
  return !listed(response.getHeader('cache-control')).includes('no-store');
}

function tagOf(body: Buffer): string {
  return `W/"${body.length.toString(36)}-${hash('sha1', body, 'base64url')}"`;
}

/** Weak comparison, as RFC 9110, 13.1.2 demands of If-None-Match. */
function isMatched(tag: string, ifNoneMatch: string | undefined): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === '*') return true;
  const opaque = tag.replace(/^W\//, '');
  return [...ifNoneMatch.matchAll(/(?:W\/)?("[^"]*")/g)].some(([, candidate]) => candidate === opaque);
}

/** Everything but what describes a body that is not sent (RFC 9110, 15.4.5). */
function describeUnchanged({ response }: WholeAnswer, tag: string): void {
  response.setHeader('ETag', tag);
  for (const name of ['content-type', 'content-encoding', 'content-language']) response.removeHeader(name);
}

import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
import { templatedPath } from '../requests/templated-path.ts';
import { exemption } from './admission/exemption.ts';
import { placeGate } from './admission/gates.ts';
import { refuse } from './admission/refusal.ts';
import { TokenBuckets } from './admission/token-buckets.ts';
import type { PolicyKind } from './policy.ts';

/** What counts together: the connection's address, the route, or what a header says (a key, a token, a proxy's `x-forwarded-for`). */
export type RateKey = 'address' | 'route' | { readonly header: string };

/** Lets each client, or each route, have so many requests a second. The limits are the user's. */
export interface LimitRatePolicy {
  readonly kind: 'limit-rate';
  /** Told to clients as the name of the limit: letters, digits, `-` and `_`. */
  readonly name: string;
  /** Requests that agree in all of these share one allowance. */
  readonly per: readonly RateKey[];
  readonly ratePerSecond: number;
  /** How many may come at once after a pause. */
  readonly burst: number;
  /** Paths that are never refused nor counted, besides those that health checks use. */
  readonly exempt: readonly string[];
}

/** Some 150 bytes each. Whoever floods the process with ever new identities drives out the oldest, which starts with a full allowance again. */
const mostIdentities = 10_000;

/** Longer header values, such as tokens of several kB, are told apart by their hash. */
const longestIdentity = 64;

export const limitRate: PolicyKind<LimitRatePolicy> = {
  kind: 'limit-rate',
  actsOn: 'requests',

  start(policy, _context, others, control) {
    const rival = others.find((other) => other.policy.name === policy.name);
    if (rival !== undefined) return `the limit ${policy.name} is already kept by the policy ${rival.id}`;
    const { ratePerSecond, burst } = policy;
    const isExempt = exemption(policy.exempt);
    const buckets = new TokenBuckets(ratePerSecond, burst, mostIdentities);
    // Field names and their form: draft-ietf-httpapi-ratelimit-headers-10, sections 2 and 3; `w` is how long a whole allowance takes to come back.
    const told = `"${policy.name}";q=${burst};w=${Math.ceil(burst / ratePerSecond)}`;
    const figures = { admitted: 0, refused: 0 };

    const remove = placeGate(
      (request, response) => {
        if (!control.on || isExempt(request.url)) return false;
        const { allowed, remaining, waitSeconds } = buckets.take(identity(request, policy.per), performance.now());
        // It has its part of the allowance, as it would where all are limited, and is told and refused nothing.
        if (control.draw?.(request) === false) return false;
        response.appendHeader('RateLimit-Policy', told);
        response.appendHeader('RateLimit', `"${policy.name}";r=${remaining};t=${Math.ceil(waitSeconds)}`);
        if (allowed) figures.admitted += 1;
        else {
          figures.refused += 1;
          refuse(response, 429, { by: 'limit-rate', retryAfterSeconds: waitSeconds });
        }
        return !allowed;
      },
      (error) => control.end(String(error)),
    );

    return {
      switch(on) {
        if (!on) buckets.clear();
      },
      stop() {
        remove();
        buckets.clear();
      },
      take() {
        const taken = { ...figures, identities: buckets.size };
        Object.assign(figures, { admitted: 0, refused: 0 });
        return taken;
      },
    };
  },
};

function identity(request: IncomingMessage, per: readonly RateKey[]): string {
  return per.map((key) => JSON.stringify(part(request, key))).join();
}

function part(request: IncomingMessage, key: RateKey): string {
  if (key === 'address') return addressOf(request.socket.remoteAddress ?? '');
  if (key === 'route') return `${request.method} ${templatedPath(request.url ?? '/')}`;
  const value = String(request.headers[key.header.toLowerCase()] ?? '');
  return value.length > longestIdentity ? hash('sha256', value) : value;
}

/** A customer is given a whole IPv6 network of at least 64 bits (RFC 6177): its addresses are all the same client. */
function addressOf(address: string): string {
  const mapped = /^::ffff:(?<v4>\d+(?:\.\d+){3})$/i.exec(address)?.groups?.['v4'];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.split('::');
  const groups = head.split(':');
  // What `::` stands for are zeroes: how many are needed to fill the first four groups.
  if (tail !== undefined) {
    const after = tail === '' ? [] : tail.split(':');
    const zeroes = 8 - groups.length - after.length;
    groups.push(...Array.from({ length: zeroes }, () => '0'), ...after);
  }
  return groups
    .slice(0, 4)
    .map((group) => (group === '' ? '0' : group))
    .join(':');
}

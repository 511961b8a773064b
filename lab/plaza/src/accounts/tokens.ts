import { createHmac, timingSafeEqual } from 'node:crypto';

const secret = process.env['PLAZA_SECRET'] ?? 'plaza-development-secret';
const lifetimeMs = 12 * 60 * 60 * 1000;

/** `<user id>.<expiry>.<signature>`: carries all it needs, so that no request has to look its session up. */
export function issueToken(userId: number): string {
  const claim = `${userId}.${Date.now() + lifetimeMs}`;
  return `${claim}.${sign(claim)}`;
}

/** The user id of a valid token, else null. */
export function readToken(token: string): number | null {
  const [userId = '', expiresAt = '', signature = ''] = token.split('.');
  const expected = Buffer.from(sign(`${userId}.${expiresAt}`));
  const given = Buffer.from(signature);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
  return Number(expiresAt) > Date.now() ? Number(userId) : null;
}

function sign(claim: string): string {
  return createHmac('sha256', secret).update(claim).digest('base64url');
}

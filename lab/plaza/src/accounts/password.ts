import { randomBytes, scrypt, scryptSync, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { isFixed } from '../fix.ts';

const deriveKey = promisify<string, Buffer, number, Buffer>(scrypt);
const keyLength = 64;

export function hashPassword(password: string, salt: Buffer = randomBytes(16)): string {
  return `${salt.toString('hex')}:${scryptSync(password, salt, keyLength).toString('hex')}`;
}

export async function verifyPassword(password: string, stored: string): Promise<boolean> {
  const [salt = '', hash = ''] = stored.split(':');
  const saltBytes = Buffer.from(salt, 'hex');
  const key = isFixed('login-hash') ? await deriveKey(password, saltBytes, keyLength) : scryptSync(password, saltBytes, keyLength);
  return timingSafeEqual(key, Buffer.from(hash, 'hex'));
}

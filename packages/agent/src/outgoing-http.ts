import { templatedPath } from './route-name.ts';

/** What an HTTP call asks for, without what it asks about: no query, no identifiers. */
export function httpOperation(method: string, path: string): string {
  return `${method} ${templatedPath(path)}`;
}

/** Answers after which a client tries again: the server's own faults, and those it asks to be tried later (RFC 9110, 15.5.9 and RFC 6585, 4). */
export function failedStatus(status: number): boolean {
  return status >= 500 || status === 429 || status === 408;
}

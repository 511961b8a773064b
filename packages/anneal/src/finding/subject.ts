import type { Subject } from './finding.ts';

/** A subject as a person would call it, on one line. */
export function subjectName(subject: Subject): string {
  if (subject.kind === 'statement') return shorten(subject.text);
  if (subject.kind === 'route') return subject.route;
  if (subject.kind === 'object') return `${subject.type} ${subject.name}`;
  return subject.kind === 'pool' ? `pool ${subject.pool}` : subject.key;
}

/** Statements are told by their beginning; 80 characters fit a terminal's line. */
export function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length <= 80 ? line : `${line.slice(0, 79)}…`;
}

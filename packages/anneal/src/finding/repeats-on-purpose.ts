import type { StatementObservation } from '../measurement/observations.ts';

/** Why asking the same again is not asking for what is known; null where it is. */
export function repeatsOnPurpose(statement: Pick<StatementObservation, 'kind' | 'text'>): string | null {
  if (statement.kind !== 'select') return 'it does not only read: repeating it does it again';
  if (/\bfor\s+(?:no\s+key\s+)?(?:update|share|key\s+share)\b|\bpg_(?:try_)?advisory/i.test(statement.text))
    return 'it takes a lock: repeating it is not asking again';
  if (/\b(?:nextval|random|gen_random_uuid|clock_timestamp|set_config)\s*\(/i.test(statement.text))
    return 'it is meant to give a new value each time';
  return null;
}

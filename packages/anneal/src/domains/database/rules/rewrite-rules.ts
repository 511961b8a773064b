import { countForExistence } from './count-for-existence.ts';
import { functionOnIndexedColumn } from './function-on-indexed-column.ts';
import { joinMadeDistinct } from './join-made-distinct.ts';
import { notInSubquery } from './not-in-subquery.ts';
import { orAcrossColumns } from './or-across-columns.ts';
import type { RewriteRule } from './rewrite-rule.ts';
import { unionWithoutDuplicates } from './union-without-duplicates.ts';

/** Rules whose answer is another form of the statement: `rewrites/prove-rewrites.ts` runs both. */
export const rewriteRules: readonly RewriteRule[] = [
  notInSubquery,
  orAcrossColumns,
  functionOnIndexedColumn,
  countForExistence,
  joinMadeDistinct,
  unionWithoutDuplicates,
];

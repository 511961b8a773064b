import type { Remedy } from '../../../../remedy/remedy.ts';
import { addIndex } from './add-index.ts';
import { ignoreIndex } from './ignore-index.ts';

export const mysqlRemedies: readonly Remedy[] = [addIndex, ignoreIndex];

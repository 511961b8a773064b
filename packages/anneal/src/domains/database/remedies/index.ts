import type { Remedy } from '../../../remedy/remedy.ts';
import { addIndex } from './add-index.ts';

export const databaseRemedies: readonly Remedy[] = [addIndex];

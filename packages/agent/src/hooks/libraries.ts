import type { Library } from './library.ts';
import { nodePostgres } from './pg.ts';

/** Every library the agent meets as it is loaded. */
export const libraries: readonly Library[] = [nodePostgres];

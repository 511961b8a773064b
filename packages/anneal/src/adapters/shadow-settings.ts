import type { DatabaseSnapshot } from '../ports/database-snapshot.ts';
import { quoteIdentifier } from '../ports/index-sql.ts';
import type { ShadowEngine } from './shadow-engine.ts';

/** What decides a plan or its cost (manual, 19.7 and 19.4.1); all others would mean something else here. */
const steersPlans =
  /^(?:enable_\w+|\w+_cost|geqo\w*|work_mem|hash_mem_multiplier|effective_cache_size|from_collapse_limit|join_collapse_limit|constraint_exclusion|cursor_tuple_fraction|plan_cache_mode|recursive_worktable_factor)$/u;

/** A 32-bit build takes no more (guc.h, MAX_KILOBYTES). */
const largestMemory = '2097151kB';

/** Takes over the settings that steer the planner. Returns a sentence for each that could not be. */
export async function applySettings(engine: ShadowEngine, snapshot: DatabaseSnapshot): Promise<readonly string[]> {
  const gaps: string[] = [];
  for (const [name, value] of Object.entries(snapshot.settings)) {
    if (!steersPlans.test(name)) continue;
    if (await set(engine, name, value)) continue;
    const atMost = /_mem$|_size$/u.test(name) && (await set(engine, name, largestMemory));
    gaps.push(
      atMost
        ? `${name} is taken as ${largestMemory}, the most a 32-bit planner knows, not ${value}`
        : `the planner has no ${name} = ${value}`,
    );
  }
  // It has no workers; and it would compile nothing.
  await set(engine, 'max_parallel_workers_per_gather', '0');
  await set(engine, 'jit', 'off');
  await set(engine, 'search_path', searchPath(snapshot));
  return gaps;
}

async function set(engine: ShadowEngine, name: string, value: string): Promise<boolean> {
  try {
    await engine.query('SELECT set_config($1, $2, false)', [name, value]);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}

/** The session's own path, and behind it all other schemas, because other roles' statements were captured too. */
function searchPath({ settings, tables, extensions }: DatabaseSnapshot): string {
  const others = [...new Set([...tables, ...extensions].map(({ schema }) => schema))].map(quoteIdentifier);
  const own = settings['search_path'] ?? '';
  return [...new Set([...own.split(/\s*,\s*/u).filter((name) => name !== ''), ...others])].join(', ');
}

import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/**
 * Where Anneal may keep what it can make anew at any time: `$XDG_CACHE_HOME/anneal`, else `~/.cache/anneal`. A path that is not
 * absolute counts as not set (XDG Base Directory Specification, "Basics"). Null where the user has no home.
 */
export function userCacheFolder(environment: NodeJS.ProcessEnv = process.env, home: () => string = homedir): string | null {
  const named = environment['XDG_CACHE_HOME'];
  if (named !== undefined && isAbsolute(named)) return join(named, 'anneal');
  try {
    const found = home();
    return isAbsolute(found) ? join(found, '.cache', 'anneal') : null;
  } catch {
    // Neither HOME nor an entry in the user database, as under a random user id in a container.
    return null;
  }
}

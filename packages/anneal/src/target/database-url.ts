/**
 * A database URL is taken apart as text, never rebuilt: whatever its author wrote in user, password and options
 * stays byte for byte what the driver has always read.
 */
interface Parts {
  /** Scheme and everything before the path. */
  readonly authority: string;
  readonly path: string;
  readonly rest: string;
}

const urlForm = /^(?<authority>[a-z][a-z\d+.-]*:(?:\/\/[^/?#]*)?)(?<path>\/[^?#]*)?(?<rest>.*)$/i;

function partsOf(url: string): Parts {
  const groups = urlForm.exec(url)?.groups;
  if (groups === undefined) throw new TypeError('not a database URL');
  return { authority: groups['authority']!, path: groups['path'] ?? '', rest: groups['rest'] ?? '' };
}

/** Host name, address or socket folder; null when the URL leaves it to the environment (`PGHOST`) or the driver's default. */
export function databaseHost(url: string): string | null {
  if (url.startsWith('/')) return url.split(' ')[0]!;
  const { authority, path, rest } = partsOf(url);
  if (authority.startsWith('socket:')) return path;
  const asked = new URLSearchParams(rest.split('#')[0]).get('host');
  if (asked !== null && asked !== '') return asked;
  const hostAndPort = authority.replace(/^[^:]*:(\/\/)?/, '').replace(/^.*@/, '');
  const host = decodeURIComponent(hostAndPort.replace(/:\d*$/, '')).replace(/^\[(.*)\]$/, '$1');
  return host === '' ? null : host;
}

/** The database's name; null when the URL names none. */
export function databaseName(url: string): string | null {
  if (url.startsWith('/')) return url.split(' ')[1] ?? null;
  const { authority, path, rest } = partsOf(url);
  if (authority.startsWith('socket:')) return new URLSearchParams(rest).get('db');
  return path.length > 1 ? decodeURI(path.slice(1)) : null;
}

/** The same server, user and options, another database. */
export function withDatabaseName(url: string, name: string): string {
  if (url.startsWith('/')) return `${url.split(' ')[0]} ${name}`;
  const { authority, path, rest } = partsOf(url);
  if (!authority.startsWith('socket:')) return `${authority}/${encodeURIComponent(name)}${rest}`;
  const query = new URLSearchParams(rest);
  query.set('db', name);
  return `${authority}${path}?${query.toString()}`;
}

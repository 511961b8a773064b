/** By the scheme of a URL, what is not PostgreSQL and would only fail in its handshake. */
const products: Readonly<Record<string, string>> = {
  mysql: 'MySQL',
  mariadb: 'MariaDB',
  mssql: 'SQL Server',
  sqlserver: 'SQL Server',
  mongodb: 'MongoDB',
  'mongodb+srv': 'MongoDB',
  redis: 'Redis',
  rediss: 'Redis',
  sqlite: 'SQLite',
  file: 'SQLite',
};

/** `MySQL` for `mysql://…`; null for PostgreSQL, a socket's path and schemes nobody knows. */
export function otherProduct(url: string): string | null {
  return products[schemeOf(url)] ?? null;
}

/** MySQL and MariaDB speak one protocol, and their drivers take either name. */
export function isMysqlUrl(url: string): boolean {
  return ['mysql', 'mariadb'].includes(schemeOf(url));
}

/** All of a URL that may be repeated: the rest may hold a password. */
export function schemeOf(url: string): string {
  return /^([a-z][a-z\d+.-]*):/i.exec(url)?.[1]?.toLowerCase() ?? '';
}

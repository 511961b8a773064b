import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { appFile, startTarget } from '../../test/target.ts';

/** Packages as a later version or a fork might be, and an application that uses what they export. */
const files = {
  'node_modules/pg/package.json': '{ "version": "9.1.0", "main": "lib/client.js" }',
  'node_modules/pg/lib/client.js': 'module.exports = class Client { query() { return "as it is"; } };',
  'node_modules/knex/package.json': '{ "version": "3.9.0", "main": "lib/client.js" }',
  'node_modules/knex/lib/client.js': 'module.exports = { made: "otherwise" };',
  'node_modules/postgres/package.json': '{ "version": "3.9.0", "type": "module", "exports": "./src/query.js" }',
  'node_modules/postgres/src/query.js': 'export default "without a Query";',
  'node_modules/drizzle-orm/package.json': '{ "version": "0.44.0", "type": "module", "exports": { "./pg": "./pg-core/db.js" } }',
  'node_modules/drizzle-orm/pg-core/db.js':
    'export class PgDatabase { select() { return "frozen"; } }\nObject.freeze(PgDatabase.prototype);',
  'node_modules/typeorm/package.json': '{ "main": "data-source/DataSource.js" }',
  'node_modules/typeorm/data-source/DataSource.js': 'module.exports = "without a version";',
  'app.mjs': `
    import { createServer } from 'node:http';
    import Client from 'pg';
    import knex from 'knex';
    import postgres from 'postgres';
    import { PgDatabase } from 'drizzle-orm/pg';
    import typeorm from 'typeorm';
    const server = createServer((_, response) =>
      response.end(JSON.stringify([new Client().query(), knex, postgres, new PgDatabase().select(), typeorm])),
    );
    server.listen(0, '127.0.0.1', () => console.log('listening ' + server.address().port));
  `,
};

test('a version nobody knows is left alone, a file that changed its shape works on, and both are said', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'modules-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), text);
    }
    await using target = await startTarget(relative(dirname(appFile('any')), join(folder, 'app.mjs')));
    expect(await (await target.get('/')).json()).toEqual([
      'as it is',
      { made: 'otherwise' },
      'without a Query',
      'frozen',
      'without a version',
    ]);
    expect((await target.flush()).problems.toSorted()).toEqual([
      expect.stringContaining('drizzle-orm/pg-core/db.js could not be hooked: '),
      expect.stringContaining('knex/lib/client.js could not be hooked: '),
      'pg 9.1.0 is not observed: the agent knows versions from 8.0 to below 9.0',
      'postgres/src/query.js could not be hooked: Query is not defined',
      'typeorm without a version is not observed: the agent knows versions from 0.3 to below 2.0',
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

import type { Connection } from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { announceMissingMariadb, hasMariadb, startMariadb, type MariadbServer } from '../../../../adapters/fixtures/mariadb-server.ts';
import { createMysqlDatabases } from '../../../../adapters/mysql.ts';
import { nodeClock } from '../../../../adapters/node-clock.ts';
import { createSqlParser } from '../../../../adapters/sql-parser.ts';
import type { Finding } from '../../../../finding/finding.ts';
import type { Mysql, MysqlConnectOptions } from '../../../../ports/mysql.ts';
import { remedyConformance } from '../../../../remedy/conformance.ts';
import type { ActContext, Json, PlanningContext } from '../../../../remedy/remedy.ts';
import { checkMysql, mysqlRules, type MysqlCheck } from '../check-mysql.ts';
import { addIndex } from './add-index.ts';
import { mysqlRemedies } from './index.ts';
import { ignoreIndex } from './ignore-index.ts';

const sqlParser = await createSqlParser();
const planning = ({ measurement }: MysqlCheck): PlanningContext => ({
  measurement,
  sql: null,
  sqlParser,
  planner: null,
  samples: new Map(),
});

test('every remedy answers rules that exist', () => {
  const rules = new Set(mysqlRules.map(({ id }) => id));
  expect(mysqlRemedies.map(({ id }) => id)).toEqual(['mysql/add-index', 'mysql/ignore-index']);
  expect(mysqlRemedies.flatMap(({ addresses }) => addresses).filter((id) => !rules.has(id))).toEqual([]);
});

announceMissingMariadb('the reversible what-if of MySQL');
describe.skipIf(!hasMariadb)('on a real MariaDB', () => {
  let server: MariadbServer;
  let root: Connection;
  let mysql: Mysql;
  let context: ActContext;

  const connect = (url: string, options: Partial<MysqlConnectOptions> = {}) =>
    createMysqlDatabases().connect(url, { readOnly: false, lockTimeoutMs: 1000, ...options });
  const observe = async () => (await root.query('SHOW CREATE TABLE `odd``table`'))[0];
  const access = async () => {
    const [rows] = await root.query("EXPLAIN SELECT id FROM `odd``table` WHERE `a``b` = '7' AND owner = 3");
    return (rows as { key: string | null }[])[0]!.key;
  };
  const check = async () => {
    await using reading = await connect(server.urlOf('shop'), { readOnly: true });
    return await checkMysql(reading, { clock: nodeClock });
  };
  const found = ({ findings }: MysqlCheck, ruleId: string): Finding => findings.find((finding) => finding.ruleId === ruleId)!;

  beforeAll(async () => {
    server = await startMariadb({ performanceSchema: true });
    root = await server.connect();
    await root.query('CREATE DATABASE shop; USE shop');
  });
  afterAll(async () => {
    await root.end();
    await server[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    await root.query(
      'DROP TABLE IF EXISTS `odd``table`; CREATE TABLE `odd``table` (id int PRIMARY KEY, owner int, `a``b` varchar(20), KEY by_owner (owner), KEY `by``owner``too` (owner)); ' +
        'INSERT INTO `odd``table` SELECT seq, seq % 500, seq % 7000 FROM seq_1_to_20000; ANALYZE TABLE `odd``table`; TRUNCATE TABLE performance_schema.events_statements_summary_by_digest',
    );
    for (let round = 0; round < 40; round += 1) await root.query('SELECT id FROM `odd``table` WHERE `a``b` = ?', [String(round)]);
    mysql = await connect(server.urlOf('shop'));
    context = { sql: null, mysql, agent: null };
    return () => mysql.close();
  });

  async function planFor(remedy: typeof addIndex, ruleId: string): Promise<Json> {
    const checked = await check();
    const plan = await remedy.plan(found(checked, ruleId), planning(checked));
    expect(plan).not.toBeNull();
    return plan!;
  }

  test('adding an index holds the law of remedies', async () => {
    const plan = await planFor(addIndex, 'mysql/missing-index');
    await expect(remedyConformance({ remedy: addIndex, plan, context, observe })).resolves.toBeUndefined();
  });

  test('hiding an index holds the law of remedies', async () => {
    const plan = await planFor(ignoreIndex, 'mysql/duplicate-index');
    await expect(remedyConformance({ remedy: ignoreIndex, plan, context, observe })).resolves.toBeUndefined();
  });

  test('an added index is used from the switch on, and what it cost is measured', async () => {
    const plan = await planFor(addIndex, 'mysql/missing-index');
    await root.query(
      'ALTER TABLE `odd``table` ALTER INDEX by_owner IGNORED; ALTER TABLE `odd``table` ALTER INDEX `by``owner``too` IGNORED',
    );
    expect(await access()).toBeNull();
    await addIndex.apply(plan, context);
    expect(await access()).toBe('anneal_a`b');
    const cost = await addIndex.cost(plan, context);
    expect(cost.diskBytes).toBeGreaterThan(16_384);
    expect(cost.buildMs).toBeGreaterThan(0);
    await addIndex.revert(plan, context);
    expect(await access()).toBeNull();
  });

  test('what a killed process left half done is told and undone by the next', async () => {
    const plan = await planFor(addIndex, 'mysql/missing-index');
    const before = await observe();
    await root.query("ALTER TABLE `odd``table` ADD INDEX `anneal_a``b` (`a``b`) COMMENT 'anneal' IGNORED");
    expect(await addIndex.inspect(plan, context)).toBe('partial');
    await addIndex.apply(plan, context);
    expect(await addIndex.inspect(plan, context)).toBe('present');
    await addIndex.revert(plan, context);
    expect(await observe()).toEqual(before);
  });

  test('another’s index of the same name is neither taken over nor dropped', async () => {
    const plan = await planFor(addIndex, 'mysql/missing-index');
    await root.query('ALTER TABLE `odd``table` ADD INDEX `anneal_a``b` (owner)');
    const before = await observe();
    expect(await addIndex.inspect(plan, context)).toBe('absent');
    await expect(addIndex.apply(plan, context)).rejects.toMatchObject({ code: 'ANNEAL_APPLY_FAILED' });
    await addIndex.revert(plan, context);
    expect(await observe()).toEqual(before);
  });

  test('a transaction in the way is named, and nothing is left behind', async () => {
    const plan = await planFor(addIndex, 'mysql/missing-index');
    const before = await observe();
    const holder = await server.connect('shop');
    await holder.query('START TRANSACTION; UPDATE `odd``table` SET owner = 1 WHERE id = 1');
    await expect(addIndex.apply(plan, context)).rejects.toMatchObject({
      code: 'ANNEAL_DATABASE_LOCKED',
      details: { waitMs: 1000, holders: expect.stringMatching(/^session \d+ \(transaction open \d+ s\)$/) },
    });
    await holder.query('ROLLBACK');
    await holder.end();
    expect(await observe()).toEqual(before);
  });

  test('a role that may not, and a session that must not, are told so', async () => {
    const plan = await planFor(addIndex, 'mysql/missing-index');
    await root.query("CREATE OR REPLACE USER reader@'127.0.0.1'; GRANT SELECT ON shop.* TO reader@'127.0.0.1'");
    await using reader = await connect(`mysql://reader@127.0.0.1:${server.port}/shop`);
    await expect(addIndex.apply(plan, { ...context, mysql: reader })).rejects.toMatchObject({
      code: 'ANNEAL_DATABASE_PRIVILEGE',
      hint: 'GRANT INDEX, ALTER ON shop.* TO it',
    });
    await using reading = await connect(server.urlOf('shop'), { readOnly: true });
    await expect(addIndex.apply(plan, { ...context, mysql: reading })).rejects.toMatchObject({ code: 'ANNEAL_DATABASE_READ_ONLY' });
  });

  test('an index that a statement names in a hint, or that is hidden already, is not hidden', async () => {
    const first = await check();
    const duplicate = found(first, 'mysql/duplicate-index');
    expect(duplicate.subject).toMatchObject({ name: 'odd`table.by`owner`too' });
    await root.query('SELECT id FROM `odd``table` FORCE INDEX (`by``owner``too`) WHERE owner = 3');
    const hinted = await check();
    expect(await ignoreIndex.plan(duplicate, planning(hinted))).toBeNull();
    expect(await ignoreIndex.explainRefusal!(duplicate, planning(hinted))).toContain('names it in a hint');
    await root.query(
      'ALTER TABLE `odd``table` ALTER INDEX `by``owner``too` IGNORED; TRUNCATE TABLE performance_schema.events_statements_summary_by_digest',
    );
    const hidden = await check();
    expect(await ignoreIndex.explainRefusal!(duplicate, planning(hidden))).toBe('it is hidden already');
  });

  test('the forecast keeps to what is known, and the lasting form says how to come back', async () => {
    const checked = await check();
    const missing = found(checked, 'mysql/missing-index');
    const plan = (await addIndex.plan(missing, planning(checked)))!;
    const { metric, change } = await addIndex.predict(plan, missing, planning(checked));
    expect(metric).toBe('database.time');
    expect(change.lower).toBeLessThan(change.point);
    expect(change.point).toBeLessThan(0);
    expect(addIndex.touches(plan, checked.measurement)).toMatchObject({
      statementIds: [missing.subject.key],
      writtenTables: ['shop.odd`table'],
    });
    const hide = (await ignoreIndex.plan(found(checked, 'mysql/duplicate-index'), planning(checked)))!;
    expect(ignoreIndex.describe(hide).lasting).toBe(
      'ALTER TABLE `odd``table` DROP INDEX `by``owner``too`;\n-- Brings it back:\n-- ALTER TABLE `odd``table` ADD INDEX `by``owner``too` (`owner`);',
    );
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { announceMissingMariadb, hasMariadb, startMariadb, type MariadbServer } from '../../../adapters/fixtures/mariadb-server.ts';
import { createMysqlDatabases } from '../../../adapters/mysql.ts';
import { nodeClock } from '../../../adapters/node-clock.ts';
import { createDatabases } from '../../../adapters/pg.ts';
import { checkDatabase, renderHealth } from '../../../index.ts';
import { checkMysql, mysqlRules, type MysqlCheck } from './check-mysql.ts';
import { shopSql, useShop } from './fixtures/shop.ts';

async function check(url: string): Promise<MysqlCheck> {
  await using mysql = await createMysqlDatabases().connect(url, { readOnly: true, statementTimeoutMs: 2000, lockTimeoutMs: 1000 });
  return await checkMysql(mysql, { clock: nodeClock });
}

const subjectOf = (finding: MysqlCheck['findings'][number]) =>
  finding.subject.kind === 'statement' ? finding.subject.text : finding.subject.key;
const told = ({ findings }: MysqlCheck) => findings.map((finding) => `${finding.ruleId}: ${subjectOf(finding)}`).sort();
const reasonsOf = ({ silences }: MysqlCheck, ruleId: string) =>
  silences.filter((silence) => silence.ruleId === ruleId).map(({ reason }) => reason);

test('databases that are not supported yet are named, and what only PostgreSQL can do says so', async () => {
  const unsupported = { code: 'ANNEAL_DATABASE_UNSUPPORTED', message: expect.stringContaining('which is not supported yet') };
  await expect(checkDatabase('mongodb+srv://user:s3cret@host/shop')).rejects.toMatchObject(unsupported);
  await expect(checkDatabase('sqlserver://host:1433;user=sa;password=s3cret')).rejects.toMatchObject(unsupported);
  const onMysql = createDatabases().connect('mysql://user:s3cret@host/shop', { applicationName: 'anneal', readOnly: true });
  await expect(onMysql).rejects.toMatchObject({
    code: 'ANNEAL_DATABASE_UNSUPPORTED',
    message: 'the database at mysql:// is not one Anneal can read: it is MySQL, and only PostgreSQL can be measured under load and changed',
    hint: expect.stringContaining('`anneal check database` reads MySQL'),
  });
});

announceMissingMariadb('the health check of MySQL');
describe.skipIf(!hasMariadb)('on a real MariaDB that counts', () => {
  let server: MariadbServer;
  let checked: MysqlCheck;
  beforeAll(async () => {
    server = await startMariadb({ performanceSchema: true });
    const root = await server.connect();
    await root.query('CREATE DATABASE shop; CREATE DATABASE healthy; CREATE DATABASE `hos``tile "db`; USE shop');
    await root.query(shopSql);
    await useShop(root, 60);
    await root.end();
    checked = await check(server.urlOf('shop'));
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('every defect is found, and none invented', () => {
    expect(checked.gaps).toEqual([]);
    expect(told(checked)).toEqual([
      'mysql/disk-temporary-table: SELECT DISTINCTROW `biography` , `city` FROM `customers` WHERE `city` = ?',
      'mysql/duplicate-index: index order_lines.by_order_again',
      'mysql/full-scan: SELECT ID FROM `customers` WHERE `UPPER` ( `city` ) = ? LIMIT ?',
      'mysql/late-sort: SELECT ID , `total` FROM `orders` ORDER BY `total` DESC LIMIT ?',
      'mysql/missing-index: SELECT ID FROM `customers` WHERE `email` = ?',
      'mysql/missing-index: UPDATE `orders` SET `total` = `total` + ? WHERE `placed_at` = ?',
      'mysql/missing-primary-key: table visits',
      'mysql/n-plus-one: SELECT `sku` FROM `order_lines` WHERE `order_id` = ?',
      'mysql/redundant-index: index order_lines.by_order',
    ]);
  });

  test('a second look says the same: what Anneal itself asks is not counted as the application’s', async () => {
    const again = await check(server.urlOf('shop'));
    expect(told(again)).toEqual(told(checked));
    const callsOf = (seen: MysqlCheck) =>
      seen.measurement.observations['mysql.statements']!.map(({ text, calls }) => `${calls} ${text}`).sort();
    expect(callsOf(again)).toEqual(callsOf(checked));
    expect(callsOf(again).join('\n')).not.toMatch(/_schema|anneal/i);
  });

  test('the command’s own entry comes here by the scheme, and its report has the form of any other', async () => {
    const url = server.urlOf('shop').replace('mysql:', 'MariaDB:');
    const report = await checkDatabase(url, { only: ['duplicate-index', 'mysql/redundant-index'] });
    expect(report).toMatchObject({
      schemaVersion: '1.0.0',
      database: { label: `root@127.0.0.1:${server.port}/shop`, version: expect.stringMatching(/^MariaDB \d/) },
      findings: [{ ruleId: 'mysql/duplicate-index' }, { ruleId: 'mysql/redundant-index' }],
      gaps: [],
    });
    expect(renderHealth(report, process.stdout)).toContain('ALTER TABLE `order_lines` ALTER INDEX `by_order_again` IGNORED;');
    await expect(checkDatabase(url, { only: ['stale-statistics'] })).rejects.toMatchObject({ code: 'ANNEAL_USAGE' });
  });

  test('when the time runs out in the middle of the plans, what was counted is still judged', async () => {
    await using mysql = await createMysqlDatabases().connect(server.urlOf('shop'), { readOnly: true });
    const ending = new AbortController();
    const hurried = await checkMysql(
      {
        ...mysql,
        query: (text, values) => {
          if (text.startsWith('EXPLAIN')) ending.abort(new DOMException('the time is over', 'TimeoutError'));
          return mysql.query(text, values, { signal: ending.signal });
        },
      },
      { clock: nodeClock },
    );
    expect(hurried.gaps).toEqual([
      { capability: 'mysql.plans', reason: expect.stringMatching(/too short to explain \d+ of \d+ statements/) },
    ]);
    expect(hurried.findings.map(({ ruleId }) => ruleId)).toEqual(expect.arrayContaining(['mysql/n-plus-one', 'mysql/duplicate-index']));
  });

  test('no constant of the application is in what is told', () => {
    expect(JSON.stringify([checked.findings, checked.measurement])).not.toMatch(/@example\.test|NOWHERE|2026-01-05/);
  });

  test('an index is proposed with the statement’s own columns, its undo and how sure it is', () => {
    const finding = checked.findings.find(
      ({ ruleId, subject }) => ruleId === 'mysql/missing-index' && subjectOf({ subject } as never).includes('email'),
    )!;
    expect(finding.proposal).toMatchObject({
      code: 'ALTER TABLE `customers` ADD INDEX `anneal_email` (`email`), ALGORITHM=INPLACE, LOCK=NONE;',
      undo: 'ALTER TABLE `customers` DROP INDEX `anneal_email`;',
    });
    expect(finding.proposal.expected!.lower).toBe(-finding.impact.share);
    expect(finding.evidence.find(({ label }) => label === 'rows examined per call')).toMatchObject({
      value: 10_000,
      provenance: 'measured',
    });
  });

  test('no index is called unused before a month of counting, and then only those nothing needs', () => {
    expect(reasonsOf(checked, 'mysql/unused-index')[0]).toContain('below 35 no index can be called unused');
    const unused = mysqlRules.find(({ id }) => id === 'mysql/unused-index')!;
    const observations = checked.measurement.observations as Parameters<typeof unused.diagnose>[0];
    const later = { ...observations, 'mysql.index-usage': { ...observations['mysql.index-usage'], countedMs: 40 * 24 * 3_600_000 } };
    const told = unused
      .diagnose(later, { minimumShare: 0 })
      .map((outcome) => ('silent' in outcome ? outcome.silent.reason : outcome.message));
    // by_order_again and by_order_and_sku begin with a foreign key's column.
    expect(told).toHaveLength(1);
    expect(told[0]).toContain('no row was found through order_lines.by_note');
    const replica = { ...later, 'mysql.server': { ...later['mysql.server'], isReadOnly: true } };
    expect(unused.diagnose(replica, { minimumShare: 0 })).toMatchObject([{ silent: { reason: expect.stringContaining('replica') } }]);
  });

  test('on a healthy database every rule is silent and says what it looked at', async () => {
    const root = await server.connect('healthy');
    await root.query(
      'CREATE TABLE notes (id int PRIMARY KEY, owner int, body varchar(100), KEY by_owner (owner)); INSERT INTO notes SELECT seq, seq % 2000, seq FROM seq_1_to_20000; ANALYZE TABLE notes',
    );
    for (let owner = 0; owner < 40; owner += 1) await root.query('SELECT body FROM notes WHERE owner = ?', [owner]);
    await root.end();
    const healthy = await check(server.urlOf('healthy'));
    expect(healthy.findings).toEqual([]);
    expect(healthy.silences.map(({ ruleId }) => ruleId).sort()).toEqual(mysqlRules.map(({ id }) => id).sort());
    expect(healthy.silences.every(({ reason }) => reason.length > 0 && !reason.startsWith('no data'))).toBe(true);
  });

  test('hostile names are read, judged and written as names', async () => {
    const root = await server.connect('hos`tile "db');
    await root.query(
      'CREATE TABLE `dr``op "t"; --` (`select` int PRIMARY KEY, `a``b\'c` varchar(20), `ключ` int, KEY `i``1` (`ключ`), KEY `i``2` (`ключ`)); ' +
        'INSERT INTO `dr``op "t"; --` SELECT seq, seq, seq FROM seq_1_to_20000; ANALYZE TABLE `dr``op "t"; --`',
    );
    for (let round = 0; round < 40; round += 1)
      await root.query('SELECT `select` FROM `dr``op "t"; --` WHERE `a``b\'c` = ?', [String(round)]);
    const hostile = await check(server.urlOf('hos`tile "db'));
    expect(told(hostile)).toEqual([
      'mysql/duplicate-index: index dr`op "t"; --.i`2',
      'mysql/missing-index: SELECT `select` FROM `dr``op "t"; --` WHERE `a``b\'c` = ?',
    ]);
    for (const { proposal } of hostile.findings) {
      await root.query(proposal.code!);
      await root.query(proposal.undo!);
    }
    await root.end();
  });

  test('a statement the server cut off is not judged by the half that is left', async () => {
    const root = await server.connect('shop');
    const many = Array.from({ length: 100 }, () => 'status <> ?').join(' AND ');
    for (let round = 0; round < 20; round += 1)
      await root.query(
        `SELECT id FROM orders WHERE placed_at = ? AND ${many}`,
        Array.from({ length: 101 }, () => 'x'),
      );
    await root.query('TRUNCATE TABLE performance_schema.events_statements_summary_by_digest');
    for (let round = 0; round < 20; round += 1)
      await root.query(
        `SELECT id FROM orders WHERE placed_at = ? AND ${many}`,
        Array.from({ length: 101 }, () => 'x'),
      );
    await root.end();
    const { findings, measurement } = await check(server.urlOf('shop'));
    expect(measurement.observations['mysql.statements']).toMatchObject([{ calls: 20, shape: null }]);
    expect(findings.filter(({ subject }) => subject.kind === 'statement')).toEqual([]);
  });

  test('prepared statements are not counted by the server, and that is said instead of calling their silence health', async () => {
    const root = await server.connect('shop');
    for (let round = 0; round < 40; round += 1) await root.execute('SELECT page FROM visits WHERE page = ?', [`/${round}`]);
    await root.end();
    const { findings, measurement } = await check(server.urlOf('shop'));
    expect(measurement.observations['mysql.statements']!.filter(({ text }) => text.includes('visits'))).toEqual([]);
    expect(findings.find(({ ruleId }) => ruleId === 'mysql/uncounted-statements')).toMatchObject({
      level: 'note',
      evidence: [{ label: 'prepared statements executed', value: 40 }, { label: 'statements' }],
    });
  });

  test('what a role may not read is a gap that says what to grant, and the schema is judged all the same', async () => {
    const root = await server.connect();
    await root.query("CREATE USER reader@'127.0.0.1'; GRANT SELECT ON shop.* TO reader@'127.0.0.1'");
    const { port } = server;
    const url = `mysql://reader@127.0.0.1:${port}/shop`;
    const denied = await check(url);
    expect(denied.gaps.map(({ capability }) => capability)).toEqual(['mysql.index-usage', 'mysql.statements', 'mysql.plans']);
    expect(new Set(denied.gaps.map(({ reason }) => reason))).toEqual(
      new Set(['reader@127.0.0.1 may not read performance_schema: GRANT SELECT ON performance_schema.* TO it']),
    );
    expect(told(denied).map((line) => line.split(':')[0])).toEqual([
      'mysql/duplicate-index',
      'mysql/missing-primary-key',
      'mysql/redundant-index',
    ]);
    expect(reasonsOf(denied, 'mysql/missing-index')[0]).toContain('GRANT SELECT ON performance_schema.*');
    await root.query("GRANT SELECT ON performance_schema.* TO reader@'127.0.0.1'");
    expect((await check(url)).gaps).toEqual([]);
    await root.query("UPDATE performance_schema.setup_consumers SET ENABLED = 'NO' WHERE NAME = 'statements_digest'");
    expect((await check(url)).gaps[0]!.reason).toContain("setup_consumers SET ENABLED = 'YES'");
    await root.query("UPDATE performance_schema.setup_consumers SET ENABLED = 'YES' WHERE NAME = 'statements_digest'");
    await root.query("UPDATE performance_schema.setup_instruments SET ENABLED = 'NO' WHERE NAME = 'wait/io/table/sql/handler'");
    expect((await check(url)).gaps).toEqual([
      { capability: 'mysql.index-usage', reason: expect.stringContaining('setup_instruments SET ENABLED') },
    ]);
    await root.query("UPDATE performance_schema.setup_instruments SET ENABLED = 'YES' WHERE NAME = 'wait/io/table/sql/handler'");
    await root.end();
  });
});

describe.skipIf(!hasMariadb)('on a MariaDB as it is installed', () => {
  test('nothing is counted, and the silence says how to switch it on', async () => {
    await using server = await startMariadb({ performanceSchema: false });
    const root = await server.connect();
    await root.query('CREATE DATABASE shop; CREATE TABLE shop.bare (a int)');
    await root.end();
    const { findings, gaps, silences } = await check(server.urlOf('shop'));
    expect(findings.map(({ ruleId }) => ruleId)).toEqual(['mysql/missing-primary-key']);
    const reason =
      "performance_schema is OFF, which is MariaDB's default: write performance_schema=ON under [mysqld] and restart the server";
    expect(gaps).toHaveLength(3);
    expect(gaps.every((gap) => gap.reason.startsWith(reason))).toBe(true);
    expect(silences.find(({ ruleId }) => ruleId === 'mysql/n-plus-one')!.reason).toContain(reason);
  });
});

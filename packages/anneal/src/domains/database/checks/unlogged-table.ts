import { quantity } from '../../../finding/wording.ts';
import { counted, defineCheck, measured, table } from './check.ts';

export const unloggedTable = defineCheck({
  id: 'database/unlogged-table',
  title: 'Table that a crash empties',
  documentation: {
    what: 'A table is UNLOGGED and holds rows.',
    why: 'Its changes are not in the write-ahead log: after a crash PostgreSQL empties it, replicas never have it, and no backup by log brings it back.',
    threshold: 'Every unlogged table with rows: a question, because only its owner knows whether they may be lost.',
    fix: 'ALTER TABLE ... SET LOGGED, where the rows matter.',
    falsePositives: 'It is not a defect in a cache, a staging table or sessions that may all end at once.',
    sources: ['PostgreSQL manual, CREATE TABLE, UNLOGGED'],
  },
  requires: ['postgres.table-health'],
  examine({ 'postgres.table-health': tables }) {
    const unlogged = tables.filter(({ isUnlogged, kind }) => isUnlogged && kind === 'table');
    const complaints = unlogged
      .filter(({ liveRows, rows }) => liveRows > 0 || rows > 0)
      .map((row) => {
        const object = table(row);
        return {
          object,
          level: 'note' as const,
          message: `${object.name} is unlogged: its ${quantity(Math.max(row.liveRows, row.rows))} rows are gone after a crash`,
          usedShare: 0,
          evidence: [measured('rows', Math.max(row.liveRows, row.rows), '1', 'pg_stat_get_live_tuples')] as const,
          costIfIgnored: 'A crash of the server empties it without a message.',
          fix: {
            title: `Make ${object.name} logged, if its rows matter`,
            text: 'It writes the whole table to the log once, under an exclusive lock.',
            up: `ALTER TABLE ${object.name} SET LOGGED;`,
            down: `ALTER TABLE ${object.name} SET UNLOGGED;`,
          },
        };
      });
    return { complaints, otherwise: `${counted(unlogged.length, 'unlogged table')}, none with rows` };
  },
});

import { milliseconds, percent } from '../../../finding/wording.ts';
import { quoteIdentifier } from '../../../ports/index-sql.ts';
import { counted, defineCheck, measured } from './check.ts';

/** From half on, the rest would have to run twice as slow without compiled expressions for jit to have been worth it. */
const wastefulShare = 0.5;
const noticedShare = 0.01;

export const jitOverhead = defineCheck({
  id: 'database/jit-overhead',
  title: 'Compiling takes longer than running',
  documentation: {
    what: 'Statements spend more time on compiling their expressions to machine code than on everything else.',
    why: 'The planner decides by its cost estimate; where that is too high, a statement of milliseconds is compiled for a hundred, every time it runs.',
    threshold:
      'Statements that take at least a hundredth of all database time and spend half of theirs or more in jit: what is left would have to run twice as slow without it for jit to have been worth while.',
    fix: 'Switch jit off for this database, or raise jit_above_cost above the cost of these statements.',
    falsePositives:
      'It is not a defect where the same setting makes long reports faster by more: then set it for the role that serves requests only.',
    sources: ['PostgreSQL manual 30.2 When to JIT?', 'PostgreSQL manual F.32 pg_stat_statements, jit columns'],
  },
  requires: ['postgres.statement-history', 'postgres.configuration', 'postgres.server'],
  examine({ 'postgres.statement-history': history, 'postgres.configuration': settings, 'postgres.server': { database } }) {
    const shown = settings['jit']?.shown ?? 'off';
    const compiled = history.filter(({ jitMs }) => (jitMs ?? 0) > 0);
    const wasteful = compiled.filter(({ jitMs, totalMs, timeShare }) => timeShare >= noticedShare && jitMs! >= wastefulShare * totalMs);
    const isCounted = history.some(({ jitMs }) => jitMs !== null);
    const judged = isCounted
      ? `${counted(compiled.length, 'statement')} compiled, none of weight for half of its time`
      : 'this pg_stat_statements does not count the time spent compiling, as it does from version 1.10 on (PostgreSQL 15)';
    const otherwise = shown === 'on' ? judged : 'jit is off';
    if (shown !== 'on' || wasteful.length === 0) return { complaints: [], otherwise };
    const jitMs = wasteful.reduce((sum, statement) => sum + statement.jitMs!, 0);
    const totalMs = wasteful.reduce((sum, statement) => sum + statement.totalMs, 0);
    const share = wasteful.reduce((sum, { timeShare, ...statement }) => sum + (timeShare * statement.jitMs!) / statement.totalMs, 0);
    const target = quoteIdentifier(database);
    return {
      complaints: [
        {
          object: { type: 'setting', name: 'jit' },
          level: 'warning',
          message: `${counted(wasteful.length, 'statement')} spent ${milliseconds(jitMs)} of ${milliseconds(totalMs)} compiling, ${percent(share)} of all database time`,
          usedShare: share,
          evidence: [
            measured('time compiling', jitMs, 'ms', 'pg_stat_statements'),
            measured('time of these statements', totalMs, 'ms', 'pg_stat_statements'),
            measured('jit_above_cost', settings['jit_above_cost']?.shown ?? 'not known', '', 'pg_settings'),
            ...wasteful.slice(0, 3).map((statement) => measured('statement', statement.text, '', 'pg_stat_statements')),
          ],
          costIfIgnored: `${percent(share)} of all database time goes on being spent on compiling what is run once.`,
          fix: {
            title: 'Switch jit off for this database',
            text: 'It counts for new sessions. Statements that run for seconds may lose a little: where there are such, raise jit_above_cost instead.',
            up: `ALTER DATABASE ${target} SET jit = off;`,
            down: `ALTER DATABASE ${target} RESET jit;`,
          },
        },
      ],
      otherwise,
    };
  },
});

import { percent } from '../../../../finding/wording.ts';
import { defineCheck, measured } from '../../checks/check.ts';

/** What is below a hundredth of the statements would not be reported had it been counted. */
const worthALineShare = 0.01;
/** From here on more is hidden than seen. */
const mostShare = 0.5;

export const uncountedStatements = defineCheck({
  id: 'mysql/uncounted-statements',
  title: 'Prepared statements that no digest counts',
  documentation: {
    what: 'Clients execute statements as prepared ones over the binary protocol (COM_STMT_EXECUTE), which events_statements_summary_by_digest leaves out.',
    why: 'What is not counted cannot be judged: every rule about statements is silent on them, and that silence is no health.',
    threshold:
      'From a hundredth of all statements on: below, each of them would be too small to report. From half on it is a warning, because more is hidden than seen.',
    fix: 'For as long as you want to look, let the driver send text: `query` in place of `execute` (mysql2), `useServerPrepStmts=false` (Connector/J), `interpolateParams=true` (Go), PDO::ATTR_EMULATE_PREPARES.',
    falsePositives:
      'It is not a defect of the application: prepared statements are parsed once, and safe. Rules about indexes are not touched by it, because tables count every read.',
    sources: ['MySQL bug 80173', 'MySQL 8.0 manual 29.12.6.4 The prepared_statements_instances Table'],
  },
  requires: ['mysql.server', 'mysql.statements'],
  examine({ 'mysql.server': { statements, preparedExecutions } }) {
    const share = preparedExecutions / Math.max(statements, 1);
    const seen = `${percent(share)} of the statements since the server started were executed as prepared ones`;
    if (share < worthALineShare) return { complaints: [], otherwise: `${seen}, so nearly all are counted` };
    return {
      complaints: [
        {
          object: { type: 'database', name: 'performance_schema' },
          level: share >= mostShare ? 'warning' : 'note',
          message: `${seen}, which no digest counts: nothing is said of them`,
          usedShare: share,
          evidence: [
            measured('prepared statements executed', preparedExecutions, '1', 'Com_stmt_execute'),
            measured('statements', statements, '1', 'Questions'),
          ],
          costIfIgnored: 'Whatever these statements waste stays unseen.',
          fix: {
            title: 'Send text for as long as you look',
            text: 'With mysql2 use query() in place of execute(); Connector/J: useServerPrepStmts=false; Go: interpolateParams=true; PDO: ATTR_EMULATE_PREPARES.',
            up: null,
          },
        },
      ],
      otherwise: '',
    };
  },
});

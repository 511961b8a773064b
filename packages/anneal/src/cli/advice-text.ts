import type { AdviceReport } from '../index.ts';
import { bytes, duration, quantity } from '../report/format.ts';

/** The advice as a person reads it: what to build, what it gives and takes, what to drop, what was not taken and why. */
export function adviceText(report: AdviceReport): string {
  const { unit, costBefore, costAfter, upkeep, proposals, drops, otherSettings, rejections, gaps } = report;
  const worth = (value: number) => (unit === 'ms' ? duration(value) : `${quantity(value)} units of plan cost`);
  const left = costBefore > 0 ? (100 * (costAfter + upkeep)) / costBefore : 100;
  const lines = [
    `${proposals.length} index${proposals.length === 1 ? '' : 'es'} to build, ${drops.length} to drop. Predicted, not measured: plan costs rank, they do not promise.`,
    `${report.statements.planned} statements cost ${worth(costBefore)}; with the indexes ${worth(costAfter)}, and ${worth(upkeep)} to keep them up: ${left.toFixed(1)} % is left.`,
    `${bytes(report.sizeBytes)} of ${bytes(report.budgetBytes)}; ${report.plans.toLocaleString('en')} plans asked of ${engines[report.engine]}.`,
  ];
  for (const [at, proposal] of proposals.entries()) {
    const { gain, sizeBytes, build, effects, risks, assumptions } = proposal;
    lines.push(
      '',
      `${at + 1}. ${proposal.sql}${proposal.acceptance === 'needs-trial' ? '   [needs a trial]' : ''}`,
      `   saves ${worth(gain)}; takes ${bytes(sizeBytes)}${build === null ? '' : `, about ${duration(build.buildMs)} to build`}; ${writing(proposal.upkeep, worth)}`,
      `   order: ${proposal.reason}`,
      ...effects.slice(0, shownEffects).map(({ text, costWithout, costWith, gain: own }) => {
        const verb = own < 0 ? 'loses' : 'gains';
        return `   ${verb} ${worth(Math.abs(own))} (cost ${quantity(costWithout)} to ${quantity(costWith)}): ${oneLine(text)}`;
      }),
      ...(effects.length > shownEffects ? [`   and ${effects.length - shownEffects} more statements (--json lists them)`] : []),
      ...risks.map((risk) => `   risk: ${risk}; plan costs are known to mislead here, so prove it with a trial`),
      ...assumptions.map((assumption) => `   assumed: ${assumption}`),
    );
  }
  for (const { sql, why, evidence, sizeBytes, loss } of drops) {
    lines.push(
      '',
      `drop: ${sql}   (${why}, frees ${bytes(sizeBytes)}${loss === null ? '' : `, costs the workload ${worth(Math.max(0, loss))}`})`,
      ...evidence.map((sentence) => `   ${sentence}`),
    );
  }
  for (const { settings, reason, costBefore: before, costAfter: after, added, removed } of otherSettings) {
    const named = (definitions: typeof added) =>
      definitions.map(({ table, keys }) => `${table}(${keys.join(', ')})`).join(', ') || 'nothing';
    lines.push(
      '',
      `under ${Object.entries(settings)
        .map(([name, value]) => `${name} = ${value}`)
        .join(
          ', ',
        )}: ${((100 * after) / Math.max(before, Number.MIN_VALUE)).toFixed(1)} % would be left; it adds ${named(added)} and leaves out ${named(removed)}`,
      `   ${reason}`,
    );
  }
  for (const { definition, sentence } of rejections) {
    lines.push('', `why not ${definition.table}(${definition.keys.join(', ')})? ${sentence}`);
  }
  if (gaps.length > 0) lines.push('', ...gaps.map((gap) => `gap: ${gap}`));
  return `${lines.join('\n')}\n`;
}

const engines: Readonly<Record<AdviceReport['engine'], string>> = {
  shadow: 'a shadow of the database',
  hypopg: 'the database with HypoPG',
  built: 'a scratch copy on which indexes were built',
};

const shownEffects = 4;

function writing(upkeep: AdviceReport['proposals'][number]['upkeep'], worth: (value: number) => string): string {
  if (upkeep.rows === 0) return 'no write of the workload touches it';
  const lost = upkeep.lostHeapOnlyRows > 0 ? `, and ${quantity(upkeep.lostHeapOnlyRows)} updates would no longer be heap-only` : '';
  return `writes pay ${worth(upkeep.cost)}, ${bytes(upkeep.walBytesPerRow)} of log a row${lost}`;
}

function oneLine(text: string): string {
  const flat = text
    .replaceAll(/--[^\n]*/gu, ' ')
    .replaceAll(/\s+/gu, ' ')
    .trim();
  return flat.length > 110 ? `${flat.slice(0, 107)}...` : flat;
}

import type { Assessment, Window } from '../assessment.ts';
import { shareBar } from '../charts.ts';
import { bytes, duration, quantity, share } from '../format.ts';
import { markup, nothing, type Insertable, type Markup } from '../markup.ts';
import { quantileUs, type HistogramData } from '../../stats/histogram.ts';
import { windowWords } from '../story.ts';
import { waitCells, waitExplanation, waitHeadings } from '../waits.ts';
import { bullets, code, known, section, table } from './elements.ts';

/** Enough for a page; report.json has the rest. */
const mostRows = 25;

export function traffic({ windows }: Assessment): Markup {
  return section(
    'traffic',
    'Where the time goes',
    windows.length === 0 ? markup`<p>Nothing was measured.</p>` : windows.map((window) => windowPart(window, windows.length > 1)),
  );
}

function windowPart(window: Window, isOneOfMany: boolean): Markup {
  const { load, routes, statements, pools, runtime } = window;
  return markup`${isOneOfMany ? markup`<h3>${window.title}</h3>` : ''}
<p>${windowWords(window)}</p>
${load === null || load.validity.problems.length === 0 ? nothing : bullets(load.validity.problems)}
${table(
  'Routes by share of request time',
  [
    'Route',
    'Share of request time',
    { figures: 'Requests' },
    { figures: 'p50' },
    { figures: 'p95' },
    { figures: 'p99' },
    { figures: 'In queries' },
    { figures: 'Errors' },
  ],
  routes
    .slice(0, mostRows)
    .map((route) => [
      code(route.route),
      markup`${shareBar(route.timeShare)} ${share(route.timeShare)}`,
      quantity(route.requests),
      ...quantiles(route.durationUs),
      route.totalMs === 0 ? '' : share(route.queryMs / route.totalMs),
      quantity(route.errors),
    ]),
)}
${table(
  'What the time of a request goes on',
  ['Route', ...waitHeadings.map((heading) => ({ figures: heading }))],
  routes.slice(0, mostRows).map((route) => [code(route.route), ...waitCells(route, share)]),
)}
${routes.length === 0 ? nothing : markup`<p>${waitExplanation}</p>`}
${table(
  'Statements by share of database time',
  [{ sentences: 'Statement' }, 'Share of database time', { figures: 'Calls' }, { figures: 'Per call' }, { figures: 'Rows per call' }],
  statements
    .slice(0, mostRows)
    .map((statement) => [
      markup`<code>${statement.text}</code><br><span class="known">${statement.locations.join(', ') || 'no line known'}</span>`,
      markup`${shareBar(statement.timeShare)} ${share(statement.timeShare)}`,
      quantity(statement.calls),
      duration(statement.calls === 0 ? 0 : statement.totalMs / statement.calls),
      quantity(statement.calls === 0 ? 0 : statement.rows / statement.calls),
    ]),
)}
${table(
  'Connection pools',
  [
    'Pool',
    { figures: 'Size' },
    { figures: 'Most in use' },
    { figures: 'Checkouts' },
    { figures: 'Waited' },
    { figures: 'Wait p95' },
    { figures: 'Held p95' },
  ],
  pools.map((pool) => [
    code(pool.name),
    quantity(pool.max),
    quantity(pool.peakInUse),
    quantity(pool.checkouts),
    quantity(pool.waits),
    duration(quantileUs(pool.waitUs, 0.95) / 1000),
    duration(quantileUs(pool.heldUs, 0.95) / 1000),
  ]),
)}
${
  runtime === null
    ? nothing
    : markup`<p>Process: ${duration(runtime.cpuMs)} of CPU in ${duration(runtime.windowMs)}, event loop busy ${share(runtime.eventLoopUtilizationShare)}, its delay p99 ${duration(
        quantileUs(runtime.eventLoopDelayUs, 0.99) / 1000,
      )}, ${duration(runtime.gcMs)} of garbage collection, ${bytes(runtime.residentBytes)} resident. ${known('measured')}</p>`
}`;
}

function quantiles(histogram: HistogramData): readonly Insertable[] {
  return [0.5, 0.95, 0.99].map((q) => duration(quantileUs(histogram, q) / 1000));
}

import { createHash } from 'node:crypto';
import type { Assessment } from './assessment.ts';
import { duration, moment } from './format.ts';
import { markup, type Markup } from './markup.ts';
import { findings } from './page/findings.ts';
import { limits, reproduction } from './page/limits.ts';
import { isBrought } from './story.ts';
import { pageStyle } from './page/style.ts';
import { beforeAndAfter, summary, worth } from './page/summary.ts';
import { traffic } from './page/traffic.ts';
import { costAndUndo, predictions, rolledBack, trials } from './page/trials.ts';
import { withoutCredentials } from './redaction.ts';

interface Section {
  readonly title: string;
  readonly render: (assessment: Assessment) => Markup;
  /** Left out where nothing was tried: five ways of saying so would hide what there is. */
  readonly ofTrials?: true;
  /** Left out where the change was somebody's own: nothing was found, predicted or rolled back. */
  readonly ofRemedies?: true;
}

/** Every section of the page by its anchor, in the order of a reader's questions. */
const sections: Readonly<Record<string, Section>> = {
  summary: { title: 'Summary', render: summary },
  'before-after': { title: 'Before and after', render: beforeAndAfter, ofTrials: true },
  worth: { title: 'Worth', render: worth, ofTrials: true },
  findings: { title: 'Findings', render: findings, ofRemedies: true },
  trials: { title: 'Trials', render: trials, ofTrials: true },
  'rolled-back': { title: 'Not kept', render: rolledBack, ofTrials: true, ofRemedies: true },
  predictions: { title: 'Predictions', render: predictions, ofTrials: true, ofRemedies: true },
  traffic: { title: 'Traffic', render: traffic },
  cost: { title: 'Cost', render: costAndUndo, ofTrials: true, ofRemedies: true },
  limits: { title: 'Limits', render: limits },
  reproduce: { title: 'Reproduce', render: reproduction },
};

/** The anchors of the sections that an assessment's page has. */
export function sectionIds({ trials }: Pick<Assessment, 'trials'>): readonly string[] {
  const isLeftOut = ({ ofTrials, ofRemedies }: Section) =>
    (ofTrials === true && trials.length === 0) || (ofRemedies === true && trials.some(isBrought));
  return Object.keys(sections).filter((id) => !isLeftOut(sections[id]!));
}

/**
 * The whole report as one file that opens from disk: no script, no font, no request. Its policy allows the one style
 * it carries and nothing else, so that even an injection that got past the escaping could do nothing.
 */
export function renderHtml(given: Assessment): string {
  const assessment = withoutCredentials(given);
  const { run, target } = assessment;
  const shown = sectionIds(assessment);
  const styleHash = createHash('sha256').update(pageStyle).digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${styleHash}'; img-src data:; base-uri 'none'; form-action 'none'`;
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>${target.name}: Anneal report of ${run.startedAt.slice(0, 10)}</title>
<style>${{ markup: pageStyle }}</style>
</head>
<body>
<a class="skip" href="#summary">Skip to the summary</a>
<header>
<p class="mark">Anneal</p>
<h1>${target.name}</h1>
<p class="facts">${run.command} · ${moment(run.startedAt)} · took ${duration(run.durationMs)} · run ${run.id}</p>
<nav aria-label="Sections">${shown.map((id) => markup`<a href="#${id}">${sections[id]!.title}</a>`)}</nav>
</header>
<main>
${shown.map((id) => sections[id]!.render(assessment))}
</main>
<footer>Written by Anneal ${run.annealVersion}. Every number says whether it was measured, predicted or assumed; intervals stand with their level.</footer>
</body>
</html>
`;
  return page.markup;
}

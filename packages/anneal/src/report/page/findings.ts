import type { AssessedFinding, Assessment } from '../assessment.ts';
import { evidenceValue, interval, share } from '../format.ts';
import { markup, prose, type Markup } from '../markup.ts';
import { patchWords } from '../patches.ts';
import { capital, impactWords, placeOf, standingWords, type Tone } from '../story.ts';
import { block, bullets, code, figures, fold, known, section, table, tag } from './elements.ts';

export function findings(assessment: Assessment): Markup {
  const { findings, run } = assessment;
  const looksForNothing = run.command === 'measure' || run.command === 'load' || run.command === 'try';
  return section(
    'findings',
    'Findings',
    findings.length === 0
      ? markup`<p>${prose(looksForNothing ? 'This command only measures; `anneal diagnose` looks for causes.' : 'No rule found anything; the limits below say which rules had no data.')}</p>`
      : findings.map((finding) => findingFold(finding, assessment)),
  );
}

const standingTones: Readonly<Record<AssessedFinding['standing'], Tone | ''>> = {
  confirmed: 'good',
  refuted: '',
  undecided: 'open',
  proposed: 'open',
  suppressed: '',
};

function findingFold(finding: AssessedFinding, assessment: Assessment): Markup {
  const { proposal, subject, locations, trialId, patch } = finding;
  return fold(
    {
      title: markup`<span class="share">${share(finding.requestTimeShare)}</span>${finding.message}`,
      end: tag(finding.standing, standingTones[finding.standing]),
      where: `${finding.level} · ${finding.ruleId} · ${placeOf(finding)}`,
    },
    markup`<p>${capital(impactWords(finding.impact))} ${known('measured')}</p>`,
    markup`<p><b>${capital(finding.standing)}.</b> ${standingWords(finding, assessment)}${
      trialId === null ? '' : markup` <a href="#trial-${trialId}">See the trial.</a>`
    }</p>`,
    subject.kind === 'statement' ? block(subject.text) : '',
    locations.length > 1 ? bullets(locations.map((location) => code(placeOf({ subject, locations: [location] })))) : '',
    table(
      'Evidence',
      ['Evidence', { figures: 'Value' }, 'How known', 'Source'],
      finding.evidence.map(({ label, value, unit, provenance, source }) => [label, evidenceValue(value, unit), known(provenance), source]),
    ),
    markup`<p>If nothing is done: ${prose(finding.costIfIgnored)}</p>`,
    markup`<p><b>${proposal.title}.</b> ${prose(proposal.text)}${
      proposal.expected === null ? '' : markup` Expected: ${figures(interval(proposal.expected))} ${known('predicted')}`
    }</p>`,
    proposal.code === null ? '' : block(proposal.code),
    proposal.patch === undefined
      ? ''
      : markup`<p>As a patch: ${proposal.patch.title}. ${patch === undefined ? '' : markup`${patchWords(patch, assessment)} ${code(patch.file)}`}${
          patch === undefined || patch.trialId === null || patch.trialId === trialId
            ? ''
            : markup` <a href="#trial-${patch.trialId}">See its trial.</a>`
        }</p>${block(proposal.patch.diff)}`,
  );
}

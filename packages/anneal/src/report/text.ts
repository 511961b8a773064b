import type { Assessment } from './assessment.ts';

export function renderText(assessment: Assessment, _stream: NodeJS.WriteStream): string {
  return `${JSON.stringify(assessment.summary, null, 2)}\n`;
}

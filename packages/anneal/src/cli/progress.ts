import { styleText } from 'node:util';
import type { Progress } from '../ports/progress.ts';

/** Not a terminal: a line at most this often, so that a log shows life without filling up. */
const quietUpdateMs = 10_000;

type Color = 'dim' | 'green' | 'yellow' | 'bold';

/** Progress on stderr: one live line on a terminal, plain lines elsewhere, nothing when quiet. */
export function terminalProgress(stream: NodeJS.WriteStream, options: { readonly quiet: boolean }): Progress {
  const isLive = stream.isTTY && process.env['CI'] === undefined;
  const paint = (color: Color, text: string) => styleText(color, text, { stream });
  let stageTitle = '';
  let stageStartedAt = performance.now();
  let lastLineAt = 0;

  const elapsed = () => `${((performance.now() - stageStartedAt) / 1000).toFixed(0)} s`;
  const eraseLine = () => {
    if (isLive) stream.write('\r\u001B[2K');
  };
  if (options.quiet) return { stage() {}, update() {}, note() {} };

  return {
    stage(title) {
      eraseLine();
      stageTitle = title;
      stageStartedAt = performance.now();
      lastLineAt = stageStartedAt;
      stream.write(`${paint('bold', '>')} ${title}${isLive ? '' : '\n'}`);
    },
    update(share, detail) {
      const percent = share === null ? '' : ` ${Math.round(share * 100)} %`;
      const line = `${percent}${detail === undefined ? '' : ` ${detail}`} (${elapsed()})`;
      if (isLive) {
        eraseLine();
        stream.write(`${paint('bold', '>')} ${stageTitle}${paint('dim', line)}`.slice(0, 400));
      } else if (performance.now() - lastLineAt >= quietUpdateMs) {
        lastLineAt = performance.now();
        stream.write(`  ${line.trim()}\n`);
      }
    },
    note(message, level = 'info') {
      eraseLine();
      const mark = { info: '  ', good: paint('green', '  + '), warning: paint('yellow', '  ! ') }[level];
      stream.write(`${mark}${message}\n`);
    },
  };
}

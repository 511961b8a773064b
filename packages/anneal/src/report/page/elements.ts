import type { Provenance } from '../../stats/estimate.ts';
import { markup, nothing, type Insertable, type Markup } from '../markup.ts';
import type { Tone } from '../story.ts';

/** A column's title; one of figures stands at the right, one of sentences keeps the room they need. */
export type Column = string | { readonly figures: string } | { readonly sentences: string };

/** A table that scrolls inside its own frame where the page is narrow. Without rows it is nothing. */
export function table(label: string, columns: readonly Column[], rows: readonly (readonly Insertable[])[]): Markup {
  if (rows.length === 0) return nothing;
  const title = (column: Column) => (typeof column === 'string' ? column : 'figures' in column ? column.figures : column.sentences);
  const attribute = (column: Column) =>
    typeof column === 'string' ? '' : 'figures' in column ? markup` class="n"` : markup` class="wide-text"`;
  return markup`<div class="scroll" role="region" aria-label="${label}" tabindex="0"><table>
<thead><tr>${columns.map((column) => markup`<th scope="col"${attribute(column)}>${title(column)}</th>`)}</tr></thead>
<tbody>${rows.map((row) => markup`<tr>${row.map((cell, index) => markup`<td${attribute(columns[index]!)}>${cell}</td>`)}</tr>\n`)}</tbody>
</table></div>`;
}

export function section(id: string, title: string, ...content: readonly Insertable[]): Markup {
  return markup`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>\n${content}</section>\n`;
}

/** Drawn twice, for a wide and for a narrow screen; the style shows one. `wide` is the room a page of 1040 pixels leaves. */
export function figure(caption: Insertable, draw: (width: number) => Markup, wide = 984): Markup {
  return markup`<figure><figcaption>${caption}</figcaption><div class="wide">${draw(wide)}</div><div class="narrow">${draw(352)}</div></figure>\n`;
}

export function key(kind: string, words: string): Markup {
  return markup`<span class="key ${kind}">${words}</span>`;
}

export function tag(words: string, tone: Tone | '' = ''): Markup {
  return markup`<span class="tag ${tone}">${words}</span>`;
}

export function known(provenance: Provenance): Markup {
  return markup`<span class="known">${provenance}</span>`;
}

/** Figures that belong together stay on one line. */
export function figures(text: string): Markup {
  return markup`<span class="figures">${text}</span>`;
}

export function code(text: string): Markup {
  return markup`<code>${text}</code>`;
}

export function block(text: string): Markup {
  return markup`<pre><code>${text}</code></pre>`;
}

export function bullets(lines: readonly Insertable[]): Markup {
  return lines.length === 0 ? nothing : markup`<ul>${lines.map((line) => markup`<li>${line}</li>`)}</ul>`;
}

/** What opens on a click. `where` is a second line of the closed form. */
export function fold(
  options: { readonly id?: string; readonly title: Insertable; readonly end?: Insertable; readonly where?: Insertable },
  ...content: readonly Insertable[]
): Markup {
  const { id, title, end = '', where } = options;
  return markup`<details${id === undefined ? '' : markup` id="${id}"`}><summary><span class="title">${title}</span>${end}${
    where === undefined ? '' : markup`<span class="where">${where}</span>`
  }</summary><div class="inside">${content}</div></details>\n`;
}

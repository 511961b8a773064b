/** Text that is HTML or SVG already. Only `markup` makes it, so that nothing of the target can be it by accident. */
export interface Markup {
  readonly markup: string;
}

export type Insertable = string | number | null | Markup | readonly Insertable[];

/** A template whose insertions are escaped unless they are markup themselves; `null` inserts nothing, lists are joined. */
export function markup(parts: TemplateStringsArray, ...values: readonly Insertable[]): Markup {
  return { markup: parts.reduce((whole, part, index) => whole + insert(values[index - 1] ?? null) + part) };
}

export const nothing: Markup = { markup: '' };

/** Sentences of rules and remedies, in which `backticks` mean code. */
export function prose(text: string): Markup {
  const parts = text.split(/(`[^`]+`)/u);
  return markup`${parts.map((part) => (/^`[^`]+`$/u.test(part) ? markup`<code>${part.slice(1, -1)}</code>` : part))}`;
}

function insert(value: Insertable): string {
  if (value === null) return '';
  if (typeof value === 'string') return escape(value);
  if (typeof value === 'number') return String(value);
  return 'markup' in value ? value.markup : value.map(insert).join('');
}

/** For text and for quoted attributes alike. Line breaks stay; other control characters and those that turn text around go. */
function escape(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, (character) => (character === '\n' || character === '\t' ? character : ''))
    .replaceAll(/[&<>"']/gu, (character) => `&#${character.charCodeAt(0)};`);
}

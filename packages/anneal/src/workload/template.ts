/** A path or a JSON body with `{variable}` holes, parsed once and rendered per request. */
export interface Template {
  readonly variables: readonly string[];
  render(values: Values): string;
}

/** A variable's value is a string or a number; a captured one may be any JSON. */
export type Values = Readonly<Record<string, unknown>>;

/** Values are URL-encoded, so that a slash or a `&` in one cannot become part of the URL's structure. */
export function pathTemplate(path: string): Template {
  return template(path, /\{(?<name>[A-Za-z_]\w*)\}/g, (value) => encodeURIComponent(asText(value)));
}

/**
 * Holes are looked for in the serialised JSON: a brace directly before a name exists only inside its
 * strings. A string that is one hole becomes the value itself, quotes included, unless it is a key.
 */
export function jsonTemplate(body: unknown): Template {
  const hole = /(?<!\\)"\{(?<whole>[A-Za-z_]\w*)\}"(?!:)|\{(?<name>[A-Za-z_]\w*)\}/g;
  return template(JSON.stringify(body), hole, (value, whole) =>
    whole ? JSON.stringify(value) : JSON.stringify(asText(value)).slice(1, -1),
  );
}

function template(text: string, hole: RegExp, encode: (value: unknown, whole: boolean) => string): Template {
  const holes: { readonly variable: string; readonly whole: boolean; readonly textAfter: string }[] = [];
  const matches = [...text.matchAll(hole)];
  matches.forEach((match, index) => {
    const { whole, name } = match.groups as { readonly whole?: string; readonly name?: string };
    const textAfter = text.slice(match.index + match[0].length, matches[index + 1]?.index);
    holes.push({ variable: (whole ?? name)!, whole: whole !== undefined, textAfter });
  });
  const textBefore = text.slice(0, matches[0]?.index);
  return {
    variables: [...new Set(holes.map(({ variable }) => variable))],
    render(values) {
      let rendered = textBefore;
      for (const { variable, whole, textAfter } of holes) rendered += encode(values[variable], whole) + textAfter;
      return rendered;
    },
  };
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

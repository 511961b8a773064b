const types = ['interval', 'date', 'uuid', 'inet', 'timestamptz', 'timetz', '(?:timestamp|time)(?:\\s+with(?:out)?\\s+time\\s+zone)?'];

/** Not behind a dot or a quote: then the word is a column's. */
const typedParameter = new RegExp(`(?<![\\w."])(${types.join('|')})\\s+(\\$\\d+)`, 'giu');

/**
 * A statement as pg_stat_statements tells it, in a form that can be planned. It puts a parameter where a constant stood, and where
 * the constant had its type in front (`interval '1 day'`; manual, 4.1.2.7) what comes out, `interval $1`, is no SQL.
 */
export function withTypedParameters(text: string): string {
  return text.replaceAll(typedParameter, 'CAST($2 AS $1)');
}

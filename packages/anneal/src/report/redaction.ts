/**
 * The last net before anything is written: a credential that reached a text after all (a start command with a
 * token in it, a URL in an error message) is blanked. Only shapes that nothing else has, so that SQL and code
 * come through as they are; parameters, headers and bodies are kept out where they are read, not here.
 */
export function redact(text: string): string {
  return credentialShapes.reduce((clean, [shape, replacement]) => clean.replaceAll(shape, replacement), text);
}

/** The same value with every text in it redacted; every renderer begins with it, because escaping hides a shape. */
export function withoutCredentials<Value>(value: Value): Value {
  return clean(value) as Value;
}

function clean(value: unknown): unknown {
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map(clean);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, clean(entry)]));
}

const credentialShapes: readonly (readonly [shape: RegExp, replacement: string])[] = [
  // RFC 3986, section 3.2.1: user information in front of the host.
  [/([a-z][a-z\d+.-]*:\/\/[^\s:/@]*):[^\s/@]+@/gi, '$1:***@'],
  [/\b(Bearer|Basic)\s+[\w~+/.-]{8,}=*/g, '$1 ***'],
  // RFC 7519: a JSON object in base64url begins with eyJ.
  [/\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*/g, '***'],
  [
    /\b((?:[A-Z\d]+_)*(?:PASSWORD|PASSWD|SECRET|TOKEN|APIKEY|API_KEY|ACCESS_KEY|PRIVATE_KEY)(?:_[A-Z\d]+)*)=("[^"]*"|'[^']*'|\S+)/g,
    '$1=***',
  ],
  [/(--?(?:password|passwd|secret|token|api-?key))([= ])("[^"]*"|'[^']*'|\S+)/gi, '$1$2***'],
  // What well-known issuers write in front so that scanners find them.
  [/\b(?:sk-|sk_live_|rk_live_|gh[opsur]_|github_pat_|glpat-|xox[abprs]-|AKIA)[\w-]{12,}/g, '***'],
];

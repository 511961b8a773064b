import { asJson, isRecord, noTraffic, type RecordedRequest, type TrafficFormat } from './traffic-format.ts';

/** Common and combined log format: what nginx, Apache, HAProxy (`option httplog clf`) and most servers write unless told otherwise. */
const combinedLine = /^\S+ \S+ (?<user>\S+) \[(?<time>[^\]]+)\] "(?<method>[A-Z]+) (?<target>\S+)(?: HTTP\/[\d.]+)?" (?<status>\d{3}) /;

/** `10/Oct/2026:13:55:36 +0200` */
const clfTime = /^(?<day>\d{2})\/(?<month>\w{3})\/(?<year>\d{4}):(?<clock>\d{2}:\d{2}:\d{2}) (?<zone>[+-]\d{2})(?<minutes>\d{2})$/;

export const accessLog: TrafficFormat = {
  id: 'access-log',
  title: 'access log: common, combined, or one JSON object per line',
  recognises(_name, text) {
    return text.split('\n', 5).some((line) => requestOfLine(line) !== null);
  },
  read(text) {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    const found = lines.map(requestOfLine);
    const recorded = found.filter((request) => request !== null);
    if (recorded.length === 0) throw new Error('none of its lines is a request in common, combined or JSON form');
    const unread = lines.length - recorded.length;
    const whole = recorded.every(({ atMs }) => atMs === null || atMs % 1000 === 0);
    return {
      ...noTraffic,
      recorded: whole ? spreadWithinSeconds(recorded) : recorded,
      problems: [
        ...(unread > 0 ? [`${unread} of ${lines.length} lines are no requests and were left out`] : []),
        ...(whole ? ['its times are whole seconds: the requests of a second are spread evenly over it'] : []),
      ],
    };
  },
};

function requestOfLine(line: string): RecordedRequest | null {
  return line.trimStart().startsWith('{') ? fromJson(line) : fromCombined(line);
}

function fromCombined(line: string): RecordedRequest | null {
  const groups = combinedLine.exec(line)?.groups;
  if (groups === undefined) return null;
  const atMs = clfMs(groups['time']!);
  return atMs === null
    ? null
    : request(atMs, groups['method']!, groups['target']!, Number(groups['status']), groups['user'] !== '-' && groups['user'] !== '""');
}

function clfMs(text: string): number | null {
  const groups = clfTime.exec(text)?.groups;
  if (groups === undefined) return null;
  const { day, month, year, clock, zone, minutes } = groups;
  const ms = Date.parse(`${day} ${month} ${year} ${clock} GMT${zone}${minutes}`);
  return Number.isNaN(ms) ? null : ms;
}

/**
 * Names under which JSON access logs keep what is needed: nginx's usual `log_format`, Apache, Caddy,
 * Traefik, Envoy, pino-http, morgan and ECS. A dot goes into an object, or stands in the name itself.
 */
const names = {
  time: ['time', 'timestamp', '@timestamp', 'ts', 'time_iso8601', 'msec', 'time_local', 'StartUTC', 'start_time', 'date'],
  method: ['method', 'request_method', 'req.method', 'request.method', 'RequestMethod', 'http.request.method', 'httpRequest.requestMethod'],
  target: [
    'request_uri',
    'url',
    'uri',
    'path',
    'req.url',
    'request.uri',
    'RequestPath',
    'url.original',
    'httpRequest.requestUrl',
    'target',
  ],
  status: ['status', 'status_code', 'res.statusCode', 'OriginStatus', 'DownstreamStatus', 'response_code', 'http.response.status_code'],
  user: ['remote_user', 'user', 'ClientUsername', 'user_id'],
  line: ['request'],
} as const;

function fromJson(line: string): RecordedRequest | null {
  const entry = asJson(line);
  if (!isRecord(entry)) return null;
  const [method, target] = [textAt(entry, names.method), textAt(entry, names.target)];
  const [lineMethod, lineTarget] = textAt(entry, names.line)?.split(' ') ?? [];
  const atMs = timeMs(valueAt(entry, names.time));
  const status = Number(valueAt(entry, names.status));
  const sentMethod = method ?? lineMethod;
  const sentTarget = target ?? lineTarget;
  if (atMs === null || sentMethod === undefined || sentTarget === undefined) return null;
  const user = textAt(entry, names.user);
  return request(
    atMs,
    sentMethod,
    sentTarget,
    Number.isInteger(status) && status > 0 ? status : null,
    user !== null && user !== '' && user !== '-',
  );
}

/** ISO 8601 or common log form; numbers are seconds since 1970 when they are too small to be milliseconds. */
function timeMs(value: unknown): number | null {
  const number = typeof value === 'number' ? value : typeof value === 'string' && /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isNaN(number)) return Math.round(number < 1e11 ? number * 1000 : number);
  if (typeof value !== 'string') return null;
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? clfMs(value) : ms;
}

function request(atMs: number, method: string, target: string, status: number | null, hadCredentials: boolean): RecordedRequest | null {
  const url = URL.parse(target, 'http://unknown.invalid');
  if (url === null || !/^[A-Za-z]+$/.test(method)) return null;
  const origin = url.hostname === 'unknown.invalid' ? null : url.origin;
  return { atMs, method: method.toUpperCase(), target: `${url.pathname}${url.search}`, origin, status, hadCredentials };
}

function valueAt(entry: Readonly<Record<string, unknown>>, candidates: readonly string[]): unknown {
  for (const name of candidates) {
    const value = entry[name] ?? name.split('.').reduce<unknown>((inner, key) => (isRecord(inner) ? inner[key] : undefined), entry);
    if (value !== undefined && value !== null && !isRecord(value)) return value;
  }
  return undefined;
}

function textAt(entry: Readonly<Record<string, unknown>>, candidates: readonly string[]): string | null {
  const value = valueAt(entry, candidates);
  return typeof value === 'string' ? value : null;
}

/** A second's requests in the middle of its equal parts: the log does not know better, and all at once would be a burst that never was. */
function spreadWithinSeconds(requests: readonly RecordedRequest[]): readonly RecordedRequest[] {
  const seconds = Map.groupBy(requests, ({ atMs }) => atMs);
  return [...seconds].flatMap(([atMs, together]) =>
    together.map((request, index) => ({
      ...request,
      atMs: atMs === null ? null : atMs + Math.floor(((index + 0.5) * 1000) / together.length),
    })),
  );
}

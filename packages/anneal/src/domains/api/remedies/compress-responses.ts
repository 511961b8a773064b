import { shareOf } from '../../../finding/request-time.ts';
import { bytes, percent } from '../../../finding/wording.ts';
import { defineRemedy } from '../../../remedy/remedy.ts';
import { quantileUs } from '../../../stats/histogram.ts';
import { routeOf } from '../call-sites.ts';
import { carriedOutByAgent } from '../policy-remedy.ts';

/** A type, not an interface, so that it is Json. */
export type CompressResponsesPlan = {
  readonly route: string;
  readonly minimumBytes: number;
};

const id = 'api/compress-responses';

/** As the rule has it: what a server sends before it hears from the client again (RFC 6928). */
const firstFlightBytes = 14_600;

/** Of CPU, for compressing a megabyte of JSON as the policy does it; own measurement, 13 (Brotli at 4) to 18 (gzip at 6). */
const msPerMegabyte = 20;

export const compressResponses = defineRemedy<CompressResponsesPlan>({
  id,
  title: 'Compress long answers',
  addresses: ['api/uncompressed-response'],
  scope: 'process',
  risk: 'low',
  effort: 'none',
  // The same representation in another coding that the client asked for; the trial compares answers decoded.
  contract: 'transparent',

  async plan(finding, { measurement }) {
    const route = routeOf(measurement, finding.subject.kind === 'route' ? finding.subject.route : null);
    return route === null || route.method !== 'GET' ? null : { route: route.route, minimumBytes: firstFlightBytes };
  },

  async explainRefusal(finding) {
    return finding.subject.kind === 'route' && finding.subject.route.startsWith('GET ')
      ? 'the route was not observed'
      : 'only answers to GET are compressed in flight';
  },

  async predict(plan, _finding, { measurement }) {
    const answers = routeOf(measurement, `GET ${plan.route}`)?.answers ?? null;
    const kept = answers === null ? 1 : shareOf(answers.sampledCompressedBytes, answers.sampledBytes);
    const spared = answers === null ? 0 : shareOf(answers.uncompressedBytes, answers.bodyBytes) * (1 - kept);
    return {
      // Of this route alone: beside everything else that is answered, how often chance asks for it would outweigh what is saved.
      metric: `response.bytes:GET ${plan.route}`,
      // A few answers were compressed to know: the others may hold a fifth more or less that repeats.
      change: { point: -spared, lower: -Math.min(spared * 1.2, 0.99), upper: -spared * 0.8, confidenceLevel: 0.95 },
      model: 'amdahl',
      assumptions: [
        `${percent(1 - kept)} of such an answer goes, as of the ${bytes(answers?.sampledBytes ?? 0)} that were compressed to see it`,
        'clients go on asking for compressed answers as they did',
      ],
    };
  },

  toggles: policyId,

  /**
   * Compressing costs CPU by design, and the answer waits for it. What the clients gain is not to be seen beside the server:
   * every flight of packets that is spared is a round trip to them, and few of those take less than the milliseconds spent here.
   * So the guards bear what compressing is expected to take, and no more; twice that where it is one answer's wait, since
   * compressions queue for four threads.
   */
  allowances(plan, measurement) {
    const { 'agent.routes': routes = [], 'agent.runtime': runtime } = measurement.observations;
    const route = routeOf(measurement, `GET ${plan.route}`);
    if (route === null || route.answers === null || runtime === undefined) return {};
    const longShare = shareOf(route.answers.uncompressedBytes, route.answers.bodyBytes);
    const cpuMs = ((route.responseBytes * longShare) / 1e6) * msPerMegabyte;
    const waitMs = 2 * (route.largestResponseBytes / 1e6) * msPerMegabyte;
    const slowest = (share: number) => Math.max(...routes.map(({ durationUs }) => quantileUs(durationUs, share) / 1000), 0.001);
    return { 'cpu.time': cpuMs / Math.max(runtime.cpuMs, 1), 'latency.p95': waitMs / slowest(0.95), 'latency.p99': waitMs / slowest(0.99) };
  },

  ...carriedOutByAgent(id, policyId, policyOf),

  touches: ({ route }) => ({ statementIds: [], routes: [`GET ${route}`], writtenTables: [] }),

  describe(plan) {
    const { route, minimumBytes } = plan;
    return {
      policies: [policyOf(plan)],
      title: `Answers of GET ${route} beyond ${bytes(minimumBytes)} are compressed`,
      sql: null,
      lasting:
        `Register the framework's compression with a threshold of ${minimumBytes} bytes (@fastify/compress, compression, hono/compress, koa-compress), ` +
        'Brotli at quality 4 or gzip, or let the proxy do it.',
      reservations: [
        'It is paid for with CPU, some 13 to 20 ms for a megabyte, on threads beside the event loop; the guards of its trial bear that and no more.',
        'What changes of an answer is its coding: Content-Encoding, Vary, its length, and a strong ETag becomes a weak one. Answers are compared decoded.',
        'An answer that holds a secret and repeats what an attacker can send should not be compressed over TLS (BREACH).',
      ],
    };
  },
});

function policyOf({ route, minimumBytes }: CompressResponsesPlan) {
  return { kind: 'compress-responses', routes: [route], minimumBytes } as const;
}

function policyId({ route }: CompressResponsesPlan): string {
  return `${id}:${route}`;
}

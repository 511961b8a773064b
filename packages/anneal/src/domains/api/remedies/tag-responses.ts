import { shareOf } from '../../../finding/request-time.ts';
import { percent } from '../../../finding/wording.ts';
import { defineRemedy } from '../../../remedy/remedy.ts';
import { routeOf } from '../call-sites.ts';
import { carriedOutByAgent } from '../policy-remedy.ts';

/** A type, not an interface, so that it is Json. */
export type TagResponsesPlan = {
  readonly route: string;
};

const id = 'api/tag-responses';

export const tagResponses = defineRemedy<TagResponsesPlan>({
  id,
  title: 'Answer 304 to clients that have the answer already',
  addresses: ['api/missing-validators'],
  scope: 'process',
  risk: 'low',
  effort: 'none',
  // Whoever does not ask with If-None-Match gets the same answer with one header more.
  contract: 'transparent',
  clientsRevalidate: true,

  async plan(finding, { measurement }) {
    const route = routeOf(measurement, finding.subject.kind === 'route' ? finding.subject.route : null);
    return route === null || route.method !== 'GET' ? null : { route: route.route };
  },

  async predict(plan, _finding, { measurement }) {
    const answers = routeOf(measurement, `GET ${plan.route}`)?.answers ?? null;
    const share = shareOf(answers?.equalRepeatBytes ?? 0, answers?.bodyBytes ?? 0);
    return {
      metric: `response.bytes:GET ${plan.route}`,
      // Half where only every other client keeps what it was given; a fifth more where those that were not looked at repeat more.
      change: { point: -share, lower: -Math.min(share * 1.2, 1), upper: -share / 2, confidenceLevel: 0.95 },
      model: 'amdahl',
      assumptions: [
        `${percent(shareOf(answers?.equalRepeats ?? 0, answers?.reads ?? 0))} of its answers were equal to the one that the same client had before, and go on being so`,
        'clients keep answers by their ETag and ask with If-None-Match, as browsers do',
      ],
    };
  },

  toggles: policyId,

  ...carriedOutByAgent(id, policyId, policyOf),

  touches: ({ route }) => ({ statementIds: [], routes: [`GET ${route}`], writtenTables: [] }),

  describe(plan) {
    const { route } = plan;
    return {
      policies: [policyOf(plan)],
      title: `Answers of GET ${route} have an ETag, and 304 says that they still hold`,
      sql: null,
      lasting:
        'Register @fastify/etag, hono/etag, or koa-etag with koa-conditional-get (Express does it by itself for what it sends with `send` and `json`); ' +
        'with a Cache-Control beside it for as long as an old answer does no harm.',
      reservations: [
        'The clients of its trial keep answers by their tag, as browsers do: a client that keeps nothing saves nothing.',
        'The answer is worked out all the same; what is saved is sending it.',
      ],
    };
  },
});

function policyOf({ route }: TagResponsesPlan) {
  return { kind: 'conditional-responses', routes: [route] } as const;
}

function policyId({ route }: TagResponsesPlan): string {
  return `${id}:${route}`;
}

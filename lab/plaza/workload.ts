import type { Scenario, Step, Variable, Workload } from '../../packages/anneal/src/workload/workload.ts';
import { boardCount, seedCounts, seedPassword } from './src/seed.ts';
import { cameras, mediaTags, places, topicNames, topicSlug } from './src/seed-vocabulary.ts';

/** Rooms that nobody posts to while the workload runs: waiting there ends with an empty answer. */
const quietRooms = { min: boardCount + 1, max: boardCount + 20 };
const busyRooms = { min: boardCount + 21, max: boardCount + 60 };
const sessions = 20;
const eventsPerBatch = 50;

/** The traffic of an ordinary day on a plaza that was seeded at this size. */
export function createPlazaWorkload(size: number): Workload {
  return {
    name: 'plaza',
    seed: 20_250_101,
    executor: { type: 'constant-arrival-rate', ratePerSecond: 40, arrivals: 'poisson' },
    scenarios,
    variables: variablesFor(size),
    login: {
      sessions,
      request: { ...login('member{session}@plaza.example'), authenticated: false },
      token: '$.token',
    },
    thresholds: { http_req_failed: ['rate<0.01'] },
  };
}

function get(path: string): Step {
  return { method: 'GET', path };
}

function login(email: string): Step {
  return { method: 'POST', path: '/login', body: { email, password: seedPassword } };
}

/** Weights against each other; `ratePerSecond` times a weight over their sum (about 2,100) is a scenario's rate. */
const scenarios: readonly Scenario[] = [
  { name: 'read the feed', weight: 200, steps: [get('/feed')] },
  { name: 'read a post', weight: 95, steps: [get('/posts/{post}'), get('/posts/{post}/comments')] },
  { name: 'check notifications', weight: 100, steps: [get('/notifications')] },
  { name: 'browse a topic', weight: 50, steps: [get('/topics/{topic}')] },
  { name: 'look at a member', weight: 95, steps: [get('/users/{member}')] },
  { name: 'browse the archive', weight: 125, steps: [get('/archive?page={page}&before={post}')] },
  { name: 'browse prompts', weight: 130, steps: [get('/prompts?topic={topicId}')] },
  { name: 'open the overview', weight: 120, steps: [get('/overview')] },
  { name: 'list my rooms', weight: 130, steps: [get('/rooms')] },
  { name: 'find a room', weight: 110, steps: [get('/rooms/directory')] },
  { name: 'open a board', weight: 150, steps: [get('/rooms/{boardRoom}/board')] },
  { name: 'read a room', weight: 30, steps: [get('/rooms/{room}/messages')] },
  { name: 'wait for a message', weight: 4, steps: [get('/rooms/{quietRoom}/wait?timeoutMs=400')] },
  { name: 'summarise a room', weight: 22, steps: [{ method: 'POST', path: '/rooms/{room}/reports' }] },
  { name: 'find media', weight: 55, steps: [get('/media?camera={camera}&tag={tag}')] },
  { name: 'search', weight: 75, steps: [get('/search?q={place}')] },
  { name: 'choose an address', weight: 60, steps: [get('/accounts/available?email=member{member}@plaza.example')] },
  { name: 'log in', weight: 15, steps: [login('member{member}@plaza.example')] },
  { name: 'see whom a member follows', weight: 25, steps: [get('/users/{member}/following')] },
  { name: 'open my bookmarks', weight: 25, steps: [get('/bookmarks')] },
  { name: 'compare reactions', weight: 15, steps: [get('/insights/reactions')] },
  { name: 'analyse a campaign', weight: 75, steps: [get('/admin/campaigns/{campaign}')] },
  { name: 'send client events', weight: 330, steps: [{ method: 'POST', path: '/events/batch', body: { events: eventBatch() } }] },
  { name: 'like', weight: 20, steps: [{ method: 'PUT', path: '/posts/{post}/like' }] },
  { name: 'follow', weight: 8, steps: [{ method: 'PUT', path: '/users/{member}/follow' }] },
  { name: 'comment', weight: 12, steps: [{ method: 'POST', path: '/posts/{post}/comments', body: { body: '{comment}' } }] },
  {
    name: 'post',
    weight: 6,
    steps: [{ method: 'POST', path: '/posts', body: { topicId: '{topicId}', title: '{title}', body: '{body}' } }],
  },
  { name: 'chat', weight: 8, steps: [{ method: 'POST', path: '/rooms/{busyRoom}/messages', body: { body: '{comment}' } }] },
];

function variablesFor(size: number): Readonly<Record<string, Variable>> {
  const counts = seedCounts(size);
  const postsPerPage = 20;
  return {
    session: { type: 'sequence', template: '{n}' },
    post: { type: 'integer', min: 1, max: counts.posts },
    page: { type: 'integer', min: 1, max: Math.floor(counts.posts / postsPerPage) },
    member: { type: 'integer', min: 1, max: counts.users },
    room: { type: 'integer', min: 1, max: counts.rooms },
    boardRoom: { type: 'integer', min: 1, max: boardCount },
    quietRoom: { type: 'integer', ...quietRooms },
    busyRoom: { type: 'integer', ...busyRooms },
    topic: { type: 'one-of', values: topicNames.map((name) => topicSlug(name)) },
    topicId: { type: 'integer', min: 1, max: topicNames.length },
    camera: { type: 'one-of', values: cameras },
    tag: { type: 'one-of', values: mediaTags },
    place: { type: 'one-of', values: places },
    campaign: { type: 'one-of', values: Array.from({ length: 200 }, (_, index) => `campaign-${index}`) },
    visit: { type: 'integer', min: 1, max: 2_000_000_000 },
    title: { type: 'text', words: 6 },
    body: { type: 'text', words: 60 },
    comment: { type: 'text', words: 12 },
  };
}

/** What a browser collected on one page: each event says a little of its own and repeats where it happened. */
function eventBatch(): readonly unknown[] {
  return Array.from({ length: eventsPerBatch }, (_, index) => ({
    name: index === 0 ? 'view' : 'interaction',
    payload: {
      campaign: '{campaign}',
      page: '/posts/{post}',
      session: 's-{visit}',
      event: `e-{visit}-${index}`,
      screen: { width: 300 + index, height: 600 + index },
      pointer: { x: 17 * index, y: 29 * index },
      sinceLoadMs: 250 * index,
      referrer: 'https://{visit}.example',
      language: 'en',
      impressions: Array.from({ length: 40 }, (_, impression) => `i-{visit}-${index}-${impression}`),
    },
  }));
}

export const plazaWorkload: Workload = createPlazaWorkload(1);

import type { Scenario, Step, Variable, Workload } from '../../packages/anneal/src/workload/workload.ts';
import { boardCount, seedCounts, seedPassword } from './src/seed.ts';
import { cameras, capitalised, countryOf, mediaTags, places, topicNames, topicSlug, words } from './src/seed-vocabulary.ts';

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
    executor: { type: 'constant-arrival-rate', ratePerSecond: 50, arrivals: 'poisson' },
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

/** Weights against each other; `ratePerSecond` times a weight over their sum (about 4,760) is a scenario's rate. */
const scenarios: readonly Scenario[] = [
  { name: 'read the feed', weight: 130, steps: [{ ...get('/feed'), authenticated: false }] },
  { name: 'read my own feed', weight: 120, steps: [get('/feed/mine')] },
  { name: 'read a post', weight: 85, steps: [get('/posts/{post}'), get('/posts/{post}/comments')] },
  { name: 'check notifications', weight: 100, steps: [get('/notifications')] },
  { name: 'browse a topic', weight: 50, steps: [get('/topics/{topic}')] },
  { name: 'look at a member', weight: 80, steps: [get('/users/{member}')] },
  { name: 'browse the archive', weight: 150, steps: [get('/archive?page={page}&before={post}')] },
  { name: 'browse prompts', weight: 185, steps: [get('/prompts?topic={topicId}')] },
  { name: 'open the overview', weight: 135, steps: [get('/overview')] },
  { name: 'list my rooms', weight: 260, steps: [get('/rooms')] },
  { name: 'find a room', weight: 165, steps: [get('/rooms/directory')] },
  { name: 'open a board', weight: 170, steps: [get('/rooms/{boardRoom}/board')] },
  { name: 'read a room', weight: 30, steps: [get('/rooms/{room}/messages')] },
  { name: 'wait for a message', weight: 4, steps: [get('/rooms/{quietRoom}/wait?timeoutMs=400')] },
  { name: 'summarise a room', weight: 22, steps: [{ method: 'POST', path: '/rooms/{room}/reports' }] },
  { name: 'find media', weight: 55, steps: [get('/media?camera={camera}&tag={tag}')] },
  { name: 'search', weight: 55, steps: [get('/search?q={place}')] },
  { name: 'choose an address', weight: 60, steps: [get('/accounts/available?email=member{member}@plaza.example')] },
  { name: 'log in', weight: 36, steps: [login('member{member}@plaza.example')] },
  { name: 'see whom a member follows', weight: 25, steps: [get('/users/{member}/following')] },
  { name: 'open my bookmarks', weight: 25, steps: [get('/bookmarks')] },
  { name: 'compare reactions', weight: 15, steps: [get('/insights/reactions')] },
  { name: 'analyse a campaign', weight: 150, steps: [get('/admin/campaigns/{campaign}')] },
  { name: 'send client events', weight: 330, steps: [{ method: 'POST', path: '/events/batch', body: { events: eventBatch() } }] },
  { name: 'like', weight: 20, steps: [{ method: 'PUT', path: '/posts/{post}/like' }] },
  { name: 'follow', weight: 8, steps: [{ method: 'PUT', path: '/users/{member}/follow' }] },
  { name: 'comment', weight: 12, steps: [{ method: 'POST', path: '/posts/{post}/comments', body: { body: '{comment}' } }] },
  {
    name: 'post',
    weight: 6,
    steps: [{ method: 'POST', path: '/posts', body: { topicId: '{topicId}', title: '{title}', body: '{body}' } }],
  },
  { name: 'find a meetup by place', weight: 15, steps: [get('/meetups?place={meetupPlace}')] },
  { name: 'open the calendar', weight: 190, steps: [get('/meetups/calendar?day={day}')] },
  { name: 'type a meetup', weight: 8, steps: [get('/meetups/titles?beginning={beginning}')] },
  { name: 'leaf through meetups', weight: 8, steps: [get('/meetups/index?after={beginning}')] },
  { name: 'look after a place', weight: 8, steps: [get('/meetups/hosts?place={meetupPlace}&from=2025-09-15&since=2025-10-01')] },
  { name: 'follow an invitation', weight: 120, steps: [get('/invitations?code=seed-{invitation}')] },
  {
    name: 'invite friends',
    weight: 95,
    steps: [{ method: 'POST', path: '/meetups/{meetup}/invitations', body: { guests: Array.from({ length: 15 }, () => '{member}') } }],
  },
  { name: 'look for news', weight: 80, steps: [get('/comments/news?after={lateComment}')] },
  { name: 'see lively rooms', weight: 160, steps: [get('/rooms/lively?from={openingDay}')] },
  { name: 'greet newcomers', weight: 95, steps: [get('/users/newcomers')] },
  { name: 'see how the days ended', weight: 24, steps: [get('/posts/last')] },
  { name: "see a member's posts", weight: 52, steps: [get('/posts/by?hand=member{member}')] },
  { name: 'see serious likes', weight: 8, steps: [get('/posts/{post}/likes')] },
  { name: "see a member's interests", weight: 8, steps: [get('/users/{member}/interests')] },
  { name: 'read announcements', weight: 8, steps: [get('/announcements')] },
  { name: 'keep the place', weight: 15, steps: [{ method: 'PUT', path: '/posts/{post}/position', body: { line: '{line}' } }] },
  { name: 'rate a prompt', weight: 10, steps: [{ method: 'PUT', path: '/prompts/{prompt}/rating', body: { stars: '{stars}' } }] },
  { name: 'see what goes with a prompt', weight: 10, steps: [get('/prompts/{prompt}/also')] },
  { name: 'take a comment down', weight: 12, steps: [{ method: 'DELETE', path: '/admin/comments/{commentId}' }] },
  {
    name: 'look around in town',
    weight: 65,
    steps: [get('/users/{member}/neighbours'), get('/posts/{post}/previews'), get('/weather?place={place}')],
  },
  {
    name: 'have a post looked at',
    weight: 115,
    steps: [get('/posts/{post}/previews'), get('/weather?place={place}'), { method: 'POST', path: '/posts/{post}/moderation' }],
  },
  { name: 'find a place', weight: 25, steps: [get('/places?place={place}'), get('/tides?place={place}')] },
  {
    name: 'pass a post on',
    weight: 32,
    steps: [
      get('/posts/{post}/card'),
      { method: 'POST', path: '/posts/{post}/shares' },
      { method: 'POST', path: '/posts/{post}/translations' },
    ],
  },
  { name: 'take the guide along', weight: 90, steps: [{ ...get('/guide'), headers: { 'accept-encoding': 'gzip' } }] },
  { name: 'read a chapter', weight: 10, steps: [get('/guide/{chapter}')] },
  { name: 'look at the atlas', weight: 100, steps: [{ ...get('/atlas'), authenticated: false }] },
  { name: 'search the chronicle', weight: 330, steps: [get('/chronicle?word={word}')] },
  { name: 'mistype a heading', weight: 170, steps: [get('/guide/spelling?text={place}')] },
  { name: 'have the guide printed', weight: 30, steps: [{ method: 'POST', path: '/guide/editions' }] },
  { name: 'see what is on next', weight: 400, steps: [get('/meetups/next?country={country}&after={day}')] },
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
    meetup: { type: 'integer', min: 1, max: counts.meetups },
    meetupPlace: { type: 'one-of', values: places.slice(0, 100).map((place, index) => `${countryOf(index)}/${place}`) },
    invitation: { type: 'integer', min: 1, max: counts.invitations },
    day: { type: 'one-of', values: days('2024-01-02', Math.max(1, Math.floor((counts.meetups * 17) / (24 * 60)) - 2)) },
    openingDay: { type: 'one-of', values: days('2024-06-02', 45) },
    beginning: { type: 'one-of', values: words.slice(0, 40).map((word) => capitalised(word)) },
    lateComment: { type: 'integer', min: Math.ceil(counts.comments * 0.6), max: counts.comments },
    commentId: { type: 'integer', min: 1, max: counts.comments },
    prompt: { type: 'integer', min: 1, max: counts.prompts },
    country: { type: 'one-of', values: [...new Set(places.map((_, index) => countryOf(index)))] },
    chapter: { type: 'integer', min: 1, max: 100 },
    word: { type: 'one-of', values: words.slice(0, 60) },
    line: { type: 'integer', min: 0, max: 90 },
    stars: { type: 'integer', min: 1, max: 5 },
    campaign: { type: 'one-of', values: Array.from({ length: 200 }, (_, index) => `campaign-${index}`) },
    visit: { type: 'integer', min: 1, max: 2_000_000_000 },
    title: { type: 'text', words: 6 },
    body: { type: 'text', words: 60 },
    comment: { type: 'text', words: 12 },
  };
}

/** `count` dates from this one on, as ISO 8601 writes them. */
function days(first: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => new Date(Date.parse(first) + index * 86_400_000).toISOString().slice(0, 10));
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

import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WriteAnnouncements } from './connection.ts';
import type { Tag } from './generations.ts';
import type { SharedPlace } from './knowledge.ts';
import { RespConnection, type Reply } from './resp.ts';

/** A process that was not heard for so long may have lost Redis and be writing: nobody serves anything then. */
const silenceMs = 1_000;
const beatEveryMs = 250;
/** A beat that took longer on its way counts for nothing, so that its sender knows when it was heard last at the latest. */
const latestBeatMs = 500;
const marginMs = 250;
/** One that stays silent is given up, and everything with it: it may have written until its end. */
const givenUpMs = 10_000;
const answerWithinMs = 1_000;
const reconnectMs = 500;
const mostGenerations = 100_000;
const keepMs = 3_600_000;

/**
 * One hash holds all of it, so that Redis evicts or loses everything or nothing: `clock`, `members` (when each process
 * was heard), `g:<tag>` (when it was bumped), `c:<tag>` (how many writes to it may be visible already and are not told of)
 * and `m:<process>` (which of those are its own, so that they go when it comes anew or never comes back).
 */
const prelude = `
local key = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function members() return cjson.decode(redis.call('HGET', key, 'members') or '{}') end
local function tick() return redis.call('HINCRBY', key, 'clock', 1) end
local function held(member) return cjson.decode(redis.call('HGET', key, 'm:' .. member) or '{}') end
local function count(tag, by) if redis.call('HINCRBY', key, 'c:' .. tag, by) <= 0 then redis.call('HDEL', key, 'c:' .. tag) end end
local function keep(member, own)
  if next(own) then redis.call('HSET', key, 'm:' .. member, cjson.encode(own)) else redis.call('HDEL', key, 'm:' .. member) end
end
local function hold(member, from)
  local own = held(member)
  for at = from, #ARGV do
    count(ARGV[at], 1)
    own[ARGV[at]] = (own[ARGV[at]] or 0) + 1
  end
  keep(member, own)
end
local function release(member)
  for tag, marks in pairs(held(member)) do count(tag, -marks) end
  keep(member, {})
end
`;

const scripts = {
  /** Processes, then tags: the clock, the newest generation, whether one may be changing; or nothing where somebody is missing. */
  look: `${prelude}
local heard = 0
for _, beat in pairs(members()) do
  if now - beat > ${silenceMs} then return {} end
  heard = heard + 1
end
if heard < tonumber(ARGV[1]) then return {} end
local clock = tonumber(redis.call('HGET', key, 'clock'))
if not clock then return {} end
local names = { 'g:*', 'c:*' }
for at = 2, #ARGV do names[#names + 1] = 'g:' .. ARGV[at]; names[#names + 1] = 'c:' .. ARGV[at] end
local newest, closing = 0, 0
for at, value in ipairs(redis.call('HMGET', key, unpack(names))) do
  if value then
    if at % 2 == 1 then newest = math.max(newest, tonumber(value)) elseif tonumber(value) > 0 then closing = 1 end
  end
end
return { clock, newest, closing }`,

  /** Who is about to write, and the tags of it. */
  mark: `${prelude}
hold(ARGV[1], 2)
return 1`,

  /** Who, how many marks to lift, their tags, then all tags that were written. */
  settle: `${prelude}
local lifted = tonumber(ARGV[2])
local clock = tick()
for at = 3 + lifted, #ARGV do redis.call('HSET', key, 'g:' .. ARGV[at], clock) end
local own = held(ARGV[1])
for at = 3, 2 + lifted do
  local marks = own[ARGV[at]]
  if marks then
    count(ARGV[at], -1)
    own[ARGV[at]] = marks > 1 and marks - 1 or nil
  end
end
keep(ARGV[1], own)
if redis.call('HLEN', key) > ${mostGenerations} then
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if string.sub(name, 1, 2) == 'g:' then redis.call('HDEL', key, name) end
  end
  redis.call('HSET', key, 'g:*', clock)
end
return clock`,

  /**
   * A process comes, perhaps again, with the tags of its writes under way: what it wrote meanwhile nobody was told, and of its
   * marks only these stand. The clock starts at the time, so that a lost one never runs again.
   */
  join: `${prelude}
release(ARGV[1])
hold(ARGV[1], 2)
redis.call('HSETNX', key, 'clock', now)
redis.call('HSET', key, 'g:*', tick())
local known = members()
known[ARGV[1]] = now
redis.call('HSET', key, 'members', cjson.encode(known))
redis.call('PEXPIRE', key, ${keepMs})
return now`,

  /** Nobody counts on this process from here on. With writes under way it is one that is silent, until it says so again without them or is given up. */
  leave: `${prelude}
local known = members()
if next(held(ARGV[1])) then
  known[ARGV[1]] = now - ${silenceMs} - 1
else
  known[ARGV[1]] = nil
  redis.call('HSET', key, 'g:*', tick())
end
redis.call('HSET', key, 'members', cjson.encode(known))
return now`,

  /** Who, and when by Redis' own clock the beat was sent; -1 where it does not count. */
  beat: `${prelude}
local known = members()
if not known[ARGV[1]] or now - tonumber(ARGV[2]) > ${latestBeatMs} then return -1 end
for id, beat in pairs(known) do
  if now - beat > ${givenUpMs} then
    known[id] = nil
    release(id)
    redis.call('HSET', key, 'g:*', tick())
  end
end
known[ARGV[1]] = now
redis.call('HSET', key, 'members', cjson.encode(known))
redis.call('PEXPIRE', key, ${keepMs})
return now`,
} as const;

type Script = keyof typeof scripts;

const hashes = Object.fromEntries(
  Object.entries(scripts).map(([name, text]) => [name, createHash('sha1').update(text).digest('hex')]),
) as Readonly<Record<Script, string>>;

export interface Look {
  /** For a lease. */
  readonly clock: number;
  /** When the newest of the tags was bumped. */
  readonly newest: number;
  /** A write to one of them may be visible already. */
  readonly closing: boolean;
}

/**
 * Generations that several processes share. Before a statement that may commit is sent, its tags are marked there;
 * once the server answered they are bumped and the mark is lifted. Every answer from memory asks first. Who loses Redis
 * serves nothing, and writes again only when the others must have noticed and serve nothing either.
 */
export class SharedGenerations implements WriteAnnouncements {
  readonly #place: SharedPlace;
  readonly #key: string;
  readonly #member = randomUUID();
  readonly #onLost: () => void;
  /** What each connection has announced and not settled. */
  readonly #announced = new Map<ReadonlySet<Tag>, Set<string>>();
  /** Of writes whose outcome nobody will hear: marked for as long as this process is there. */
  readonly #doubtful = new Set<string>();
  #redis: RespConnection | null = null;
  #joined = false;
  /** Settled when it has joined, or could not. Which writes it came with is decided when this begins. */
  #joining: Promise<void> | null = null;
  #closed = false;
  #timer: NodeJS.Timeout | null = null;
  #redisTime = 0;
  #redisTimeAt = 0;
  #lastBeatSentAt = Number.NEGATIVE_INFINITY;
  #lastAnswerAt = 0;

  constructor(place: SharedPlace, onLost: () => void) {
    this.#place = place;
    this.#key = `anneal:{${place.scope}}:generations`;
    this.#onLost = onLost;
  }

  get connected(): boolean {
    return this.#joined && !this.#closed;
  }

  open(): void {
    this.#closed = false;
    if (this.#redis === null) this.#connect();
    else if (this.#joined) this.#join(this.#redis);
    this.#timer ??= setInterval(() => this.#beat(), beatEveryMs).unref();
  }

  /** Nothing is served from here on. Resolves when the others know; until then writes still have to be announced. */
  async leave(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    try {
      if (this.#joined) await this.#run('leave', this.#member);
      else await this.#othersNotice();
    } catch {
      await this.#othersNotice();
    }
    this.#closeWhenSettled();
  }

  /** Whose marks are still there is not gone yet for the others. */
  #closeWhenSettled(): void {
    if (this.#closed && this.#announced.size === 0) this.#redis?.close();
  }

  /** Null: nothing may be served from memory now, nor read to be kept. */
  async look(tags: readonly Tag[]): Promise<Look | null> {
    if (!this.connected) return null;
    try {
      const reply = await this.#run('look', this.#place.processes, ...tags.map(({ name }) => name));
      if (!Array.isArray(reply) || reply.length !== 3) return null;
      const [clock, newest, closing] = reply.map(Number);
      return { clock: clock!, newest: newest!, closing: closing !== 0 };
    } catch {
      return null;
    }
  }

  closing(tags: ReadonlySet<Tag>): Promise<void> | null {
    const announced = this.#announced.get(tags) ?? new Set<string>();
    this.#announced.set(tags, announced);
    if (this.#joining !== null) return this.#joining.then(() => this.closing(tags) ?? undefined);
    const fresh = [...tags].map(({ name }) => name).filter((name) => !announced.has(name));
    if (!this.#joined) return this.#othersNotice();
    for (const name of fresh) announced.add(name);
    if (fresh.length === 0) return null;
    return this.#run('mark', this.#member, ...fresh).then(
      () => undefined,
      () => this.#othersNotice() ?? undefined,
    );
  }

  settled(tags: ReadonlySet<Tag>, outcome: 'known' | 'unknown'): void {
    const announced = [...(this.#announced.get(tags) ?? [])];
    this.#announced.delete(tags);
    if (outcome === 'unknown') for (const name of announced) this.#doubtful.add(name);
    if (!this.#joined) return;
    const lifted = outcome === 'known' ? announced : [];
    const settled = this.#run('settle', this.#member, lifted.length, ...lifted, ...[...tags].map(({ name }) => name));
    const said = this.#closed && this.#announced.size === 0 ? settled.then(() => this.#run('leave', this.#member)) : settled;
    said.catch(() => undefined).finally(() => this.#closeWhenSettled());
  }

  /** Resolves when no other process can still believe that it hears of this one's writes. */
  #othersNotice(): Promise<void> | null {
    const waitMs = this.#lastBeatSentAt + latestBeatMs + silenceMs + marginMs - performance.now();
    return waitMs > 0 ? sleep(waitMs) : null;
  }

  #connect(): void {
    if (this.#closed) return;
    const redis = new RespConnection(
      this.#place.host,
      this.#place.port,
      () => this.#join(redis),
      () => {
        const was = this.#joined;
        this.#joined = false;
        this.#redis = null;
        if (was) this.#onLost();
        if (!this.#closed) setTimeout(() => this.#connect(), reconnectMs).unref();
      },
    );
    this.#redis = redis;
    this.#lastAnswerAt = performance.now();
  }

  #join(redis: RespConnection): void {
    const joining = this.#enter(redis).finally(() => {
      if (this.#joining === joining) this.#joining = null;
    });
    this.#joining = joining;
  }

  async #enter(redis: RespConnection): Promise<void> {
    try {
      const loaded = Object.values(scripts).map((text) => redis.ask('SCRIPT', 'LOAD', text));
      // What was sent without a mark gets one before anybody counts on this process.
      for (const [tags, announced] of this.#announced) for (const { name } of tags) announced.add(name);
      const underWay = [...this.#doubtful, ...[...this.#announced.values()].flatMap((announced) => [...announced])];
      const sentAt = performance.now();
      const [reply] = await Promise.all([this.#run('join', this.#member, ...underWay), ...loaded]);
      this.#heard(Number(reply), sentAt);
      this.#onLost();
      this.#joined = true;
    } catch {
      redis.close();
    }
  }

  #beat(): void {
    if (this.#redis === null || !this.#joined) return;
    if (performance.now() - this.#lastAnswerAt > answerWithinMs) {
      this.#redis.close();
      return;
    }
    const redis = this.#redis;
    const sentAt = performance.now();
    const sentAtRedis = Math.floor(this.#redisTime + (sentAt - this.#redisTimeAt));
    this.#lastBeatSentAt = sentAt;
    const answered = (reply: Reply) => {
      if (Number(reply) < 0) redis.close();
      else this.#heard(Number(reply), sentAt);
    };
    this.#run('beat', this.#member, sentAtRedis).then(answered, () => redis.close());
  }

  #heard(redisTime: number, sentAt: number): void {
    const now = performance.now();
    this.#lastBeatSentAt = Math.max(this.#lastBeatSentAt, sentAt);
    this.#lastAnswerAt = now;
    this.#redisTime = redisTime;
    this.#redisTimeAt = now;
  }

  #run(script: Script, ...words: readonly (string | number)[]): Promise<Reply> {
    if (this.#redis === null) return Promise.reject(new Error('Redis is not connected'));
    return this.#redis.ask('EVALSHA', hashes[script], 1, this.#key, ...words);
  }
}

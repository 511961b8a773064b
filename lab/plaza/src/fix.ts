/** Every labelled weakness of this backend; `defects.json` says what and where each one is. */
export const defectIds = [
  'comments-post-index',
  'profile-comments-index',
  'notifications-page-index',
  'email-lookup-index',
  'media-tags-index',
  'post-search-index',
  'archive-offset',
  'prompt-list-columns',
  'invitation-code-index',
  'new-comments-count',
  'newcomers-not-in',
  'lively-rooms-distinct',
  'post-hands-or',
  'meetup-day-range',
  'last-posts-sort',
  'invitation-inserts',
  'flagged-comment-index',
  'reading-position-key',
  'likes-duplicate-index',
  'messages-redundant-index',
  'attachments-invalid-index',
  'audit-sequence',
  'audit-unlogged',
  'rating-statistics',
  'meetup-place-statistics',
  'feed-author-loop',
  'feed-repeats',
  'room-preview-fanout',
  'overview-topic-totals',
  'pool-size',
  'report-connection',
  'login-hash',
  'room-directory-limit',
  'board-serialisation',
  'face-calls',
  'preview-connections',
  'weather-timeout',
  'geocoder-retries',
  'moderation-transaction',
  'share-webhook',
  'guide-compression',
  'atlas-validator',
  'chronicle-unpacking',
  'spelling-distances',
  'edition-job',
  'next-meetups-rows',
] as const;

export type DefectId = (typeof defectIds)[number];

/** `none`, `all` or ids separated by commas; an unknown id is a typing mistake and is refused. */
export function parseFix(value: string | undefined): ReadonlySet<DefectId> {
  if (value === undefined || value === '' || value === 'none') return new Set();
  if (value === 'all') return new Set(defectIds);
  return new Set(value.split(',').map((part) => knownDefect(part.trim())));
}

function knownDefect(id: string): DefectId {
  const known = defectIds.find((candidate) => candidate === id);
  if (known === undefined) throw new Error(`PLAZA_FIX names no defect of plaza: ${id}`);
  return known;
}

const fixed = parseFix(process.env['PLAZA_FIX']);

export function isFixed(id: DefectId): boolean {
  return fixed.has(id);
}

export interface Candidate {
  readonly id: number;
  readonly authorId: number;
  readonly title: string;
  readonly uses: number;
  readonly rating: number;
  readonly createdAt: Date;
}

const halfLifeMs = 3 * 24 * 60 * 60 * 1000;

/** Useful, liked and fresh; freshness is counted from the newest candidate, so that equal data ranks equally. */
export function rank(candidates: readonly Candidate[], count: number): readonly Candidate[] {
  const newest = Math.max(...candidates.map((candidate) => candidate.createdAt.getTime()));
  const score = ({ uses, rating, createdAt }: Candidate) =>
    (Math.log1p(uses) + rating) * 2 ** ((createdAt.getTime() - newest) / halfLifeMs);
  return candidates
    .map((candidate) => ({ candidate, score: score(candidate) }))
    .sort((a, b) => b.score - a.score || b.candidate.id - a.candidate.id)
    .slice(0, count)
    .map(({ candidate }) => candidate);
}

import { setTimeout as pause } from 'node:timers/promises';

export interface Analysis {
  /** From -1 (angry) to 1 (delighted). */
  readonly sentiment: number;
  readonly summary: string;
}

const kindWords = new Set(['bright', 'calm', 'clear', 'gentle', 'golden', 'happy', 'lovely', 'warm', 'welcome', 'kind']);
const harshWords = new Set(['bitter', 'broken', 'cold', 'dark', 'empty', 'heavy', 'lost', 'rough', 'slow', 'sour']);
const summaryLength = 3;
/** The local model reads and writes at a steady pace, as hosted ones do. */
const tokensPerStep = 16;
const stepMs = 25;

/** Sentiment by a word list, summary by the sentences that hold the most frequent words. */
export async function analyse(texts: readonly string[]): Promise<Analysis> {
  const tokens = texts.flatMap((text) => wordsOf(text));
  const frequency = new Map<string, number>();
  let score = 0;
  for (let start = 0; start < tokens.length; start += tokensPerStep) {
    for (const token of tokens.slice(start, start + tokensPerStep)) {
      frequency.set(token, (frequency.get(token) ?? 0) + 1);
      score += Number(kindWords.has(token)) - Number(harshWords.has(token));
    }
    await pause(stepMs);
  }
  const weight = (text: string) => wordsOf(text).reduce((sum, word) => sum + (frequency.get(word) ?? 0), 0) / Math.sqrt(text.length + 1);
  const sentences = texts.toSorted((a, b) => weight(b) - weight(a)).slice(0, summaryLength);
  return { sentiment: tokens.length === 0 ? 0 : score / tokens.length, summary: sentences.join(' ') };
}

function wordsOf(text: string): readonly string[] {
  return text.toLowerCase().match(/[a-z]{4,}/g) ?? [];
}

export type Tell = (sentence: string) => void;

/** Tells whoever operates the application, on its stderr and each sentence once: without Anneal nobody else is there to be told. */
export function tellingOperator(): Tell {
  const told = new Set<string>();
  return (sentence) => {
    if (told.has(sentence)) return;
    told.add(sentence);
    try {
      // oxlint-disable-next-line no-console -- unlike a write to the stream itself, a console survives that nobody reads it any more
      console.error(`anneal: ${sentence}`);
    } catch {
      // An application that replaced its console is no reason to fail it.
    }
  };
}

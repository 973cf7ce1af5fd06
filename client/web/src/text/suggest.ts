/** The word of `words` that was probably meant: at most two letters away, or a third of them. */
export function near(word: string, words: string[]): string|undefined {
  const most = Math.max(1, Math.min(2, Math.floor(word.length / 3)));
  const ranked = words.map((other) => ({other, far: distance(word.toLowerCase(), other.toLowerCase())}));
  return ranked.filter(({far}) => far <= most).sort((a, b) => a.far - b.far)[0]?.other;
}

function distance(a: string, b: string): number {
  let row = Array.from({length: b.length + 1}, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}

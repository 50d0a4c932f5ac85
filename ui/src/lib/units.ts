// Prices as they are typed: a unit and its dollars a line, `input_uncached 1.40`.

/** Nothing where a line is something else, or where there is none. */
export const unitsOf = (text: string): Record<string, string> | undefined => {
  const lines = text.split('\n').map((line) => line.trim()).filter(Boolean);
  const pairs = lines.map((line) => /^([a-z][a-z0-9_]*)\s*[\s=:]\s*\$?(\d{1,9}(?:\.\d{1,9})?)$/.exec(line));
  if (lines.length === 0 || pairs.some((pair) => !pair)) return undefined;
  return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', pair?.[2] ?? '']));
};

export const unitText = (units: Readonly<Record<string, string>>): string => Object.entries(units).map(([unit, dollars]) => `${unit} ${dollars}`).join('\n');

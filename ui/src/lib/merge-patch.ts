// What turns one JSON object into another as a merge patch (RFC 7396): the server is told what changes, and nothing else.
export type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

export const mergePatch = (from: Json, to: Json): Json => {
  const patch: Record<string, unknown> = {};
  for (const name of Object.keys(from)) if (!(name in to)) patch[name] = null;
  for (const [name, value] of Object.entries(to)) {
    const before = from[name];
    if (isObject(before) && isObject(value)) {
      const inner = mergePatch(before, value);
      if (Object.keys(inner).length > 0) patch[name] = inner;
    } else if (JSON.stringify(before) !== JSON.stringify(value)) {
      patch[name] = value;
    }
  }
  return patch;
};

/** The object that a text is, or why it is none. */
export const readObject = (text: string): { value: Json } | { wrong: string } => {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? { value } : { wrong: 'It must be a JSON object: { … }.' };
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error) };
  }
};

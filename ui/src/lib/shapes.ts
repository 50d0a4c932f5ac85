// Which vendor a key is of, by the prefix that the vendor gives it. A hint while typing; what is stored is what the form says.
const PREFIXES: readonly (readonly [RegExp, string])[] = [
  [/^sk-ant-/, 'anthropic'],
  [/^sk-or-/, 'openrouter'],
  [/^sk-(proj|svcacct|None)-/, 'openai'],
  [/^AIza/, 'gemini'],
  [/^(sk|rk)_(live|test)_/, 'stripe'],
  [/^re_/, 'resend'],
  [/^tvly-/, 'tavily'],
  [/^(ghp_|github_pat_)/, 'github'],
  [/^xox[bp]-/, 'slack'],
  [/^hf_/, 'huggingface'],
  [/^gsk_/, 'groq'],
  [/^pplx-/, 'perplexity'],
  [/^xai-/, 'xai'],
  [/^r8_/, 'replicate'],
  [/^SG\./, 'sendgrid'],
];

/** The slug, or `undefined` where the prefix says nothing. */
export const vendorOf = (key: string): string | undefined => PREFIXES.find(([form]) => form.test(key.trim()))?.[1];

/** A token of Keystore's own in place of a vendor's key. */
export const isOurs = (key: string): boolean => /^(ks|ksm|kss)_[0-9a-f]{16}/.test(key.trim());

// Money, times and counts for people. Money comes as decimal text of dollars and is never made a float to be shown.

/** `1234.5678` as `$1,234.57`; amounts below a cent keep what is needed to be seen. */
export const money = (text: string | null | undefined): string => {
  if (text === null || text === undefined) return '–';
  const match = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  if (!match) return text;
  const [, sign = '', whole = '0', fraction = ''] = match;
  const small = whole === '0' && /^00/.test(fraction.padEnd(2, '0')) && /[1-9]/.test(fraction);
  const shown = small ? fraction.replace(/^(0*\d{1,3}).*$/, '$1') : cents(whole, fraction);
  if (small) return `${sign}$0.${shown}`;
  return `${sign}$${shown}`;
};

/** Rounded half up to cents, on the digits. */
const cents = (whole: string, fraction: string): string => {
  const digits = fraction.padEnd(3, '0');
  const sum = BigInt(whole) * 100n + BigInt(digits.slice(0, 2)) + (digits.charAt(2) >= '5' ? 1n : 0n);
  const text = sum.toString().padStart(3, '0');
  return `${grouped(text.slice(0, -2))}.${text.slice(-2)}`;
};

const grouped = (digits: string): string => digits.replace(/\B(?=(\d{3})+$)/g, ',');

/** For lengths of bars and curves alone. */
export const approximately = (text: string | null | undefined): number => Number(text ?? 0) || 0;

export const count = (value: number): string => grouped(String(Math.round(value)));

/** A value in the unit that a budget counts. */
export const inUnit = (text: string, unit: string): string =>
  unit === 'usd' || unit === 'usd_moved' ? money(text) : `${grouped(text.split('.')[0] ?? text)} ${unit}`;

const RELATIVE = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'narrow' });

/** `3m ago`, `in 2d`. */
export const ago = (time: string | null | undefined, now = Date.now()): string => {
  if (!time) return 'never';
  const seconds = (Date.parse(time) - now) / 1000;
  const size = Math.abs(seconds);
  if (size < 45) return 'just now';
  if (size < 3570) return RELATIVE.format(Math.round(seconds / 60), 'minute');
  if (size < 86_000) return RELATIVE.format(Math.round(seconds / 3600), 'hour');
  if (size < 2_500_000) return RELATIVE.format(Math.round(seconds / 86_400), 'day');
  return day(time);
};

const DAY = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short', year: 'numeric' });
const CLOCK = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });

export const day = (time: string): string => DAY.format(new Date(time));
export const clock = (time: string): string => CLOCK.format(new Date(time));
export const exactly = (time: string): string => `${day(time)}, ${clock(time)}`;

/** Microseconds as `850 µs`, `12 ms`, `3.4 s`. */
export const duration = (micros: number): string => {
  if (micros < 1000) return `${micros} µs`;
  if (micros < 1_000_000) return `${micros < 10_000 ? (micros / 1000).toFixed(1) : Math.round(micros / 1000)} ms`;
  return `${(micros / 1_000_000).toFixed(1)} s`;
};

export const bytes = (value: number): string => {
  if (value < 1024) return `${value} B`;
  if (value < 1024 ** 2) return `${(value / 1024).toFixed(1)} KB`;
  return `${(value / 1024 ** 2).toFixed(1)} MB`;
};

/** `input_uncached` as `input uncached`. */
export const words = (name: string): string => name.replaceAll('_', ' ');

/** An id's end, which tells two apart. */
export const short = (id: string): string => (id.length > 14 ? `${id.slice(0, 4)}…${id.slice(-6)}` : id);

/** The start of the UTC day that was `days` ago. */
export const daysAgo = (days: number): string => {
  const at = new Date();
  at.setUTCHours(0, 0, 0, 0);
  at.setUTCDate(at.getUTCDate() - days);
  return at.toISOString();
};

/** The start of the UTC month. */
export const monthStart = (): string => {
  const at = new Date();
  return new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1)).toISOString();
};

// The catalogue of error codes, which stands in Rust: `crates/wire/src/problem.rs`.
import { comment } from './names.mjs';

/** src/generated/codes.ts. */
export const codes = (rust) => {
  const table = rust.slice(rust.indexOf('\ncodes! {'));
  const rows = [...table.matchAll(/\/\/\/ (.+)\n\s+\w+ = "(\w+)", (\d{3}), ".+", (?:true|false);/g)];
  const written = table.match(/^\s+\w+ = "/gm).length;
  if (rows.length !== written) throw new Error(`${written} codes, ${rows.length} understood`);
  const members = rows.map(([, words, code, status]) => `${comment(`${status}: ${words}`, '  ')}  | '${code}'\n`);
  const head = comment('A code of a refusal or an error, of the control API or the proxy. Codes are stable; later versions may add some.');
  return `${head}export type ErrorCode =\n${members.join('')};\n`.replace(/\n;\n$/, ';\n');
};

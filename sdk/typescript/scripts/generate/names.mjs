// How names are written: operations and resources are snake_case in the tables, camelCase and PascalCase in TypeScript.

/** `get_abuse_rules` → `getAbuseRules`. */
export const camel = (snake) => snake.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());

/** `get_abuse_rules` → `GetAbuseRules`. */
export const pascal = (snake) => camel(`_${snake}`);

// These would hide globals that every program uses.
const RENAMED = { Request: 'RequestRecord', Event: 'EventRecord' };

/** The TypeScript name of a schema. A page of something is the package's own `Page`. */
export const typeName = (schema) => {
  if (schema.startsWith('Page_')) return `Page<${typeName(schema.slice('Page_'.length))}>`;
  return RENAMED[schema] ?? schema;
};

/** The name behind a `$ref`. */
export const referred = (ref) => ref.slice(ref.lastIndexOf('/') + 1);

/** A doc comment of these lines, indented. */
export const comment = (text, indent = '') => {
  const lines = text.replaceAll('*/', '*\\/').split('\n');
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd()).join('\n')}\n${indent} */\n`;
};

/** A name as a member is written. */
export const member = (name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));

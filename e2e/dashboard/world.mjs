// A browser in front of the dashboard, as `KS_E2E` describes it, and what every page must hold to.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

export const world = JSON.parse(process.env.KS_E2E);
const ui = createRequire(fileURLToPath(new URL('../../ui/package.json', import.meta.url)));
const clients = createRequire(fileURLToPath(new URL('../node/package.json', import.meta.url)));
const { chromium } = ui('playwright-core');
const AXE = readFileSync(ui.resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** The official client of OpenAI, with an agent's token. */
export const openai = (token, options = {}) => {
  const { default: OpenAI } = clients('openai');
  return new OpenAI({ baseURL: `${world.proxyUrl}/v1/openai/v1`, apiKey: token, maxRetries: 0, ...options });
};

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const launch = () => chromium.launch({ executablePath: process.env.KS_CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });

/** A window in which whatever the page may not do is a failure: what the policy forbids, an error of a script, a request elsewhere. */
export const open = async (browser, { width = 1280, theme = 'light' } = {}) => {
  const context = await browser.newContext({ viewport: { width, height: 860 }, colorScheme: theme, permissions: ['clipboard-read', 'clipboard-write'] });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => { wrong.push(`a dialog of the browser: ${dialog.message()}`); void dialog.dismiss(); });
  page.on('console', (message) => { if (/Content Security Policy|Trusted|Refused to/i.test(message.text())) wrong.push(message.text()); });
  page.on('request', (request) => { if (!request.url().startsWith(world.apiUrl) && !request.url().startsWith('blob:')) wrong.push(`a request to ${request.url()}`); });
  await page.addInitScript(() => addEventListener('securitypolicyviolation', (event) => console.error(`Content Security Policy: ${event.violatedDirective} ${event.blockedURI}`)));
  await page.addInitScript(() => {
    globalThis.shifted = 0;
    new PerformanceObserver((list) => list.getEntries().forEach(({ hadRecentInput, value }) => (globalThis.shifted += hadRecentInput ? 0 : value))).observe({ type: 'layout-shift', buffered: true });
  });
  return { page, context, wrong, nothingWrong: () => assert.deepEqual(wrong, []) };
};

/** Signs in with the password, past the page: for tests that are about something else. */
export const signedIn = async (page) => {
  const answer = await page.request.post(`${world.apiUrl}/v1/auth/login`, { headers: { 'sec-fetch-site': 'same-origin' }, data: { email: world.email, password: world.password } });
  assert.equal(answer.status(), 200);
};

/** Loads a page by its address, the application anew, and waits until it has shown what it reads. */
export const show = async (page, hash) => {
  if (page.url().startsWith(world.apiUrl)) {
    // Loaded again where it is: from another address the browser would begin with a process of its own.
    await page.evaluate((hash) => { location.hash = `#/${hash}`; }, hash);
    await page.reload();
  } else {
    await page.goto(`${world.apiUrl}/#/${hash}`);
  }
  await settled(page);
};

/** Goes there as a click would, without loading the page anew. */
export const follow = async (page, hash) => {
  await page.evaluate((next) => {
    if (location.hash === next) return undefined;
    // A frame behind the change the page is another one.
    const changed = new Promise((then) => addEventListener('hashchange', () => requestAnimationFrame(() => requestAnimationFrame(then)), { once: true }));
    location.hash = next;
    return changed;
  }, `#/${hash}`);
  await settled(page);
};

export const settled = (page) => page.waitForFunction(() => document.querySelector('h1') && !document.querySelector('.skeleton, [aria-busy="true"]'));

/** What axe finds wrong, in words. The debugger's way in: the policy of the page does not let a script be added. */
export const axe = async (page, runOnly = RULES) => {
  const debug = await page.context().newCDPSession(page);
  const run = (expression) => debug.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
  // It is half a megabyte: once for each page that was loaded.
  await run(`typeof axe === 'undefined' && (() => { ${AXE} })()`);
  const { result } = await run(`axe.run({ runOnly: ${JSON.stringify(runOnly)} }).then(({ violations, passes }) => JSON.stringify({ passes: passes.length, violations: violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ target }) => target).join(', ')) }))`);
  await debug.detach();
  const { passes, violations } = JSON.parse(result.value);
  assert.ok(passes >= Math.min(10, runOnly.length), 'axe has looked');
  return violations;
};

/** What is shown, light and wide and then dark and narrow: nothing for axe to find, nothing beside the screen. */
export const looked = async (page, what) => {
  for (const [width, colorScheme] of [[1280, 'light'], [390, 'dark']]) {
    await page.setViewportSize({ width, height: 860 });
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await axe(page), [], `${what}, ${colorScheme}`);
    assert.ok((await overflow(page)) <= 0, `${what} is wider than ${width} pixels`);
  }
  await page.setViewportSize({ width: 1280, height: 860 });
};

/** How much of the page moved while it was loaded (Cumulative Layout Shift); below 0.1 is good. */
export const shifted = (page) => page.evaluate(() => globalThis.shifted);

export const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

/** The control API with the management key, for what a test needs beside the browser. */
export const api = async (path) => {
  const answer = await fetch(`${world.apiUrl}/v1/${path}`, { headers: { authorization: `Bearer ${world.apiKey}` } });
  assert.equal(answer.status, 200, path);
  return answer.json();
};

/** As `api`, to change something. */
export const send = async (path, body) => {
  const answer = await fetch(`${world.apiUrl}/v1/${path}`, { method: 'POST', headers: { authorization: `Bearer ${world.apiKey}`, 'content-type': 'application/json' }, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.text()}`);
};

// The operator: pooled keys and their renewal, prices with dates, what is published, what a customer may owe, and what vendors bill.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { axe, inBothThemes, launch, open, overflow, settled, show, signedIn } from './world.mjs';

let browser;
let page;
let nothingWrong;
before(async () => {
  browser = await launch();
  ({ page, nothingWrong } = await open(browser));
  await signedIn(page);
  await show(page, '');
  assert.equal(await page.getByRole('link', { name: 'Operator' }).count(), 0, 'not offered to others');
  await page.getByLabel('Organization', { exact: true }).selectOption({ label: 'Operator' });
  await page.getByRole('link', { name: 'Operator' }).click();
  await page.getByRole('heading', { name: 'Price book, version 1' }).waitFor();
  await settled(page);
});
after(() => browser.close());

const gone = () => page.getByRole('dialog').waitFor({ state: 'detached' });

/** At both widths and in both themes. */
const looked = async (what) => {
  await inBothThemes(page, what);
  await page.setViewportSize({ width: 390, height: 860 });
  assert.ok((await overflow(page)) <= 0, `${what} is wider than the screen`);
  assert.deepEqual(await axe(page), [], `${what}, narrow`);
  await page.setViewportSize({ width: 1280, height: 860 });
};

test('prices change by rules with dates, and the difference is shown before they count', async () => {
  await looked('operator');
  await page.getByRole('button', { name: 'Add a rule' }).click();
  await page.getByLabel('Percent').fill('15');
  await page.getByLabel('Provider', { exact: true }).fill('sandbox');
  await page.getByRole('button', { name: 'Show the difference' }).click();
  await page.getByRole('dialog').getByText('15 % on every unit').waitFor();
  await page.getByRole('heading', { name: 'Price book, version 1' }).waitFor();
  await page.getByRole('button', { name: 'Put it in force' }).click();
  await page.getByRole('heading', { name: 'Price book, version 2' }).waitFor();
  await page.getByRole('row').filter({ hasText: '15 % on every unit' }).getByText('in force', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Add a rule' }).click();
  await page.getByLabel('What it says').selectOption('sell');
  await page.getByLabel('Dollars for a million units').fill('input_uncached 2\nnonsense');
  assert.ok(await page.getByRole('button', { name: 'Show the difference' }).isDisabled(), 'a line that is no price');
  await page.getByLabel('Dollars for a million units').fill('input_uncached 2\noutput_text 8.50');
  await page.getByLabel('Provider', { exact: true }).fill('sandbox');
  await page.getByLabel('Model').fill('sandbox-1');
  await page.getByLabel('In force from').fill('2999-01-01');
  await page.getByRole('button', { name: 'Show the difference' }).click();
  await page.getByRole('dialog').getByText('sold at input uncached $2.00, output text $8.50, from Jan 1, 2999').waitFor();
  assert.deepEqual(await axe(page), []);
  await page.getByRole('button', { name: 'Put it in force' }).click();
  await gone();
  await page.getByRole('row').filter({ hasText: 'output text $8.50' }).getByText('to come', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Publish another' }).click();
  await page.getByLabel('Provider’s slug').last().fill('tavily');
  await page.getByRole('button', { name: 'Publish', exact: true }).click();
  await gone();
  await page.getByText('tavily: published').waitFor();
});

test('a key is added to a pool and renewed, both serving for a while', async () => {
  await page.getByRole('button', { name: 'Add a pooled key' }).click();
  await page.getByRole('dialog').getByLabel('Provider’s slug').fill('tavily');
  await page.getByRole('button', { name: 'Go on' }).click();
  await page.getByLabel('API key').fill(`tvly-${'b'.repeat(32)}`);
  await page.getByLabel('Name', { exact: true }).fill('first');
  await page.getByLabel(/Ask Tavily/).uncheck();
  assert.deepEqual(await axe(page), []);
  await page.getByRole('button', { name: 'Add it' }).click();
  await gone();
  assert.ok(!(await page.content()).includes('tvly-'));
  await page.getByRole('row').filter({ hasText: 'tavily first' }).getByRole('link').click();
  await page.getByText('No plan is set').waitFor();
  await page.getByRole('button', { name: 'Set the plan' }).click();
  await page.getByLabel('By itself every so many days').fill('90');
  await page.getByRole('button', { name: 'Set it' }).click();
  await gone();
  await page.getByText('every 90 days').waitFor();
  await page.getByRole('button', { name: 'Renew the key' }).first().click();
  await page.getByRole('button', { name: 'Begin' }).click();
  await gone();
  await page.getByText('a key that you make at the vendor').waitFor();
  await looked('a pooled key');
  await page.getByRole('button', { name: 'Give the key' }).click();
  await page.getByLabel('API key').fill(`tvly-${'c'.repeat(32)}`);
  assert.deepEqual(await axe(page), []);
  await page.getByRole('button', { name: 'Give it' }).click();
  await gone();
  assert.ok(!(await page.content()).includes('tvly-'));
  await page.getByText('a key that you make at the vendor').waitFor({ state: 'detached' });
  await page.getByRole('row').getByRole('button', { name: 'Undo' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Undo it' }).click();
  await gone();
  await page.getByRole('row').getByText(/^undo/).waitFor();
});

test('a customer may owe, is given credit, and the books say so', async () => {
  await show(page, 'operator');
  await page.getByRole('row').filter({ hasText: 'Dev' }).getByRole('link').click();
  await page.getByRole('heading', { name: 'Dev' }).waitFor();
  await page.getByRole('button', { name: 'Change' }).click();
  await page.getByLabel('May owe so many dollars').fill('250');
  await page.getByLabel('Taxes', { exact: true }).fill('VAT nineteen');
  assert.ok(await page.getByRole('button', { name: 'Save' }).isDisabled());
  await page.getByLabel('Taxes', { exact: true }).fill('VAT 19');
  assert.deepEqual(await axe(page), []);
  await page.getByRole('button', { name: 'Save' }).click();
  await gone();
  await page.getByText('up to $250.00, by invoice').waitFor();
  await page.getByText('VAT 19 %').waitFor();
  await page.getByRole('button', { name: 'Post a transaction' }).click();
  await page.getByLabel('What', { exact: true }).selectOption('promo_grant');
  await page.getByLabel('Dollars', { exact: true }).fill('5');
  await page.getByLabel('Remark').fill('for the trouble');
  await page.getByRole('button', { name: 'Post it' }).click();
  await gone();
  await page.getByRole('row').filter({ hasText: 'for the trouble' }).filter({ hasText: '$5.00' }).waitFor();
  await looked('a customer');
});

test('what a vendor bills is compared with what was metered', async () => {
  await show(page, 'operator');
  const start = Date.UTC(2026, 0, 5) / 1000;
  const report = { object: 'page', data: [{ object: 'bucket', start_time: start, end_time: start + 86_400, results: [{ object: 'organization.costs.result', amount: { value: 1.25, currency: 'usd' } }] }], has_more: false, next_page: null };
  await page.getByLabel('Or its text').fill('{');
  assert.ok(await page.getByRole('button', { name: 'Compare' }).isDisabled());
  await page.getByLabel('Or its text').fill(JSON.stringify(report));
  await page.getByRole('button', { name: 'Compare' }).click();
  await page.getByText('bills $1.25').waitFor();
  await page.getByRole('row').filter({ hasText: '2026-01-05' }).getByText('not posted').waitFor();
  assert.deepEqual(await axe(page), []);
  await page.getByRole('button', { name: 'Post the differences' }).click();
  await page.getByRole('row').filter({ hasText: '2026-01-05' }).getByText('posted', { exact: true }).waitFor();
  nothingWrong();
});

// The package from CommonJS.
const assert = require('node:assert/strict');
const test = require('node:test');

const { Keystore, NotFoundError, default: Default } = require('@keystore/sdk');

const { apiKey, apiUrl } = JSON.parse(process.env.KS_E2E);

test('it is there for require, too', async () => {
  assert.equal(Default, Keystore);
  const ks = new Keystore({ apiKey, apiUrl });
  assert.ok((await ks.agents.list()).data.length > 0);
  await assert.rejects(ks.agents.get('nobody'), NotFoundError);
});

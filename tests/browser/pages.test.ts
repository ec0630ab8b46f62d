/**
 * The pages in a real Chromium, from phone to wide screen, dark and light: nothing on the console, nothing that the policy had
 * to stop, nothing fetched from elsewhere, nothing wider than the screen.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { startHttpHub } from '../helpers/http-hub.ts';
import { requireTool } from '../helpers/tools.ts';

const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** What the policy stops is an event of the page, not always a line of its console. */
const REPORT_VIOLATIONS =
  "addEventListener('securitypolicyviolation', (event) => console.error('policy: ' + event.violatedDirective))";

/** Each width in a scheme of its own; the status page changes to the other as it stands. */
const LOOKS = [
  { width: 390, colorScheme: 'dark' },
  { width: 1440, colorScheme: 'light' },
] as const;

async function assertFits(page: Page): Promise<void> {
  assert.equal(await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth'), 0);
}

function background(page: Page): Promise<string> {
  return page.evaluate('getComputedStyle(document.body).backgroundColor');
}

describe('the pages', () => {
  let browser: Browser;
  before(async () => {
    browser = await chromium.launch({ executablePath: requireTool('chromium'), args: QUIET });
  });
  after(() => browser.close());

  /** A page that remembers everything that should not happen on it. */
  async function watched(look: (typeof LOOKS)[number], origin: string): Promise<{ page: Page; wrong: string[] }> {
    const { width, colorScheme } = look;
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const wrong: string[] = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) wrong.push(`console: ${message.text()}`);
    });
    page.on('pageerror', (error) => wrong.push(`error: ${error.message}`));
    page.on('request', (request) => {
      if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith('data:')) wrong.push(request.url());
    });
    await page.addInitScript({ content: REPORT_VIOLATIONS });
    return { page, wrong };
  }

  for (const look of LOOKS) {
    it(`show the status without a fault at ${look.width} px, ${look.colorScheme}`, async (t) => {
      const hub = await startHttpHub(t, { keyless: true });
      const { page, wrong } = await watched(look, hub.url);
      await page.goto(hub.url);
      await page.getByText('provider:openai/gpt-4o-mini').waitFor();
      assert.equal(await page.locator('#status-text').textContent(), 'Healthy');
      const inFlight = page.locator('.card', { hasText: 'In flight' }).locator('.value');
      assert.equal(await inFlight.textContent(), '2', 'of three that the hub tells, one is the question');
      assert.equal(await page.locator('#model option').count(), 2);
      assert.deepEqual(await page.locator('#deployments .chip').allTextContents(), ['closed']);
      assert.match((await page.locator('#curl').textContent()) ?? '', new RegExp(`${hub.url}/v1/chat/completions`));
      await assertFits(page);
      const atFirst = await background(page);
      await page.emulateMedia({ colorScheme: look.colorScheme === 'dark' ? 'light' : 'dark' });
      assert.notEqual(await background(page), atFirst);
      await assertFits(page);
      assert.deepEqual(wrong, []);
      await page.close();
    });

    it(`show the API without a fault at ${look.width} px, ${look.colorScheme}`, async (t) => {
      const hub = await startHttpHub(t, { keyless: true });
      const { page, wrong } = await watched(look, hub.url);
      await page.goto(`${hub.url}/docs`);
      await page.locator('#operations-OpenAI-compatible-createChatCompletion').waitFor();
      await page.locator('#operations-Runs-getRun').click();
      await page.getByText('From x-revoagent-run.').first().waitFor();
      await assertFits(page);
      assert.deepEqual(wrong, []);
      await page.close();
    });
  }

  it('ask for a key where one is needed, keep it in the tab alone, and show the figures with it', async (t) => {
    const hub = await startHttpHub(t);
    const { page, wrong } = await watched(LOOKS[0], hub.url);
    await page.goto(hub.url);
    await page.getByLabel('API key').waitFor();
    assert.deepEqual(wrong, [], 'nothing is asked for that would be refused');
    await page.getByLabel('API key').fill('rvk_wrong');
    await page.getByRole('button', { name: 'Show the figures' }).click();
    await page.getByText('unknown or revoked').waitFor();
    await page.getByLabel('API key').fill(hub.keys.read);
    await page.getByRole('button', { name: 'Show the figures' }).click();
    await page.getByText('provider:openai/gpt-4o-mini').waitFor();
    const kept = await page.evaluate(
      '({ local: localStorage.length, cookie: document.cookie, tab: sessionStorage.length })',
    );
    assert.deepEqual(kept, { local: 0, cookie: '', tab: 1 });
    assert.doesNotMatch(page.url(), /rvk_/);
    await page.getByRole('button', { name: 'Forget key' }).click();
    await page.getByText('This hub asks for a key').waitFor();
    assert.equal(await page.evaluate('sessionStorage.length'), 0);
    await page.close();
  });

  it('say that the hub is gone, and go on by themselves when it is back', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const { page } = await watched(LOOKS[0], hub.url);
    await page.goto(hub.url);
    await page.getByText('provider:openai/gpt-4o-mini').waitFor();
    await page.route('**/health', (route) => route.abort());
    await page.getByText('The hub does not answer; trying again. These figures are old.').waitFor();
    assert.equal(await page.locator('#status-text').textContent(), 'No answer');
    await page.unroute('**/health');
    await page.getByText('The hub does not answer').waitFor({ state: 'hidden' });
    assert.equal(await page.locator('#status-text').textContent(), 'Healthy');
    await page.close();
  });

  it('say of a hub that hangs that it does not answer, and show no empty tables', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const { page } = await watched(LOOKS[0], hub.url);
    await page.route('**/api/performance', () => undefined);
    await page.goto(hub.url);
    await page.getByText('The hub does not answer; trying again.', { exact: true }).waitFor();
    assert.equal(await page.locator('#figures').isVisible(), false);
    await page.unroute('**/api/performance');
    await page.getByText('provider:openai/gpt-4o-mini').waitFor();
    await page.close();
  });

  it('say where figures of several instances are shown as one', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const { page } = await watched(LOOKS[0], hub.url);
    await page.goto(hub.url);
    await page.getByText('Figures are of this instance.').waitFor();
    await page.route('**/api/performance', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), instance: 'another' } });
    });
    await page.getByText('Figures are of several instances by turns').waitFor();
    await page.close();
  });

  it('show what is ill first, however many there are, and say how many more there are', async (t) => {
    const hub = await startHttpHub(t, { keyless: true });
    const { page } = await watched(LOOKS[0], hub.url);
    await page.route('**/api/models', async (route) => {
      const response = await route.fetch();
      const { models, deployments } = await response.json();
      const many = Array.from({ length: 300 }, (_none, index) => ({ ...deployments[0], model: `model-${index}` }));
      await route.fulfill({
        response,
        json: { models, deployments: [...many, { ...many[0], model: 'ill', breaker: 'open' }] },
      });
    });
    await page.goto(hub.url);
    await page.getByText('101 more: GET /api/models').waitFor();
    assert.match((await page.locator('#deployments tr').first().textContent()) ?? '', /ill.*open/);
    assert.equal(await page.locator('#deployments-count').textContent(), '301');
    const { height = 0 } = (await page.locator('.scroll', { has: page.locator('#deployments') }).boundingBox()) ?? {};
    assert.ok(height > 0 && height <= 500, `${height} px`);
    await assertFits(page);
    await page.close();
  });
});

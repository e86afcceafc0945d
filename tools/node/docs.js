// Opens the pages on which services describe themselves, and sends a request from each.
//
// node docs.js <program of Chromium> <base URL of a service>…
//
// For each service it prints one JSON object a line: {"url", "title", "operations", "first", "status", "answer", "front",
// "links", "current", "kept", "strangers", "errors"}: the page's title, how many operations it shows and the group of the
// first, what GET /health answered when it was sent from the page, where / leads, how many services the page links to and
// which of them is marked as this one, whether a token that was entered is still there after a reload, what the page asked
// others than the service for, and what went wrong in it. It fails if a page does not work.

'use strict';

const { chromium } = require('playwright-core');

const [executablePath, ...services] = process.argv.slice(2);
const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];
// Milliseconds that each step may take; the machine may be busy.
const PATIENCE = 60_000;

async function visit(browser, url) {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  const strangers = [];
  const errors = [];
  await page.route('**', route => {
    const asked = route.request().url();
    if (asked.startsWith(url) || asked.startsWith('data:')) {
      return route.continue();
    }
    strangers.push(asked);
    return route.abort();
  });
  page.on('pageerror', error => errors.push(String(error)));
  page.on('console', message => message.type() === 'error' && errors.push(message.text()));

  await page.goto(`${url}/`);
  const front = new URL(page.url()).pathname;
  const health = page.locator('#operations-service-get_health');
  await health.locator('.opblock-summary-control').click();
  await health.locator('.try-out__btn').click();
  await health.locator('.execute').click();
  const live = health.locator('.live-responses-table tbody .response');
  const status = await live.locator('.response-col_status').first().innerText();
  const answer = await live.locator('.response-col_description pre').first().innerText();
  const operations = await page.locator('.opblock').count();
  const first = await page.locator('.opblock-tag').first().getAttribute('data-tag');
  const links = await page.locator('nav.services a').count();
  const current = await page.locator('nav.services a[aria-current]').innerText();
  await page.locator('.btn.authorize').first().click();
  await page.locator('.auth-container input').first().fill('a-token');
  await page.locator('.auth-container .authorize').first().click();
  await page.reload();
  await page.locator('.btn.authorize.locked').first().waitFor();
  const kept = await page.locator('.btn.authorize.locked').count() > 0;
  const title = await page.title();
  await page.close();
  return { url, title, operations, first, status: status.trim(), answer, front, links, current, kept, strangers, errors };
}

async function main() {
  const browser = await chromium.launch({ executablePath, args });
  for (const url of services) {
    console.log(JSON.stringify(await visit(browser, url)));
  }
  await browser.close();
}

main().catch(error => {
  console.error(error);
  process.exit(1);
});

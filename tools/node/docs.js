// Opens the pages on which services describe themselves, and sends a request from each.
//
// node docs.js <program of Chromium> <base URL of a service>…
//
// For each service it prints one JSON object a line: {"url", "title", "operations", "status", "answer", "strangers",
// "errors"}: the page's title, how many operations it shows, what GET /health answered when it was sent from the page, what
// the page asked others than the service for, and what went wrong in it. It fails if a page does not work.

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

  await page.goto(`${url}/docs`);
  const health = page.locator('#operations-health-get_health');
  await health.locator('.opblock-summary-control').click();
  await health.locator('.try-out__btn').click();
  await health.locator('.execute').click();
  const live = health.locator('.live-responses-table tbody .response');
  const status = await live.locator('.response-col_status').first().innerText();
  const answer = await live.locator('.response-col_description pre').first().innerText();
  const operations = await page.locator('.opblock').count();
  const title = await page.title();
  await page.close();
  return { url, title, operations, status: status.trim(), answer, strangers, errors };
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

import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { skip } from './skip.ts';

const PLACES = [
  process.env['TEST_CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/** Nothing that a browser does by itself: what is on the wire is ours. */
const QUIET = ['--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];

/** A headless Chromium; leaves out the running suite, with a printed reason, where the machine has none. */
export async function launchChromium(context: Mocha.Context): Promise<Browser> {
  const executablePath = PLACES.find((place) => place !== undefined && existsSync(place));
  if (!executablePath) skip(context, 'no Chromium on this machine (set TEST_CHROMIUM to its path)');
  // Chromium's own sandbox does not start for root, and containers give it little shared memory.
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath, args: [...sandbox, '--disable-dev-shm-usage', ...QUIET] });
}

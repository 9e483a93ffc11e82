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

/** A headless Chromium; leaves out the running suite, with a printed reason, where the machine has none. */
export async function launchChromium(context: Mocha.Context): Promise<Browser> {
  const executablePath = PLACES.find((place) => place !== undefined && existsSync(place));
  if (!executablePath) skip(context, 'no Chromium on this machine (set TEST_CHROMIUM to its path)');
  // Chromium's own sandbox does not start for root, and containers give it little shared memory.
  const args = process.getuid?.() === 0 ? ['--no-sandbox', '--disable-dev-shm-usage'] : ['--disable-dev-shm-usage'];
  return chromium.launch({ executablePath, args });
}

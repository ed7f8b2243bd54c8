/** The page of one file. */

import { fromBase64 } from './container';
import { failure, mount, type Explorer } from './mount';

declare global {
  interface Window { isthmus: Partial<Explorer> & { ready: Promise<void> } }
}

const element = document.getElementById('isthmus') as HTMLElement;
const data = document.getElementById('isthmus-data');

async function start(): Promise<void> {
  // The message of waiting is painted first.
  await new Promise((resolve) => setTimeout(resolve, 20));
  const bytes = fromBase64(data?.textContent ?? '');
  data?.remove();
  const { header, decode, encode, selection, filtered, screenOf, placed } = await mount(element, bytes);
  Object.assign(window.isthmus, { header, decode, encode, selection, filtered, screenOf, placed });
}

window.isthmus = { ready: start() };
window.isthmus.ready.catch((error: unknown) => failure(element, error));

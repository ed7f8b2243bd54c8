/** The legend: it says what colours mean, and filters. */

import type { App } from './app';
import type { Colouring, Scale } from './colouring';
import { format, frames, h, integer, name, replace } from './dom';

const STEPS = 500;
const LISTED = 400;

/** `draw` draws it anew after filters were changed elsewhere. */
export function legend(app: App, refilter: () => void): { root: HTMLElement; draw: () => void } {
  const { store, colouring } = app;
  const root = h('div', { class: 'legend', testid: 'legend' });
  const draw = (): void => {
    if (store.state.colour === 'label') replace(root, categories(app, refilter));
    else if (colouring.scale) replace(root, numbers(colouring, colouring.scale, refilter));
    else replace(root);
  };
  store.on(['colour', 'dark'], draw);
  draw();
  return { root, draw };
}

function categories({ model, colouring }: App, refilter: () => void): HTMLElement {
  const values = model.header.labels?.values ?? [];
  const { hidden } = colouring;
  const change = (k: number, alone: boolean): void => {
    if (alone) isolate(hidden, k, values.length);
    else if (!hidden.delete(k)) hidden.add(k);
    buttons.forEach((one, other) => one.setAttribute('aria-pressed', String(!hidden.has(other))));
    refilter();
  };
  const buttons = values.slice(0, LISTED).map((value, k) => categoryButton(colouring, value, k, change));
  return h('div', {},
    h('ul', { class: 'categories', 'aria-label': 'Categories: press to hide or show' },
      ...buttons.map((one) => h('li', {}, one))),
    values.length > LISTED && h('p', { class: 'muted small' },
      `The first ${LISTED} of ${integer(values.length)} categories.`));
}

/** Hides all categories but one, or none if that one is alone already. */
function isolate(hidden: Set<number>, k: number, count: number): void {
  const alone = hidden.size === count - 1 && !hidden.has(k);
  hidden.clear();
  if (alone) return;
  for (let other = 0; other < count; other++) if (other !== k) hidden.add(other);
}

function categoryButton(
  colouring: Colouring, value: string, k: number, change: (k: number, alone: boolean) => void,
): HTMLButtonElement {
  const swatch = h('span', { class: 'swatch', 'aria-hidden': 'true' });
  swatch.style.background = colouring.palette[k];
  return h('button', {
    type: 'button', class: 'category', 'aria-pressed': String(!colouring.hidden.has(k)), testid: `category-${k}`,
    title: 'Click: hide or show. Double click or Alt and click: show this one alone.',
    onclick: (event: MouseEvent) => change(k, event.altKey),
    // A double click comes after two clicks, which undo one another.
    ondblclick: (event: MouseEvent) => { if (!event.altKey) change(k, true); },
  }, swatch, name(value, { class: 'feature' }), h('span', { class: 'value' }, integer(colouring.counts[k])));
}

function numbers(colouring: Colouring, scale: Scale, refilter: () => void): HTMLElement {
  const known = colouring.limits.get(scale.key);
  const from = slider(`Lowest ${scale.name}`, known ? stepOf(scale, known[0]) : 0, 'range-low');
  const to = slider(`Highest ${scale.name}`, known ? stepOf(scale, known[1]) : STEPS, 'range-high');
  const [left, right] = [h('span', {}), h('span', {})];
  const bar = h('canvas', {
    class: 'colourbar', role: 'img', 'aria-label': `Colours from ${format(scale.low)} to ${format(scale.high)}`,
  });
  const say = (): void => {
    for (const [one, end] of [[from, left], [to, right]] as const) {
      const text = format(valueAt(scale, Number(one.value)), 3);
      end.textContent = text;
      one.setAttribute('aria-valuetext', text);
    }
    paint(bar, colouring.ramp(256), Number(from.value), Number(to.value));
  };
  const apply = frames(() => {
    limit(colouring, scale, Number(from.value), Number(to.value));
    refilter();
  });
  for (const [one, other] of [[from, to], [to, from]]) {
    one.addEventListener('input', () => {
      if (Number(from.value) > Number(to.value)) one.value = other.value;
      say();
      apply();
    });
  }
  say();
  return h('div', {},
    h('div', { class: 'range' }, bar, from, to),
    h('div', { class: 'ends' }, left, scale.log && h('span', { class: 'muted' }, 'log scale'), right),
    h('p', { class: 'muted small' }, name(scale.about)),
    scale.missing > 0 && h('p', { class: 'muted small' },
      `${integer(scale.missing)} rows have no number and are gray.`));
}

function slider(label: string, step: number, testid: string): HTMLInputElement {
  const one = h('input', { type: 'range', min: 0, max: STEPS, step: 1, 'aria-label': label, testid });
  one.value = String(step);
  return one;
}

function valueAt({ low, high, log }: Scale, step: number): number {
  if (step <= 0) return low;
  if (step >= STEPS) return high;
  const share = step / STEPS;
  return log ? low * (high / low) ** share : low + share * (high - low);
}

function stepOf({ low, high, log }: Scale, value: number): number {
  const share = log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  return Math.round(STEPS * Math.min(1, Math.max(0, share || 0)));
}

/** Colours outside of two steps are paler. */
function paint(bar: HTMLCanvasElement, colours: string[], from: number, to: number): void {
  [bar.width, bar.height] = [colours.length, 1];
  const context = bar.getContext('2d');
  if (!context) return;
  colours.forEach((colour, k) => {
    const share = k / (colours.length - 1);
    context.globalAlpha = share < from / STEPS || share > to / STEPS ? 0.15 : 1;
    context.fillStyle = colour;
    context.fillRect(k, 0, 1, 1);
  });
}

function limit(colouring: Colouring, scale: Scale, from: number, to: number): void {
  // The ends hold all points, those without a number and, on a log scale, those at 0, too.
  if (from === 0 && to === STEPS) colouring.limits.delete(scale.key);
  else {
    colouring.limits.set(scale.key, [
      from === 0 ? -Infinity : valueAt(scale, from), to === STEPS ? Infinity : valueAt(scale, to),
    ]);
  }
}

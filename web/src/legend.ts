/** The legend: it says what colours mean, and filters. */

import type { App } from './app';
import type { Scale } from './colouring';
import { button, format, frames, h, integer, name, replace } from './dom';

const STEPS = 500;
const LISTED = 400;

/** `draw` draws it anew after filters were changed elsewhere. */
export function legend(app: App, refilter: () => void): { root: HTMLElement; draw: () => void } {
  const { model, store, colouring } = app;
  const root = h('div', { class: 'legend', testid: 'legend' });

  const categories = (): HTMLElement => {
    const values = model.header.labels?.values ?? [];
    const { hidden } = colouring;
    const buttons: HTMLButtonElement[] = [];
    const refresh = (): void => {
      buttons.forEach((one, k) => one.setAttribute('aria-pressed', String(!hidden.has(k))));
      refilter();
    };
    const toggle = (k: number): void => {
      if (!hidden.delete(k)) hidden.add(k);
      refresh();
    };
    const isolate = (k: number): void => {
      const alone = hidden.size === values.length - 1 && !hidden.has(k);
      hidden.clear();
      if (!alone) values.forEach((_, other) => { if (other !== k) hidden.add(other); });
      refresh();
    };
    const colours = colouring.palette;
    const list = h('ul', { class: 'categories', 'aria-label': 'Categories: press to hide or show' }, ...values.slice(0, LISTED).map((value, k) => {
      const swatch = h('span', { class: 'swatch', 'aria-hidden': 'true' });
      swatch.style.background = colours[k];
      const one = button('', () => undefined, {
        class: 'category', 'aria-pressed': String(!hidden.has(k)), testid: `category-${k}`,
        title: 'Click: hide or show. Double click or Alt and click: show this one alone.',
      });
      // A double click comes after two clicks, which undo one another.
      one.addEventListener('click', (event) => (event.altKey ? isolate(k) : toggle(k)));
      one.addEventListener('dblclick', (event) => { if (!event.altKey) isolate(k); });
      one.append(swatch, name(value, { class: 'feature' }), h('span', { class: 'value' }, integer(colouring.counts[k])));
      buttons.push(one);
      return h('li', {}, one);
    }));
    return h('div', {}, list, values.length > LISTED && h('p', { class: 'muted small' },
      `The first ${LISTED} of ${integer(values.length)} categories.`));
  };

  const numbers = (scale: Scale): HTMLElement => {
    const { low, high, log } = scale;
    const valueAt = (step: number): number => {
      if (step <= 0) return low;
      if (step >= STEPS) return high;
      const share = step / STEPS;
      return log ? low * (high / low) ** share : low + share * (high - low);
    };
    const stepOf = (value: number): number => {
      const share = log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
      return Math.round(STEPS * Math.min(1, Math.max(0, share || 0)));
    };
    const known = colouring.limits.get(scale.key);
    const range = (label: string, value: number, testid: string): HTMLInputElement => {
      const one = h('input', { type: 'range', min: 0, max: STEPS, step: 1, 'aria-label': label, testid });
      one.value = String(value);
      return one;
    };
    const from = range(`Lowest ${scale.name}`, known ? stepOf(known[0]) : 0, 'range-low');
    const to = range(`Highest ${scale.name}`, known ? stepOf(known[1]) : STEPS, 'range-high');
    const [left, right] = [h('span', {}), h('span', {})];
    const bar = h('canvas', { class: 'colourbar', role: 'img', 'aria-label': `Colours from ${format(low)} to ${format(high)}` });
    const paint = (): void => {
      const colours = colouring.ramp(256);
      [bar.width, bar.height] = [256, 1];
      const context = bar.getContext('2d');
      if (!context) return;
      colours.forEach((colour, k) => {
        const off = k / 255 < Number(from.value) / STEPS || k / 255 > Number(to.value) / STEPS;
        context.globalAlpha = off ? 0.15 : 1;
        context.fillStyle = colour;
        context.fillRect(k, 0, 1, 1);
      });
    };
    const say = (): void => {
      const [a, b] = [valueAt(Number(from.value)), valueAt(Number(to.value))];
      left.textContent = format(a, 3);
      right.textContent = format(b, 3);
      from.setAttribute('aria-valuetext', format(a, 3));
      to.setAttribute('aria-valuetext', format(b, 3));
      paint();
    };
    const apply = frames(() => {
      const [a, b] = [Number(from.value), Number(to.value)];
      // The ends hold all points, those without a number and, on a log scale, those at 0, too.
      if (a === 0 && b === STEPS) colouring.limits.delete(scale.key);
      else colouring.limits.set(scale.key, [a === 0 ? -Infinity : valueAt(a), b === STEPS ? Infinity : valueAt(b)]);
      refilter();
    });
    from.addEventListener('input', () => {
      if (Number(from.value) > Number(to.value)) from.value = to.value;
      say();
      apply();
    });
    to.addEventListener('input', () => {
      if (Number(to.value) < Number(from.value)) to.value = from.value;
      say();
      apply();
    });
    say();
    const about = h('p', { class: 'muted small' }, name(scale.about));
    const missing = scale.missing > 0 && h('p', { class: 'muted small' },
      `${integer(scale.missing)} rows have no number and are gray.`);
    return h('div', {}, h('div', { class: 'range' }, bar, from, to), h('div', { class: 'ends' }, left,
      log && h('span', { class: 'muted' }, 'log scale'), right), about, missing);
  };

  const draw = (): void => {
    const { colour } = store.state;
    if (colour === 'label') replace(root, categories());
    else if (colouring.scale) replace(root, numbers(colouring.scale));
    else replace(root);
  };
  store.on(['colour', 'dark'], draw);
  draw();
  return { root, draw };
}

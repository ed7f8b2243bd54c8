/** The controls beside the map: colours, axes, what is drawn over the points. */

import type { App } from './app';
import { button, format, h, integer, name, replace, unique } from './dom';
import { legend } from './legend';

const SUGGESTED = 60;
const MOST_ARROWS = 3;

export function controls(app: App): HTMLElement {
  const parts = [colours(app), axes(app), drawn(app)].filter(Boolean) as HTMLElement[];
  return h('div', { class: 'controls' }, ...parts);
}

function colours(app: App): HTMLElement {
  const { store, colouring, model } = app;
  const id = unique();
  const select = h('select', { id, testid: 'colour-by' });
  const groups = new Map<string, HTMLElement>();
  colouring.choices.forEach(({ key, name: text, group }) => {
    const option = h('option', { value: key, text });
    if (!group) {
      select.append(option);
      return;
    }
    let parent = groups.get(group);
    if (!parent) {
      parent = h('optgroup', { label: group });
      groups.set(group, parent);
      select.append(parent);
    }
    parent.append(option);
  });
  select.value = store.state.colour;
  select.addEventListener('change', () => store.set({ colour: select.value }));
  const shown = h('span', { testid: 'shown-count' });
  const all = button('Show all', () => {
    colouring.clear();
    refilter();
    draw();
  }, { class: 'link', testid: 'show-all' });
  const status = h('p', { class: 'small shown' }, shown, ' ', all);
  const refilter = (): void => store.set({ visible: colouring.visible() });
  const count = (): void => {
    const { visible } = store.state;
    let number = model.n;
    if (visible) {
      number = 0;
      for (const one of visible) number += one;
    }
    shown.textContent = visible ? `${integer(number)} of ${integer(model.n)} rows shown.` : '';
    status.hidden = !visible;
  };
  store.on(['visible'], count);
  count();
  const { root, draw } = legend(app, refilter);
  return h('div', { class: 'group' }, h('label', { for: id }, 'Colour'), select, root, status);
}

function axes(app: App): HTMLElement | null {
  const { model, store } = app;
  if (model.d <= 2) return null;
  const selects = [axisSelect(app, 0), axisSelect(app, 1)];
  const sliders = h('div', { class: 'sliders', testid: 'sliders' });
  const draw = (): void => {
    const { axes: shown } = store.state;
    selects.forEach((select, which) => { select.value = String(shown[which]); });
    replace(sliders, ...model.header.axes.flatMap((_, axis) => (shown.includes(axis) ? [] : [slider(app, axis)])));
    follow();
  };
  const follow = (): void => {
    for (const input of sliders.querySelectorAll<HTMLInputElement>('input')) {
      const value = store.state.others[Number(input.dataset.axis)];
      input.value = String(value);
      const out = input.nextElementSibling;
      if (out) out.textContent = format(value, 3);
    }
  };
  store.on(['axes'], draw);
  store.on(['others'], follow);
  draw();
  const fields = ['Horizontal', 'Vertical'].map((label, which) => h('div', { class: 'field' },
    h('label', { for: selects[which].id }, label), selects[which]));
  return h('div', { class: 'group' }, h('h2', {}, 'Axes'), ...fields,
    h('p', { class: 'muted small' }, 'Coordinates that are not shown, for decoding:'), sliders);
}

/** `which` is 0 for the horizontal axis, 1 for the vertical one. */
function axisSelect({ model, store }: App, which: 0 | 1): HTMLSelectElement {
  const select = h('select', { id: unique(), testid: which ? 'axis-y' : 'axis-x' },
    ...model.header.axes.map((text, axis) => h('option', { value: axis, text })));
  select.addEventListener('change', () => {
    const next: [number, number] = [...store.state.axes];
    const chosen = Number(select.value);
    // The other axis takes the place of this one if both would be the same.
    if (next[1 - which] === chosen) next[1 - which] = next[which];
    next[which] = chosen;
    store.set({ axes: next });
  });
  return select;
}

/** Of a coordinate that is not shown. */
function slider({ model, store }: App, axis: number): HTMLElement {
  const id = unique();
  const [low, high] = model.ranges[axis];
  const input = h('input', { type: 'range', id, min: low, max: high, step: 'any', testid: `slider-${axis}` });
  input.dataset.axis = String(axis);
  input.addEventListener('input', () => {
    const others = [...store.state.others];
    others[axis] = Number(input.value);
    store.set({ others });
  });
  // Steps of "any" give keys no length of a step.
  input.addEventListener('keydown', (event) => {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    input.value = String(Number(input.value) + (by * (high - low)) / 100);
    input.dispatchEvent(new Event('input'));
  });
  return h('div', { class: 'field' }, h('label', { for: id }, name(model.header.axes[axis])), input,
    h('output', { for: id, class: 'value' }));
}

function drawn(app: App): HTMLElement | null {
  const { model, store } = app;
  const checkbox = (label: string, key: 'support' | 'ellipses', testid: string): HTMLElement => {
    const id = unique();
    const box = h('input', { type: 'checkbox', id, testid });
    box.checked = store.state[key];
    box.addEventListener('change', () => store.set({ [key]: box.checked }));
    return h('div', { class: 'check' }, box, h('label', { for: id }, label));
  };
  const parts: HTMLElement[] = [];
  if (model.header.support && model.d <= 2) parts.push(checkbox('Shade places without rows', 'support', 'toggle-support'));
  if (model.covariance || model.deviation) {
    parts.push(checkbox('Ellipses of 1 standard deviation, where fewer than 600 points are in view', 'ellipses', 'toggle-ellipses'));
  }
  if (model.decoder && model.d > 1) parts.push(arrows(app));
  return parts.length ? h('div', { class: 'group' }, h('h2', {}, 'On the map'), ...parts) : null;
}

function arrows(app: App): HTMLElement {
  const { model: { header: { features: { names } } }, store } = app;
  const [id, listId] = [unique(), unique()];
  const suggestions = h('datalist', { id: listId });
  const input = h('input', {
    type: 'text', id, list: listId, placeholder: 'name of a feature', autocomplete: 'off', spellcheck: 'false',
    testid: 'arrow-feature', dir: 'auto',
  });
  const message = h('p', { class: 'muted small', role: 'status' });
  const suggest = (): void => replace(suggestions, ...suggested(names, input.value).map((value) => h('option', { value })));
  const add = (forced: boolean): void => {
    if (!input.value.trim()) return;
    const feature = featureNamed(names, input.value, forced);
    if (feature < 0) {
      if (forced) message.textContent = 'No feature has this name.';
      return;
    }
    const { arrows: chosen } = store.state;
    const isNew = !chosen.includes(feature);
    const tooMany = isNew && chosen.length >= MOST_ARROWS;
    message.textContent = tooMany ? `Arrows show up to ${MOST_ARROWS} features.` : '';
    if (tooMany) return;
    if (isNew) store.set({ arrows: [...chosen, feature] });
    input.value = '';
    suggest();
  };
  input.addEventListener('input', (event) => {
    suggest();
    // A choice from the list replaces the text at once; typing comes letter by letter.
    if ((event as InputEvent).inputType === 'insertReplacementText' || !(event instanceof InputEvent)) add(false);
  });
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    add(true);
  });
  input.addEventListener('change', () => add(false));
  input.addEventListener('focus', suggest);
  return h('div', { class: 'arrows' }, h('label', { for: id }, 'Arrows: where features rise'),
    h('div', { class: 'row' }, input, button('Add', () => add(true), { testid: 'arrow-add' })), suggestions, message,
    arrowLegend(app));
}

function suggested(names: readonly string[], text: string): string[] {
  const wanted = text.trim().toLowerCase();
  const found: string[] = [];
  for (let j = 0; j < names.length && found.length < SUGGESTED; j++) {
    if (names[j].toLowerCase().includes(wanted)) found.push(names[j]);
  }
  return found;
}

/** −1 where there is none. Begun names count only if the choice is `forced`, as by Enter. */
function featureNamed(names: readonly string[], text: string, forced: boolean): number {
  const wanted = text.trim();
  let feature = names.indexOf(text);
  if (feature < 0) feature = names.findIndex((one) => one.trim() === wanted);
  if (feature < 0 && forced) feature = names.findIndex((one) => one.toLowerCase().startsWith(wanted.toLowerCase()));
  return feature;
}

/** The features whose arrows are drawn; a press removes one. */
function arrowLegend({ model, store }: App): HTMLElement {
  const { names } = model.header.features;
  const chips = h('ul', { class: 'chips', testid: 'arrow-legend' });
  store.on(['arrows'], () => replace(chips, ...store.state.arrows.map((feature, k) => {
    const swatch = h('span', { class: `swatch arrow-${k + 1}`, 'aria-hidden': 'true' });
    const chip = button('', () => store.set({ arrows: store.state.arrows.filter((one) => one !== feature) }), {
      class: 'chip', 'aria-label': `Remove the arrows of ${names[feature]}`,
    });
    chip.append(swatch, name(names[feature]), h('span', { 'aria-hidden': 'true' }, '×'));
    return h('li', {}, chip);
  })));
  return chips;
}

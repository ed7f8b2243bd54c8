/** Puts a map into an element. */

import type { App } from './app';
import { Colouring } from './colouring';
import { opened, type Header } from './container';
import { controls } from './controls';
import { h, iconButton, integer, name } from './dom';
import { lassoed, listen } from './interaction';
import { KEYS, listenToKeys } from './keyboard';
import { helpDialog, ICONS, Tabs, tools } from './layout';
import { messageOf, Model } from './model';
import { Overlay } from './overlay';
import { aboutPanel } from './panel-about';
import { newPanel } from './panel-new';
import { pathPanel } from './panel-path';
import { placePanel } from './panel-place';
import { pointPanel } from './panel-point';
import { selectionPanel } from './panel-selection';
import { Scatter } from './scatter';
import { search } from './search';
import { Space } from './space';
import { Store, type Mode, type Placed } from './state';
import { View } from './view';

export interface Options {
  onSelect?: (indices: number[]) => void;
  /** In pixels; else the height of the window. */
  height?: number;
  /** Several maps on a page with other content. */
  embedded?: boolean;
}

export interface Explorer {
  header: Header;
  decode(z: number[]): number[];
  encode(x: number[]): number[];
  selection(): number[];
  filtered(): number[] | null;
  screenOf(z: number[]): [number, number];
  placed(): Placed[];
  select(indices: number[]): void;
  resize(height: number): void;
  destroy(): void;
}

export async function mount(element: HTMLElement, bytes: Uint8Array, options: Options = {}): Promise<Explorer> {
  return built(element, new Model(await opened(bytes)), options);
}

function built(element: HTMLElement, model: Model, options: Options): Explorer {
  const { header } = model;
  const colouring = new Colouring(model);
  const prefersDark = matchMedia('(prefers-color-scheme: dark)');
  const store = new Store({
    axes: model.d > 1 ? [0, 1] : [0, -1],
    colour: colouring.first(),
    visible: null, selection: [], point: null, hover: null, place: null, cursor: false,
    mode: 'pan', path: [], drawing: false, others: [...model.medians], support: true, ellipses: true,
    arrows: [], placed: [], theme: 'auto', dark: prefersDark.matches, tab: 'point',
  });
  const { state } = store;
  colouring.dark = state.dark;
  colouring.choose(state.colour);
  // Before others that listen: the legend draws what is chosen.
  store.on(['colour', 'dark'], ({ colour, dark }) => {
    colouring.dark = dark;
    colouring.choose(colour);
  });
  const view = new View();
  const root = h('div', { class: options.embedded ? 'isthmus embedded' : 'isthmus', testid: 'isthmus' });
  const live = h('div', { class: 'offscreen', role: 'status', 'aria-live': 'polite', testid: 'live' });
  const toast = h('div', { class: 'toast', hidden: true, testid: 'toast' });
  const tooltip = h('div', { class: 'tooltip', hidden: true, 'aria-hidden': 'true', dir: 'auto' });
  const points = h('canvas', { class: 'points', 'aria-hidden': 'true' });
  const canvas = h('canvas', {
    class: 'overlay', tabindex: 0, role: 'application', testid: 'map',
    'aria-label': `Map of ${integer(model.n)} rows. Arrow keys move a cursor, Enter selects the nearest point, H is for help.`,
  });
  const shade = h('canvas', { class: 'shade', 'aria-hidden': 'true', hidden: true });
  const mapBox = h('div', { class: 'map' }, points, shade, canvas, tooltip, toast);

  let styles = new Map<string, string>();
  const { x, y } = view.positions(model, state.axes);
  let toastTimer = 0;
  const app: App = {
    root, model, store, view, colouring,
    space: new Space(model, x, y),
    announce: (text) => { live.textContent = text; },
    notify: (text) => {
      toast.textContent = text;
      toast.hidden = false;
      live.textContent = text;
      clearTimeout(toastTimer);
      toastTimer = window.setTimeout(() => { toast.hidden = true; }, 2500);
    },
    style: (property) => {
      let value = styles.get(property);
      if (value === undefined) {
        value = getComputedStyle(root).getPropertyValue(property).trim();
        styles.set(property, value);
      }
      return value;
    },
    redraw: () => overlay.redraw(),
    open: (i, centre = false) => {
      const others = model.place(i);
      store.set({ others, point: i });
      app.select([i]);
      const [a, b] = app.shown(others, i);
      if (centre) view.centre(a, b);
      store.set({ place: others, hover: null });
      tabs.open('point');
      app.announce(`Row ${model.id(i)} selected${model.label(i) === null ? '' : `, ${model.label(i)}`}.`);
    },
    select: (indices) => {
      store.set({ selection: indices });
      options.onSelect?.(indices);
    },
    visit: (a, b) => store.set({ place: app.whole(a, b) }),
    whole: (a, b) => {
      const z = [...store.state.others];
      z[store.state.axes[0]] = a;
      if (store.state.axes[1] >= 0) z[store.state.axes[1]] = b;
      return z;
    },
    shown: (z, i) => {
      const [p, q] = store.state.axes;
      if (q >= 0) return [z[p], z[q]];
      const own = i === undefined ? null : app.space.y[i];
      return [z[p], own ?? view.data(0, overlay.crosshair?.[1] ?? view.height / 2)[1]];
    },
  };
  const overlay = new Overlay(app, canvas, shade);

  const setMode = (mode: Mode): void => {
    store.set({ mode, ...(mode === 'path' ? { path: [], drawing: true } : { drawing: false }) });
    overlay.lasso = [];
    if (mode === 'path') tabs.open('path');
    if (mode === 'lasso') tabs.open('selection');
    overlay.redraw();
  };
  const endLasso = (): void => {
    const found = lassoed(app, overlay.lasso);
    overlay.lasso = [];
    store.set({ mode: 'pan', point: null });
    app.select(found);
    tabs.open('selection');
    app.announce(`${integer(found.length)} rows selected.`);
    overlay.redraw();
  };
  const addToPath = (px: number, py: number): void => {
    const path = store.state.drawing ? store.state.path : [];
    store.set({ path: [...path, view.data(px, py)], drawing: true });
  };
  const endPath = (): void => {
    // The clicks of a double click add one corner twice.
    const path = store.state.path.filter((one, k, all) => !k
      || Math.hypot(view.screenX(one[0]) - view.screenX(all[k - 1][0]), view.screenY(one[1]) - view.screenY(all[k - 1][1])) > 1.5);
    store.set(path.length > 1 ? { path, drawing: false, mode: 'pan' } : { path });
    if (path.length > 1) app.announce('Path drawn. Its decoded rows are in the panel Path.');
  };
  const help = helpDialog(KEYS);

  const tool = tools({
    mode: setMode, zoom: (factor) => view.zoom(factor), reset: () => view.fit(), path: Boolean(model.decoder),
  });
  store.on(['mode'], ({ mode }) => {
    for (const [key, one] of Object.entries(tool.modes)) one.setAttribute('aria-pressed', String(key === mode));
    canvas.dataset.mode = mode;
  });
  const theme = iconButton('Dark or light', ICONS.theme, () => {
    const dark = !store.state.dark;
    root.dataset.theme = dark ? 'dark' : 'light';
    store.set({ theme: dark ? 'dark' : 'light', dark });
  }, { testid: 'theme' });

  const tabs = new Tabs((tab) => store.set({ tab }));
  const incoming = newPanel(app, () => tabs.open('new'));
  tabs.add('point', 'Point', pointPanel(app));
  tabs.add('selection', 'Selection', selectionPanel(app));
  tabs.add('path', 'Path', pathPanel(app));
  tabs.add('new', 'New rows', incoming.root);
  tabs.add('about', 'About', aboutPanel(app));

  root.append(
    h('header', { class: 'top' },
      h('div', { class: 'names' },
        h('h1', { dir: 'auto', title: header.title, testid: 'title' }, header.title),
        h('p', { class: 'muted small' }, name(header.model.estimator),
          ` · ${integer(model.n)} rows · ${integer(model.D)} features · ${model.d} ${model.d === 1 ? 'coordinate' : 'coordinates'}`)),
      search(app),
      theme, iconButton('Help (H)', ICONS.help, () => help.showModal(), { testid: 'help-button' })),
    ...(model.alarming ? [h('div', { class: 'banner', role: 'alert', testid: 'trouble' }, model.trouble)] : []),
    h('div', { class: 'body' }, controls(app), h('div', { class: 'stage' }, mapBox, tool.root),
      h('div', { class: 'side' }, placePanel(app), tabs.root)),
    live, help);
  tabs.open('point');
  element.replaceChildren(root);

  const withoutWebgl = (): void => mapBox.append(h('p', { class: 'banner small', testid: 'no-webgl' },
    'There is no WebGL here: points are drawn more slowly, without it.'));
  const scatter = new Scatter(points, view, withoutWebgl);
  if (!scatter.webgl) withoutWebgl();
  const recolour = (): void => {
    styles = new Map();
    scatter.setColours(colouring.codes, colouring.palette, app.style('--map') || '#ffffff');
    overlay.redraw();
  };
  store.on(['dark'], () => overlay.support.forget());
  store.on(['colour', 'dark'], recolour);
  const followDark = (): void => { if (state.theme === 'auto') store.set({ dark: prefersDark.matches }); };
  prefersDark.addEventListener('change', followDark);
  store.on(['visible'], ({ visible, selection, point }) => {
    scatter.setVisible(visible);
    if (!visible) return;
    const kept = selection.filter((i) => visible[i]);
    if (kept.length < selection.length) app.select(kept);
    if (point !== null && !visible[point]) store.set({ point: null });
  });
  store.on(['selection'], ({ selection }) => scatter.setSelected(selection));
  store.on(['axes'], ({ axes }) => {
    const next = view.positions(model, axes);
    app.space = new Space(model, next.x, next.y);
    overlay.support.forget();
    overlay.arrows.forget();
    store.set({ path: [], drawing: false });
    scatter.setPoints(app.space);
    view.fit();
  });
  store.on(['others'], ({ others, place, axes }) => {
    if (!place || model.d <= 2) return;
    store.set({ place: others.map((one, axis) => (axes.includes(axis) ? place[axis] : one)) });
  });
  store.on(['hover', 'point', 'place', 'path', 'placed', 'support', 'ellipses', 'arrows', 'visible', 'others'], overlay.redraw);
  view.on(overlay.redraw);

  listen(app, overlay, canvas, {
    endPath, addToPath, endLasso,
    tooltip: (text, px, py) => {
      tooltip.hidden = text === null;
      if (text === null) return;
      tooltip.textContent = text;
      const left = px > view.width * 0.7;
      tooltip.style.left = left ? '' : `${px + 14}px`;
      tooltip.style.right = left ? `${view.width - px + 14}px` : '';
      tooltip.style.top = `${Math.max(4, py - 30)}px`;
    },
  }, Boolean(options.embedded));
  listenToKeys(app, overlay, canvas, {
    lasso: () => setMode(store.state.mode === 'lasso' ? 'pan' : 'lasso'),
    path: () => { if (model.decoder) setMode(store.state.mode === 'path' ? 'pan' : 'path'); },
    help: () => help.showModal(),
    reset: () => view.fit(),
    escape: () => {
      overlay.crosshair = null;
      overlay.lasso = [];
      store.set({ mode: 'pan', path: [], drawing: false, point: null, hover: null });
      if (store.state.selection.length) app.select([]);
      app.announce('Cleared.');
      overlay.redraw();
    },
    enter: (px, py) => {
      if (store.state.mode === 'path') { endPath(); return; }
      if (store.state.mode === 'lasso' && overlay.lasso.length >= 6) { endLasso(); return; }
      const [sx, sy] = view.scaled(px, py);
      for (let radius = 8; radius < 8000; radius *= 2) {
        const hit = app.space.hit(sx, sy, radius / view.unit, store.state.visible);
        if (hit !== null) { app.open(hit); return; }
      }
    },
    space: (px, py) => {
      if (store.state.mode === 'path') addToPath(px, py);
      if (store.state.mode === 'lasso') { overlay.lasso.push(px, py); overlay.redraw(); }
    },
  });

  const drop = (event: DragEvent): void => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    root.classList.toggle('dropping', event.type === 'dragover');
    if (event.type !== 'drop') return;
    for (const file of event.dataTransfer.files) void incoming.read(file);
  };
  for (const type of ['dragover', 'dragleave', 'drop'] as const) root.addEventListener(type, drop);

  let first = true;
  const observer = new ResizeObserver(() => {
    const { width, height } = mapBox.getBoundingClientRect();
    if (!width || !height) return;
    view.resize(width, height);
    if (first) {
      first = false;
      view.fit();
      scatter.setPoints(app.space);
    }
    overlay.redraw();
  });
  const resize = (height: number): void => { root.style.height = `${height}px`; };
  if (options.height) resize(options.height);
  canvas.dataset.mode = 'pan';
  tool.modes.pan.setAttribute('aria-pressed', 'true');
  for (const mode of ['lasso', 'path'] as const) tool.modes[mode].setAttribute('aria-pressed', 'false');
  observer.observe(mapBox);
  recolour();

  return {
    header,
    decode: (z) => Array.from(model.decode(z)),
    encode: (given) => Array.from(model.encode(given)),
    selection: () => [...store.state.selection],
    filtered: () => {
      const { visible } = store.state;
      if (!visible) return null;
      const result: number[] = [];
      visible.forEach((one, i) => { if (one) result.push(i); });
      return result;
    },
    screenOf: (z) => {
      const box = canvas.getBoundingClientRect();
      const [a, b] = app.shown(z);
      return [box.left + view.screenX(a), box.top + view.screenY(b)];
    },
    placed: () => store.state.placed.map((one) => ({ ...one, place: [...one.place] })),
    select: (indices) => {
      const good = indices.filter((i) => Number.isInteger(i) && i >= 0 && i < model.n);
      store.set({ selection: good, point: good.length === 1 ? good[0] : null });
      if (good.length) tabs.open(good.length === 1 ? 'point' : 'selection');
    },
    resize,
    destroy: () => {
      observer.disconnect();
      prefersDark.removeEventListener('change', followDark);
      overlay.stop();
      scatter.destroy();
      root.remove();
    },
  };
}

export function failure(element: HTMLElement, error: unknown): void {
  element.replaceChildren(h('div', { class: 'isthmus' },
    h('div', { class: 'banner', role: 'alert', testid: 'failure' }, `The map cannot be opened: ${messageOf(error)}`)));
}

/** Puts a map into an element. */

import { App } from './app';
import { opened, type Header } from './container';
import { controls } from './controls';
import { h, iconButton } from './dom';
import { Pointers } from './interaction';
import { KEYS, listenToMapKeys, listenToPageKeys } from './keyboard';
import { elements, helpDialog, ICONS, tools, topBar } from './layout';
import { messageOf, Model } from './model';
import { Modes } from './modes';
import { aboutPanel } from './panel-about';
import { listenToDrops, newPanel } from './panel-new';
import { pathPanel } from './panel-path';
import { placePanel } from './panel-place';
import { pointPanel } from './panel-point';
import { selectionPanel } from './panel-selection';
import { Scatter } from './scatter';
import type { Placed } from './state';

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

const prefersDark = (): MediaQueryList => matchMedia('(prefers-color-scheme: dark)');

export async function mount(element: HTMLElement, bytes: Uint8Array, options: Options = {}): Promise<Explorer> {
  return built(element, new Model(await opened(bytes)), options);
}

export function failure(element: HTMLElement, error: unknown): void {
  const theme = prefersDark().matches ? 'dark' : 'light';
  element.replaceChildren(h('div', { class: 'isthmus', 'data-theme': theme },
    h('div', { class: 'banner', role: 'alert', testid: 'failure' }, `The map cannot be opened: ${messageOf(error)}`)));
}

function built(element: HTMLElement, model: Model, options: Options): Explorer {
  const embedded = Boolean(options.embedded);
  const app = new App(model, elements(model, embedded), prefersDark().matches, options.onSelect);
  const { root, map, live } = app.elements;
  const modes = new Modes(app);
  const help = helpDialog(KEYS);
  const showHelp = (): void => help.showModal();
  const theme = themeButton(app);
  const helpButton = iconButton('Help (H)', ICONS.help, showHelp, { testid: 'help-button' });
  addPanels(app);
  root.append(
    topBar(app, theme.button, helpButton),
    ...(model.alarming ? [h('div', { class: 'banner', role: 'alert', testid: 'trouble' }, model.trouble)] : []),
    h('div', { class: 'body' }, controls(app), h('div', { class: 'stage' }, map, tools(app, modes)),
      h('div', { class: 'side' }, placePanel(app), app.tabs.root)),
    live, help);
  if (options.height) resize(root, options.height);
  element.replaceChildren(root);

  const scatter = scatterOf(app);
  redrawOnChanges(app, scatter);
  new Pointers(app, modes, embedded);
  listenToMapKeys(app, modes);
  listenToPageKeys(app, modes, showHelp);
  const observer = fitted(app, scatter);
  return explorer(app, () => {
    observer.disconnect();
    theme.stop();
    app.overlay.stop();
    scatter.destroy();
    root.remove();
  });
}

/** Changes between light and dark. Until it is used, the page follows the system. */
function themeButton({ store }: App): { button: HTMLButtonElement; stop: () => void } {
  const system = prefersDark();
  const follow = (): void => store.set({ dark: system.matches });
  const stop = (): void => system.removeEventListener('change', follow);
  system.addEventListener('change', follow);
  const button = iconButton('Dark or light', ICONS.theme, () => {
    stop();
    store.set({ dark: !store.state.dark });
  }, { testid: 'theme' });
  return { button, stop };
}

function addPanels(app: App): void {
  const { tabs } = app;
  const incoming = newPanel(app);
  tabs.add('point', 'Point', pointPanel(app));
  tabs.add('selection', 'Selection', selectionPanel(app));
  tabs.add('path', 'Path', pathPanel(app));
  tabs.add('new', 'New rows', incoming.root);
  tabs.add('about', 'About', aboutPanel(app));
  tabs.open('point');
  listenToDrops(app.root, incoming.read);
}

function scatterOf(app: App): Scatter {
  const { map, points } = app.elements;
  const withoutWebgl = (): void => map.append(h('p', { class: 'banner small', testid: 'no-webgl' },
    'There is no WebGL here: points are drawn more slowly, without it.'));
  const scatter = new Scatter(points, app.view, withoutWebgl);
  if (!scatter.webgl) withoutWebgl();
  return scatter;
}

function redrawOnChanges(app: App, scatter: Scatter): void {
  const { store, view, overlay, colouring } = app;
  const recolour = (): void => {
    scatter.setColours(colouring.codes, colouring.palette, app.style('--map') || '#ffffff');
    overlay.redraw();
  };
  store.on(['dark'], () => overlay.support.forget());
  store.on(['colour', 'dark'], recolour);
  store.on(['visible'], ({ visible, selection, point }) => {
    scatter.setVisible(visible);
    if (!visible) return;
    const kept = selection.filter((i) => visible[i]);
    if (kept.length < selection.length) app.select(kept);
    if (point !== null && !visible[point]) store.set({ point: null });
  });
  store.on(['selection'], ({ selection }) => scatter.setSelected(selection));
  store.on(['axes'], () => {
    app.space = app.spaceOfAxes();
    overlay.support.forget();
    overlay.arrows.forget();
    store.set({ path: [], drawing: false });
    scatter.setPoints(app.space);
    view.fit();
  });
  store.on(['others'], ({ others, place, axes }) => {
    if (!place || app.model.d <= 2) return;
    store.set({ place: others.map((one, axis) => (axes.includes(axis) ? place[axis] : one)) });
  });
  store.on(
    ['hover', 'point', 'place', 'path', 'placed', 'support', 'ellipses', 'arrows', 'visible', 'others'],
    overlay.redraw,
  );
  view.on(overlay.redraw);
  recolour();
}

/** Keeps the view at the size of the map, and draws the points once there is one. */
function fitted(app: App, scatter: Scatter): ResizeObserver {
  const { view, elements: { map } } = app;
  let first = true;
  const observer = new ResizeObserver(() => {
    const { width, height } = map.getBoundingClientRect();
    if (!width || !height) return;
    view.resize(width, height);
    if (first) {
      first = false;
      view.fit();
      scatter.setPoints(app.space);
    }
    app.overlay.redraw();
  });
  observer.observe(map);
  return observer;
}

function resize(root: HTMLElement, height: number): void {
  root.style.height = `${height}px`;
}

function explorer(app: App, destroy: () => void): Explorer {
  const { model, store, view, tabs } = app;
  return {
    header: model.header,
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
      const box = app.elements.canvas.getBoundingClientRect();
      const [a, b] = app.shown(z);
      return [box.left + view.screenX(a), box.top + view.screenY(b)];
    },
    placed: () => store.state.placed.map((one) => ({ ...one, place: [...one.place] })),
    select: (indices) => {
      const good = indices.filter((i) => Number.isInteger(i) && i >= 0 && i < model.n);
      store.set({ selection: good, point: good.length === 1 ? good[0] : null });
      if (good.length) tabs.open(good.length === 1 ? 'point' : 'selection');
    },
    resize: (height) => resize(app.root, height),
    destroy,
  };
}

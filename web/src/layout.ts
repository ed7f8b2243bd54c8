/** The parts of the page and where they go. */

import type { App } from './app';
import { h, iconButton, integer, name, unique } from './dom';
import type { Model } from './model';
import type { Modes } from './modes';
import { search } from './search';

export const ICONS = {
  pan: 'M10 2v16M2 10h16M10 2 8 4.4M10 2l2 2.4M10 18l-2-2.4M10 18l2-2.4M2 10l2.4-2M2 10l2.4 2M18 10l-2.4-2M18 10l-2.4 2',
  lasso: 'M4.6 12.6C2 11 2 7 5 5s9-2 11.500 1 .5 6.500-3.500 7.500c-3 .8-6 .4-8.400-.9ZM4.600 12.600c-.6 2 .4 3.400 2.400 4.400',
  path: 'M3 16c3-1 3-5 6-6s4 2 8-6M3 16h.01M17 4h.01',
  plus: 'M10 4v12M4 10h12',
  minus: 'M4 10h12',
  reset: 'M3 8V3h5M17 8V3h-5M3 12v5h5M17 12v5h-5',
  theme: 'M10 3a7 7 0 1 0 0 14ZM10 3a7 7 0 0 1 0 14',
  help: 'M7.500 7.600c0-3.200 5-3.200 5-.1 0 2-2.500 2.200-2.500 4.300M10 15.200v.1',
};

export interface Elements {
  root: HTMLElement;
  map: HTMLElement;
  /** The canvases of the map, from the lowest to the highest. */
  points: HTMLCanvasElement;
  shade: HTMLCanvasElement;
  canvas: HTMLCanvasElement;
  tooltip: HTMLElement;
  toast: HTMLElement;
  /** What it holds is read to those who hear the page. */
  live: HTMLElement;
}

export function elements(model: Model, embedded: boolean): Elements {
  const points = h('canvas', { class: 'points', 'aria-hidden': 'true' });
  const shade = h('canvas', { class: 'shade', 'aria-hidden': 'true', hidden: true });
  const canvas = h('canvas', {
    class: 'overlay', tabindex: 0, role: 'application', testid: 'map',
    'aria-label': `Map of ${integer(model.n)} rows. Arrow keys move a cursor, Enter selects the nearest point, H is for help.`,
  });
  const tooltip = h('div', { class: 'tooltip', hidden: true, 'aria-hidden': 'true', dir: 'auto' });
  const toast = h('div', { class: 'toast', hidden: true, testid: 'toast' });
  return {
    root: h('div', { class: embedded ? 'isthmus embedded' : 'isthmus', testid: 'isthmus' }),
    map: h('div', { class: 'map' }, points, shade, canvas, tooltip, toast),
    points, shade, canvas, tooltip, toast,
    live: h('div', { class: 'offscreen', role: 'status', 'aria-live': 'polite', testid: 'live' }),
  };
}

export function topBar(app: App, ...buttons: HTMLButtonElement[]): HTMLElement {
  const { header, n, d, D } = app.model;
  return h('header', { class: 'top' },
    h('div', { class: 'names' },
      h('h1', { dir: 'auto', title: header.title, testid: 'title' }, header.title),
      h('p', { class: 'muted small' }, name(header.model.estimator),
        ` · ${integer(n)} rows · ${integer(D)} features · ${d} ${d === 1 ? 'coordinate' : 'coordinates'}`)),
    search(app), ...buttons);
}

/** Tabs whose panels show one at a time. */
export class Tabs {
  readonly root: HTMLElement;
  private readonly list = h('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Panels' });
  private readonly panels = new Map<string, { tab: HTMLButtonElement; panel: HTMLElement }>();

  constructor() {
    this.root = h('section', { class: 'card tabbed' }, this.list);
    this.list.addEventListener('keydown', (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const keys = [...this.panels.keys()];
      const at = keys.findIndex((key) => this.panels.get(key)?.tab.tabIndex === 0);
      const next = keys[(at + by + keys.length) % keys.length];
      this.open(next);
      this.panels.get(next)?.tab.focus();
    });
  }

  add(key: string, label: string, content: HTMLElement): void {
    const [tabId, panelId] = [unique(), unique()];
    const tab = h('button', {
      type: 'button', role: 'tab', id: tabId, 'aria-controls': panelId, testid: `tab-${key}`,
      onclick: () => this.open(key),
    }, label);
    const panel = h('div', { role: 'tabpanel', id: panelId, 'aria-labelledby': tabId, class: 'tabpanel', tabindex: 0 }, content);
    this.panels.set(key, { tab, panel });
    this.list.append(tab);
    this.root.append(panel);
  }

  open(key: string): void {
    for (const [other, { tab, panel }] of this.panels) {
      const is = other === key;
      tab.setAttribute('aria-selected', String(is));
      tab.tabIndex = is ? 0 : -1;
      panel.hidden = !is;
    }
  }
}

export function tools(app: App, modes: Modes): HTMLElement {
  const { store, view, elements: { canvas } } = app;
  const buttons = {
    pan: iconButton('Move the map', ICONS.pan, () => modes.set('pan'), { testid: 'mode-pan' }),
    lasso: iconButton('Lasso: select points (L)', ICONS.lasso, () => modes.set('lasso'), { testid: 'mode-lasso' }),
    path: iconButton('Path: decode along a line (P)', ICONS.path, () => modes.set('path'), { testid: 'mode-path' }),
  };
  buttons.path.hidden = !app.model.decoder;
  const follow = (): void => {
    const { mode } = store.state;
    for (const [key, one] of Object.entries(buttons)) one.setAttribute('aria-pressed', String(key === mode));
    canvas.dataset.mode = mode;
  };
  store.on(['mode'], follow);
  follow();
  return h('div', { class: 'tools', role: 'toolbar', 'aria-label': 'Map' },
    h('div', { class: 'set' }, buttons.pan, buttons.lasso, buttons.path),
    h('div', { class: 'set' },
      iconButton('Zoom in (+)', ICONS.plus, () => view.zoom(1.4), { testid: 'zoom-in' }),
      iconButton('Zoom out (−)', ICONS.minus, () => view.zoom(1 / 1.4), { testid: 'zoom-out' }),
      iconButton('Reset the view (0)', ICONS.reset, () => view.fit(), { testid: 'reset-view' })));
}

export function helpDialog(keys: readonly [string, string][]): HTMLDialogElement {
  const title = unique();
  const dialog = h('dialog', { 'aria-labelledby': title, testid: 'help' },
    h('h2', { id: title }, 'Help'),
    h('p', {}, 'Each point is a row of the data. Move over the map to see what the model decodes there. Drag to move the map, turn the wheel or pinch to zoom. Click a point to see its row.'),
    h('dl', { class: 'keys' }, ...keys.flatMap(([key, what]) => [h('dt', {}, h('kbd', {}, key)), h('dd', {}, what)])),
    h('p', { class: 'muted small' }, 'Keys work while the map has the focus; L, P and H anywhere but in a field.'));
  const close = h('button', { type: 'button', onclick: () => dialog.close() }, 'Close');
  dialog.append(h('div', { class: 'buttons' }, close));
  dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  return dialog;
}

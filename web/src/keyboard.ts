/** The map by keys. */

import type { App } from './app';
import type { Modes } from './modes';

export const KEYS: [string, string][] = [
  ['Arrow keys', 'move the cursor on the map and decode there; with Shift, in longer steps'],
  ['Enter', 'select the point nearest to the cursor; end a path or a lasso'],
  ['Space', 'in path or lasso mode: add a corner at the cursor'],
  ['+ and −', 'zoom in and out'],
  ['0', 'reset the view'],
  ['L', 'lasso: draw around points to select them'],
  ['P', 'path: draw a line and see what lies along it'],
  ['Escape', 'clear the selection, the path and the cursor'],
  ['H or ?', 'this help'],
];

/** While the map has the focus. */
export function listenToMapKeys(app: App, modes: Modes): void {
  const { view, overlay } = app;
  const cursor = (): [number, number] => overlay.crosshair ?? [view.width / 2, view.height / 2];
  const space = (): void => {
    if (!overlay.crosshair) moveCursor(app, cursor(), 0, 0);
    addCorner(app, modes, ...cursor());
  };
  app.elements.canvas.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 48 : 12;
    act(event, {
      ArrowLeft: () => moveCursor(app, cursor(), -step, 0),
      ArrowRight: () => moveCursor(app, cursor(), step, 0),
      ArrowUp: () => moveCursor(app, cursor(), 0, -step),
      ArrowDown: () => moveCursor(app, cursor(), 0, step),
      Enter: () => enter(app, modes, ...cursor()),
      ' ': space,
      '+': () => view.zoom(1.25, ...cursor()),
      '=': () => view.zoom(1.25, ...cursor()),
      '-': () => view.zoom(0.8, ...cursor()),
      _: () => view.zoom(0.8, ...cursor()),
      0: () => view.fit(),
    });
  });
}

/** Anywhere but in a field. */
export function listenToPageKeys(app: App, modes: Modes, help: () => void): void {
  app.root.addEventListener('keydown', (event) => {
    const { target } = event;
    const typing = target instanceof HTMLInputElement || target instanceof HTMLSelectElement
      || target instanceof HTMLTextAreaElement;
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === 'Escape' && !app.root.querySelector('dialog[open]')) {
      modes.clear();
      return;
    }
    act(event, {
      l: () => modes.toggle('lasso'),
      p: () => { if (app.model.decoder) modes.toggle('path'); },
      h: help,
      '?': help,
    });
  });
}

function act(event: KeyboardEvent, actions: Record<string, () => void>): void {
  const action = actions[event.key] ?? actions[event.key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  action();
}

function moveCursor(app: App, [x, y]: [number, number], dx: number, dy: number): void {
  const { view, overlay } = app;
  const within = (value: number, most: number): number => Math.min(most - 1, Math.max(1, value));
  const next: [number, number] = [within(x + dx, view.width), within(y + dy, view.height)];
  // At the edge, the map moves instead.
  const [ox, oy] = [x + dx - next[0], y + dy - next[1]];
  if (ox || oy) view.pan(-ox, -oy);
  overlay.crosshair = next;
  const hover = app.space.hit(...view.scaled(...next), 6 / view.unit, app.store.state.visible);
  app.store.set({ hover });
  app.visit(...view.data(...next));
  overlay.redraw();
}

/** Ends a path or a lasso, else opens the nearest point. */
function enter(app: App, modes: Modes, px: number, py: number): void {
  const { view, store, overlay, space } = app;
  const { mode, visible } = store.state;
  if (mode === 'path') { modes.endPath(); return; }
  if (mode === 'lasso' && overlay.lasso.length >= 6) { modes.endLasso(); return; }
  for (let radius = 8; radius < 8000; radius *= 2) {
    const hit = space.hit(...view.scaled(px, py), radius / view.unit, visible);
    if (hit !== null) { app.open(hit); return; }
  }
}

function addCorner(app: App, modes: Modes, px: number, py: number): void {
  const { mode } = app.store.state;
  if (mode === 'path') modes.addToPath(px, py);
  if (mode === 'lasso') { app.overlay.lasso.push(px, py); app.overlay.redraw(); }
}

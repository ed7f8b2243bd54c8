/** The map by keys. */

import type { App } from './app';
import type { Overlay } from './overlay';

export interface KeyActions {
  lasso(): void;
  path(): void;
  help(): void;
  reset(): void;
  escape(): void;
  enter(px: number, py: number): void;
  space(px: number, py: number): void;
}

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

export function listenToKeys(app: App, overlay: Overlay, canvas: HTMLCanvasElement, actions: KeyActions): void {
  const { view } = app;
  const cursor = (): [number, number] => overlay.crosshair ?? [view.width / 2, view.height / 2];
  const move = (dx: number, dy: number): void => {
    const [x, y] = cursor();
    const within = (value: number, most: number): number => Math.min(most - 1, Math.max(1, value));
    const next: [number, number] = [within(x + dx, view.width), within(y + dy, view.height)];
    // At the edge, the map moves instead.
    const [ox, oy] = [x + dx - next[0], y + dy - next[1]];
    if (ox || oy) view.pan(-ox, -oy);
    overlay.crosshair = next;
    const [sx, sy] = view.scaled(...next);
    app.store.set({ hover: app.space.hit(sx, sy, 6 / view.unit, app.store.state.visible) });
    app.visit(...view.data(...next));
    overlay.redraw();
  };
  canvas.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 48 : 12;
    const keys: Record<string, () => void> = {
      ArrowLeft: () => move(-step, 0),
      ArrowRight: () => move(step, 0),
      ArrowUp: () => move(0, -step),
      ArrowDown: () => move(0, step),
      Enter: () => actions.enter(...cursor()),
      ' ': () => { if (!overlay.crosshair) move(0, 0); actions.space(...cursor()); },
      '+': () => view.zoom(1.25, ...cursor()),
      '=': () => view.zoom(1.25, ...cursor()),
      '-': () => view.zoom(0.8, ...cursor()),
      _: () => view.zoom(0.8, ...cursor()),
      0: actions.reset,
    };
    const action = keys[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  app.root.addEventListener('keydown', (event) => {
    const { target } = event;
    const typing = target instanceof HTMLInputElement || target instanceof HTMLSelectElement
      || target instanceof HTMLTextAreaElement;
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === 'Escape' && !typing && !app.root.querySelector('dialog[open]')) {
      actions.escape();
      return;
    }
    if (typing) return;
    const keys: Record<string, () => void> = {
      l: actions.lasso, p: actions.path, h: actions.help, '?': actions.help,
    };
    const action = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

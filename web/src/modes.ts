/** The modes of the map, and the lasso and the path that are drawn in two of them. */

import type { App } from './app';
import { integer } from './dom';
import { inside } from './path';
import type { Mode } from './state';

export class Modes {
  constructor(private readonly app: App) {}

  set(mode: Mode): void {
    const { store, overlay, tabs } = this.app;
    store.set({ mode, ...(mode === 'path' ? { path: [], drawing: true } : { drawing: false }) });
    overlay.lasso = [];
    if (mode === 'path') tabs.open('path');
    if (mode === 'lasso') tabs.open('selection');
    overlay.redraw();
  }

  toggle(mode: Mode): void {
    this.set(this.app.store.state.mode === mode ? 'pan' : mode);
  }

  endLasso(): void {
    const { app } = this;
    const found = lassoed(app, app.overlay.lasso);
    app.overlay.lasso = [];
    app.store.set({ mode: 'pan', point: null });
    app.select(found);
    app.tabs.open('selection');
    app.announce(`${integer(found.length)} rows selected.`);
    app.overlay.redraw();
  }

  addToPath(px: number, py: number): void {
    const { store, view } = this.app;
    const path = store.state.drawing ? store.state.path : [];
    store.set({ path: [...path, view.data(px, py)], drawing: true });
  }

  endPath(): void {
    const { store, view } = this.app;
    // The clicks of a double click add one corner twice.
    const path = store.state.path.filter((one, k, all) => !k || Math.hypot(
      view.screenX(one[0]) - view.screenX(all[k - 1][0]), view.screenY(one[1]) - view.screenY(all[k - 1][1]),
    ) > 1.5);
    store.set(path.length > 1 ? { path, drawing: false, mode: 'pan' } : { path });
    if (path.length > 1) this.app.announce('Path drawn. Its decoded rows are in the panel Path.');
  }

  /** Clears what is drawn and what is selected. */
  clear(): void {
    const { app } = this;
    app.overlay.crosshair = null;
    app.overlay.lasso = [];
    app.store.set({ mode: 'pan', path: [], drawing: false, point: null, hover: null });
    if (app.store.state.selection.length) app.select([]);
    app.announce('Cleared.');
    app.overlay.redraw();
  }
}

/** The shown points within a polygon of pixels. */
function lassoed(app: App, polygon: number[]): number[] {
  const { view, space, store } = app;
  const scaled: number[] = [];
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < polygon.length; i += 2) {
    const [x, y] = view.scaled(polygon[i], polygon[i + 1]);
    scaled.push(x, y);
    [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
  }
  if (scaled.length < 6) return [];
  const { visible } = store.state;
  return space.index.range(x0, y0, x1, y1)
    .filter((i) => (!visible || visible[i]) && inside(space.x[i], space.y[i], scaled))
    .sort((a, b) => a - b);
}

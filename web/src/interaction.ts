/** Mouse, pen and fingers on the map. */

import type { App } from './app';
import { frames } from './dom';
import type { Overlay } from './overlay';
import { inside } from './path';

const CLICK = 5;
/** Pixels around a point that count as on it; among very many points, fewer. */
const near = (n: number, touch = false): number => (touch ? 16 : n > 2e5 ? 5 : 9);

export interface Actions {
  endPath(): void;
  addToPath(px: number, py: number): void;
  endLasso(): void;
  tooltip(text: string | null, x: number, y: number): void;
}

/** Selects what a polygon of pixels holds. */
export function lassoed(app: App, polygon: number[]): number[] {
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

export function listen(
  app: App, overlay: Overlay, canvas: HTMLCanvasElement, actions: Actions, wheelNeedsFocus: boolean,
): void {
  const { view, store } = app;
  const pointers = new Map<number, [number, number]>();
  let start: [number, number] = [0, 0];
  let moved = false;
  let drags: 'pan' | 'lasso' | 'path' | 'pinch' | null = null;

  const at = (event: MouseEvent): [number, number] => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  const hover = frames((x: number, y: number) => {
    if (!pointers.size) look(x, y);
  });

  const look = (x: number, y: number): void => {
    const [sx, sy] = view.scaled(x, y);
    const hit = app.space.hit(sx, sy, near(app.model.n) / view.unit, store.state.visible);
    store.set({ hover: hit });
    overlay.hoverPlaced = placedAt(app, x, y);
    const placed = store.state.placed[overlay.hoverPlaced];
    if (placed) actions.tooltip(`row ${placed.row} of ${placed.file}`, x, y);
    else if (hit !== null) {
      const label = app.model.label(hit);
      actions.tooltip(label === null ? app.model.id(hit) : `${app.model.id(hit)} · ${label}`, x, y);
    } else actions.tooltip(null, x, y);
    const [dx, dy] = view.data(x, y);
    app.visit(dx, dy);
  };

  canvas.addEventListener('pointerdown', (event) => {
    if (event.button > 0) return;
    // A press moves the focus here by itself; without scrolling it into view.
    canvas.focus({ preventScroll: true });
    try { canvas.setPointerCapture(event.pointerId); } catch { /* the pointer has left already */ }
    const [x, y] = at(event);
    pointers.set(event.pointerId, [x, y]);
    overlay.crosshair = null;
    if (pointers.size === 2) {
      if (drags === 'lasso') overlay.lasso = [];
      if (drags === 'path' && moved) store.set({ path: [], drawing: false });
      drags = 'pinch';
      moved = true;
      return;
    }
    view.hold(true);
    start = [x, y];
    moved = false;
    const { mode } = store.state;
    drags = event.shiftKey || mode === 'lasso' ? 'lasso' : mode;
    if (drags === 'lasso') overlay.lasso = [x, y];
  });

  canvas.addEventListener('pointermove', (event) => {
    const [x, y] = at(event);
    const last = pointers.get(event.pointerId);
    if (!last) {
      if (event.pointerType !== 'touch') hover(x, y);
      return;
    }
    if (drags === 'pinch' && pointers.size === 2) {
      const before = [...pointers.values()];
      pointers.set(event.pointerId, [x, y]);
      const after = [...pointers.values()];
      const [was, is] = [before, after].map(([a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]));
      const [mid, now] = [before, after].map(([a, b]) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]);
      view.pan(now[0] - mid[0], now[1] - mid[1]);
      if (was > 0) view.zoom(is / was, now[0], now[1]);
      return;
    }
    const far = Math.hypot(x - start[0], y - start[1]) > CLICK;
    if (!moved && far) {
      moved = true;
      actions.tooltip(null, x, y);
      if (drags === 'path') {
        const before = store.state.drawing ? store.state.path : [];
        store.set({ drawing: true, path: [...before, view.data(...start)] });
      }
    }
    if (!moved) return;
    if (drags === 'pan') view.pan(x - last[0], y - last[1]);
    else if (drags === 'lasso') overlay.lasso.push(x, y);
    else if (drags === 'path') store.set({ path: [...store.state.path, view.data(x, y)] });
    pointers.set(event.pointerId, [x, y]);
    overlay.redraw();
  });

  const up = (event: PointerEvent): void => {
    if (!pointers.delete(event.pointerId)) return;
    if (!pointers.size) view.hold(false);
    const [x, y] = at(event);
    if (drags === 'pinch') {
      if (!pointers.size) drags = null;
      return;
    }
    if (event.type === 'pointercancel') {
      overlay.lasso = [];
    } else if (drags === 'lasso' && moved) actions.endLasso();
    else if (drags === 'path') {
      if (moved) actions.endPath();
      else actions.addToPath(x, y);
    } else if (!moved) {
      overlay.lasso = [];
      click(x, y, event.pointerType === 'touch');
    }
    if (drags === 'lasso') overlay.lasso = [];
    drags = null;
    overlay.redraw();
  };
  canvas.addEventListener('pointerup', up);
  canvas.addEventListener('pointercancel', up);

  const click = (x: number, y: number, touch: boolean): void => {
    const [sx, sy] = view.scaled(x, y);
    const hit = app.space.hit(sx, sy, near(app.model.n, touch) / view.unit, store.state.visible);
    if (touch) {
      const [dx, dy] = view.data(x, y);
      app.visit(dx, dy);
    }
    if (hit !== null) app.open(hit);
    else if (store.state.selection.length <= 1) {
      store.set({ point: null });
      app.select([]);
    }
  };

  canvas.addEventListener('pointerleave', () => {
    actions.tooltip(null, 0, 0);
    overlay.hoverPlaced = -1;
    if (!pointers.size) requestAnimationFrame(() => store.set({ hover: null }));
  });

  canvas.addEventListener('dblclick', (event) => {
    event.preventDefault();
    if (store.state.mode === 'path') actions.endPath();
    else if (store.state.mode === 'pan' && store.state.hover === null) view.zoom(event.altKey ? 0.5 : 2, ...at(event));
  });

  canvas.addEventListener('wheel', (event) => {
    const focused = (canvas.getRootNode() as Document | ShadowRoot).activeElement === canvas;
    if (wheelNeedsFocus && !event.ctrlKey && !event.metaKey && !focused) return;
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
    const speed = event.ctrlKey ? 0.008 : 0.0016;
    view.zoom(Math.exp(-Math.max(-400, Math.min(400, event.deltaY * unit)) * speed), ...at(event));
  }, { passive: false });
}

function placedAt(app: App, x: number, y: number): number {
  const { view, store } = app;
  return store.state.placed.findIndex(({ place }) => {
    const [a, b] = app.shown(place);
    return Math.abs(view.screenX(a) - x) + Math.abs(view.screenY(b) - y) < 11;
  });
}

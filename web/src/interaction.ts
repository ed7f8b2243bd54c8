/** Mouse, pen and fingers on the map. */

import type { App } from './app';
import { frames } from './dom';
import type { Modes } from './modes';
import type { Mode } from './state';

const CLICK = 5;
/** Pixels around a point that count as on it; among very many points, fewer. */
const near = (n: number, touch = false): number => (touch ? 16 : n > 2e5 ? 5 : 9);

export class Pointers {
  private readonly pointers = new Map<number, [number, number]>();
  private start: [number, number] = [0, 0];
  private moved = false;
  private drags: Mode | 'pinch' | null = null;
  private readonly hover = frames((x: number, y: number) => {
    if (!this.pointers.size) this.look(x, y);
  });

  constructor(
    private readonly app: App, private readonly modes: Modes, private readonly wheelNeedsFocus: boolean,
  ) {
    const { canvas } = app.elements;
    canvas.addEventListener('pointerdown', (event) => this.down(event));
    canvas.addEventListener('pointermove', (event) => this.move(event));
    canvas.addEventListener('pointerup', (event) => this.up(event));
    canvas.addEventListener('pointercancel', (event) => this.up(event));
    canvas.addEventListener('pointerleave', () => this.leave());
    canvas.addEventListener('dblclick', (event) => this.doubleClick(event));
    canvas.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
  }

  private at(event: MouseEvent): [number, number] {
    const box = this.app.elements.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  private hit(x: number, y: number, touch = false): number | null {
    const { model, space, store, view } = this.app;
    return space.hit(...view.scaled(x, y), near(model.n, touch) / view.unit, store.state.visible);
  }

  private look(x: number, y: number): void {
    const { app } = this;
    const hit = this.hit(x, y);
    app.store.set({ hover: hit });
    app.overlay.hoverPlaced = placedAt(app, x, y);
    const placed = app.store.state.placed[app.overlay.hoverPlaced];
    if (placed) this.tooltip(`row ${placed.row} of ${placed.file}`, x, y);
    else if (hit !== null) {
      const label = app.model.label(hit);
      this.tooltip(label === null ? app.model.id(hit) : `${app.model.id(hit)} · ${label}`, x, y);
    } else this.hideTooltip();
    app.visit(...app.view.data(x, y));
  }

  private tooltip(text: string, px: number, py: number): void {
    const { elements: { tooltip }, view } = this.app;
    tooltip.hidden = false;
    tooltip.textContent = text;
    const left = px > view.width * 0.7;
    tooltip.style.left = left ? '' : `${px + 14}px`;
    tooltip.style.right = left ? `${view.width - px + 14}px` : '';
    tooltip.style.top = `${Math.max(4, py - 30)}px`;
  }

  private hideTooltip(): void {
    this.app.elements.tooltip.hidden = true;
  }

  private down(event: PointerEvent): void {
    if (event.button > 0) return;
    const { elements: { canvas }, overlay, store, view } = this.app;
    // A press moves the focus here by itself; without scrolling it into view.
    canvas.focus({ preventScroll: true });
    try { canvas.setPointerCapture(event.pointerId); } catch { /* the pointer has left already */ }
    const [x, y] = this.at(event);
    this.pointers.set(event.pointerId, [x, y]);
    overlay.crosshair = null;
    if (this.pointers.size === 2) {
      if (this.drags === 'lasso') overlay.lasso = [];
      if (this.drags === 'path' && this.moved) store.set({ path: [], drawing: false });
      this.drags = 'pinch';
      this.moved = true;
      return;
    }
    view.hold(true);
    this.start = [x, y];
    this.moved = false;
    this.drags = event.shiftKey ? 'lasso' : store.state.mode;
    if (this.drags === 'lasso') overlay.lasso = [x, y];
  }

  private move(event: PointerEvent): void {
    const { overlay, view } = this.app;
    const [x, y] = this.at(event);
    const last = this.pointers.get(event.pointerId);
    if (!last) {
      if (event.pointerType !== 'touch') this.hover(x, y);
      return;
    }
    if (this.drags === 'pinch' && this.pointers.size === 2) {
      this.pinch(event.pointerId, x, y);
      return;
    }
    if (!this.moved && Math.hypot(x - this.start[0], y - this.start[1]) > CLICK) {
      this.moved = true;
      this.hideTooltip();
      if (this.drags === 'path') this.modes.addToPath(...this.start);
    }
    if (!this.moved) return;
    if (this.drags === 'pan') view.pan(x - last[0], y - last[1]);
    else if (this.drags === 'lasso') overlay.lasso.push(x, y);
    else if (this.drags === 'path') this.modes.addToPath(x, y);
    this.pointers.set(event.pointerId, [x, y]);
    overlay.redraw();
  }

  private pinch(id: number, x: number, y: number): void {
    const { view } = this.app;
    const before = [...this.pointers.values()];
    this.pointers.set(id, [x, y]);
    const after = [...this.pointers.values()];
    const [was, is] = [before, after].map(([a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]));
    const [mid, now] = [before, after].map(([a, b]) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]);
    view.pan(now[0] - mid[0], now[1] - mid[1]);
    if (was > 0) view.zoom(is / was, now[0], now[1]);
  }

  private up(event: PointerEvent): void {
    const { overlay, view } = this.app;
    if (!this.pointers.delete(event.pointerId)) return;
    if (!this.pointers.size) view.hold(false);
    const [x, y] = this.at(event);
    if (this.drags === 'pinch') {
      if (!this.pointers.size) this.drags = null;
      return;
    }
    if (event.type === 'pointercancel') {
      overlay.lasso = [];
    } else if (this.drags === 'lasso' && this.moved) this.modes.endLasso();
    else if (this.drags === 'path') {
      if (this.moved) this.modes.endPath();
      else this.modes.addToPath(x, y);
    } else if (!this.moved) {
      overlay.lasso = [];
      this.click(x, y, event.pointerType === 'touch');
    }
    if (this.drags === 'lasso') overlay.lasso = [];
    this.drags = null;
    overlay.redraw();
  }

  private click(x: number, y: number, touch: boolean): void {
    const { app } = this;
    const hit = this.hit(x, y, touch);
    if (touch) app.visit(...app.view.data(x, y));
    if (hit !== null) app.open(hit);
    else if (app.store.state.selection.length <= 1) {
      app.store.set({ point: null });
      app.select([]);
    }
  }

  private leave(): void {
    this.hideTooltip();
    this.app.overlay.hoverPlaced = -1;
    if (!this.pointers.size) requestAnimationFrame(() => this.app.store.set({ hover: null }));
  }

  private doubleClick(event: MouseEvent): void {
    const { store, view } = this.app;
    const { mode, hover } = store.state;
    event.preventDefault();
    if (mode === 'path') this.modes.endPath();
    else if (mode === 'pan' && hover === null) view.zoom(event.altKey ? 0.5 : 2, ...this.at(event));
  }

  private wheel(event: WheelEvent): void {
    const { canvas } = this.app.elements;
    const focused = (canvas.getRootNode() as Document | ShadowRoot).activeElement === canvas;
    if (this.wheelNeedsFocus && !event.ctrlKey && !event.metaKey && !focused) return;
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
    const speed = event.ctrlKey ? 0.008 : 0.0016;
    const turned = Math.max(-400, Math.min(400, event.deltaY * unit));
    this.app.view.zoom(Math.exp(-turned * speed), ...this.at(event));
  }
}

function placedAt(app: App, x: number, y: number): number {
  const { view, store } = app;
  return store.state.placed.findIndex(({ place }) => {
    const [a, b] = app.shown(place);
    return Math.abs(view.screenX(a) - x) + Math.abs(view.screenY(b) - y) < 11;
  });
}

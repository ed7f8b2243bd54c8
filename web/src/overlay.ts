/** What is drawn over the points. */

import type { App } from './app';
import { Arrows } from './arrows';
import { format, sized } from './dom';
import { Support } from './support';

const MANY_ELLIPSES = 600;

export class Overlay {
  readonly support: Support;
  readonly arrows: Arrows;
  /** The lasso that is being drawn, in pixels: x0, y0, x1, y1, … */
  lasso: number[] = [];
  /** The crosshair of the keys, in pixels. */
  crosshair: [number, number] | null = null;
  hoverPlaced = -1;
  private framed = 0;

  constructor(private readonly app: App, private readonly canvas: HTMLCanvasElement, shade: HTMLCanvasElement) {
    this.support = new Support(app, shade);
    this.arrows = new Arrows(app);
  }

  redraw = (): void => {
    if (!this.framed) this.framed = requestAnimationFrame(() => { this.framed = 0; this.draw(); });
  };

  stop(): void {
    cancelAnimationFrame(this.framed);
    this.framed = -1;
    this.support.stop();
  }

  private draw(): void {
    const { view, store } = this.app;
    const { state } = store;
    const context = sized(this.canvas, view.width, view.height);
    if (!context) return;
    context.clearRect(0, 0, view.width, view.height);
    if (this.support.possible) this.support.draw(state.support);
    this.axes(context);
    if (state.ellipses) this.ellipses(context);
    this.arrows.draw(context);
    this.place(context);
    this.rings(context);
    this.placed(context);
    this.lines(context);
  }

  private axes(context: CanvasRenderingContext2D): void {
    const { view, store, model, style } = this.app;
    const { axes } = store.state;
    const [ink, line] = [style('--muted'), style('--line')];
    context.font = style('--small-font') || '11px system-ui';
    context.lineWidth = 1;
    const [x0, y0] = view.data(0, view.height);
    const [x1, y1] = view.data(view.width, 0);
    const ground = style('--map');
    const label = (text: string, x: number, y: number, align: CanvasTextAlign): void => {
      context.textAlign = align;
      context.strokeStyle = ground;
      context.lineWidth = 3;
      context.lineJoin = 'round';
      context.strokeText(text, x, y);
      context.fillStyle = ink;
      context.fillText(text, x, y);
      context.lineWidth = 1;
    };
    context.textBaseline = 'alphabetic';
    for (const tick of ticks(x0, x1, view.width / 90)) {
      const x = Math.round(view.screenX(tick)) + 0.5;
      if (x < 34 || x > view.width - 20) continue;
      context.strokeStyle = line;
      context.beginPath();
      context.moveTo(x, view.height);
      context.lineTo(x, view.height - 5);
      context.stroke();
      label(format(tick), x, view.height - 8, 'center');
    }
    const names = model.header.axes;
    label(short(names[axes[0]] ?? ''), view.width - 8, view.height - 24, 'right');
    if (axes[1] < 0) {
      const values = model.header.labels?.values ?? [];
      values.slice(0, 40).forEach((value, k) => {
        const y = view.screenY(0.8 - (1.6 * (k + 0.5)) / values.length);
        label(short(value), 8, y + 4, 'left');
      });
      return;
    }
    context.textBaseline = 'middle';
    for (const tick of ticks(y0, y1, view.height / 70)) {
      const y = Math.round(view.screenY(tick)) + 0.5;
      if (y < 30 || y > view.height - 26) continue;
      context.strokeStyle = line;
      context.beginPath();
      context.moveTo(0, y);
      context.lineTo(5, y);
      context.stroke();
      label(format(tick), 9, y, 'left');
    }
    context.textBaseline = 'alphabetic';
    label(short(names[axes[1]] ?? ''), 9, 18, 'left');
  }

  private ellipses(context: CanvasRenderingContext2D): void {
    const { model, view, space, store } = this.app;
    if (!model.covariance && !model.deviation) return;
    const { visible, hover, point } = store.state;
    const [left, top] = view.scaled(0, 0);
    const [right, bottom] = view.scaled(view.width, view.height);
    const inView = space.index.range(left, bottom, right, top).filter((i) => !visible || visible[i]);
    context.strokeStyle = this.app.style('--ellipse');
    context.lineWidth = 1;
    if (inView.length <= MANY_ELLIPSES) {
      context.beginPath();
      for (const i of inView) this.ellipse(context, i);
      context.stroke();
    }
    context.strokeStyle = this.app.style('--ink');
    context.lineWidth = 1.5;
    for (const i of new Set([hover, point])) {
      if (i === null) continue;
      context.beginPath();
      this.ellipse(context, i);
      context.stroke();
    }
  }

  private ellipse(context: CanvasRenderingContext2D, i: number): void {
    const { model, view, space, store } = this.app;
    const [p, q] = store.state.axes;
    const { d, covariance, deviation } = model;
    const at = (a: number, b: number): number => {
      if (a < 0 || b < 0) return 0;
      if (covariance) return covariance[i * d * d + a * d + b];
      return a === b && deviation ? deviation[i * d + a] ** 2 : 0;
    };
    const [xx, xy, yy] = [at(p, p) / view.scale[0] ** 2, at(p, q) / (view.scale[0] * view.scale[1]), at(q, q) / view.scale[1] ** 2];
    const mean = (xx + yy) / 2;
    const spread = Math.hypot((xx - yy) / 2, xy);
    const [a, b] = [Math.sqrt(Math.max(0, mean + spread)), Math.sqrt(Math.max(0, mean - spread))];
    if (!(a > 0)) return;
    const angle = -0.5 * Math.atan2(2 * xy, xx - yy);
    const [x, y] = [view.pixelX(space.x[i]), view.pixelY(space.y[i])];
    const [ra, rb] = [a * view.unit, b * view.unit];
    context.moveTo(x + ra * Math.cos(angle), y + ra * Math.sin(angle));
    context.ellipse(x, y, ra, rb, angle, 0, 2 * Math.PI);
  }

  private place(context: CanvasRenderingContext2D): void {
    const { view, store, style } = this.app;
    const { crosshair } = this;
    if (crosshair) {
      context.strokeStyle = style('--ink');
      context.lineWidth = 1;
      const [x, y] = [Math.round(crosshair[0]) + 0.5, Math.round(crosshair[1]) + 0.5];
      context.setLineDash([4, 4]);
      context.beginPath();
      context.moveTo(x, 0);
      context.lineTo(x, view.height);
      context.moveTo(0, y);
      context.lineTo(view.width, y);
      context.stroke();
      context.setLineDash([]);
    }
    const { place, hover } = store.state;
    if (!place || hover !== null) return;
    const [a, b] = this.app.shown(place);
    const [x, y] = crosshair ?? [view.screenX(a), view.screenY(b)];
    this.mark(context, x, y, 5, style('--accent'));
  }

  private mark(context: CanvasRenderingContext2D, x: number, y: number, r: number, colour: string): void {
    for (const [width, ink] of [[4, this.app.style('--map')], [1.8, colour]] as const) {
      context.lineWidth = width;
      context.strokeStyle = ink;
      context.beginPath();
      context.moveTo(x - r - 3, y);
      context.lineTo(x - 2, y);
      context.moveTo(x + 2, y);
      context.lineTo(x + r + 3, y);
      context.moveTo(x, y - r - 3);
      context.lineTo(x, y - 2);
      context.moveTo(x, y + 2);
      context.lineTo(x, y + r + 3);
      context.stroke();
    }
  }

  private rings(context: CanvasRenderingContext2D): void {
    const { view, space, store } = this.app;
    const { hover, point } = store.state;
    const ring = (i: number, radius: number, width: number, ink: string): void => {
      const [x, y] = [view.pixelX(space.x[i]), view.pixelY(space.y[i])];
      for (const [w, colour] of [[width + 2.5, this.app.style('--map')], [width, ink]] as const) {
        context.lineWidth = w;
        context.strokeStyle = colour;
        context.beginPath();
        context.arc(x, y, radius, 0, 2 * Math.PI);
        context.stroke();
      }
    };
    if (hover !== null && hover !== point) ring(hover, 7, 1.5, this.app.style('--ink'));
    if (point !== null) ring(point, 9, 2.5, this.app.style('--accent'));
  }

  private placed(context: CanvasRenderingContext2D): void {
    const { view, store } = this.app;
    store.state.placed.forEach((one, k) => {
      const [a, b] = this.app.shown(one.place);
      const [x, y] = [view.screenX(a), view.screenY(b)];
      const r = k === this.hoverPlaced ? 8 : 6;
      context.beginPath();
      context.moveTo(x, y - r);
      context.lineTo(x + r, y);
      context.lineTo(x, y + r);
      context.lineTo(x - r, y);
      context.closePath();
      context.fillStyle = this.app.style('--placed');
      context.strokeStyle = this.app.style('--map');
      context.lineWidth = 2;
      context.fill();
      context.stroke();
    });
  }

  private lines(context: CanvasRenderingContext2D): void {
    const { view, store } = this.app;
    const { path } = store.state;
    const accent = this.app.style('--accent');
    if (path.length) {
      for (const [width, ink] of [[5, this.app.style('--map')], [2.2, accent]] as const) {
        context.lineWidth = width;
        context.strokeStyle = ink;
        context.lineJoin = context.lineCap = 'round';
        context.beginPath();
        path.forEach(([x, y], k) => (k ? context.lineTo(view.screenX(x), view.screenY(y))
          : context.moveTo(view.screenX(x), view.screenY(y))));
        context.stroke();
      }
      context.fillStyle = accent;
      for (const [x, y] of [path[0], path[path.length - 1]]) {
        context.beginPath();
        context.arc(view.screenX(x), view.screenY(y), 4.5, 0, 2 * Math.PI);
        context.fill();
      }
    }
    const { lasso } = this;
    if (lasso.length) {
      context.beginPath();
      for (let i = 0; i < lasso.length; i += 2) context.lineTo(lasso[i], lasso[i + 1]);
      context.closePath();
      context.globalAlpha = 0.12;
      context.fillStyle = accent;
      context.fill();
      context.globalAlpha = 1;
      context.setLineDash([5, 4]);
      context.lineWidth = 1.5;
      context.strokeStyle = accent;
      context.stroke();
      context.setLineDash([]);
    }
  }
}

export function ticks(low: number, high: number, about: number): number[] {
  const raw = (high - low) / Math.max(2, about);
  if (!(raw > 0) || !Number.isFinite(raw)) return [];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((one) => one * power >= raw) ?? 10) * power;
  const result: number[] = [];
  for (let k = Math.ceil(low / step); k * step <= high && result.length < 100; k++) {
    result.push(Number((k * step).toPrecision(12)));
  }
  return result;
}

function short(text: string): string {
  return text.length > 28 ? `${text.slice(0, 27)}…` : text;
}

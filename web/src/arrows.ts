/** Arrows along which features rise, by central differences of the decoder. */

import type { App } from './app';

const ARROW_COLOURS = ['--arrow-1', '--arrow-2', '--arrow-3'];
const SPACING = 58;

/** For each chosen feature, along the two shown axes; and whether points are near. */
interface Slope { along: Float64Array; near: boolean }

export class Arrows {
  private cache = new Map<string, Slope>();
  private key = '';
  private timer = 0;

  constructor(private readonly app: App) {}

  get possible(): boolean {
    return this.app.model.d >= 2 && this.app.model.decoder !== null;
  }

  forget(): void {
    this.cache.clear();
    clearTimeout(this.timer);
    this.timer = 0;
  }

  draw(context: CanvasRenderingContext2D): void {
    const { store, view } = this.app;
    const { arrows, axes, others } = store.state;
    if (!arrows.length || !this.possible) return;
    // Of powers of two, so that a grid stays while the view moves.
    const step = 2 ** Math.round(Math.log2((SPACING / view.unit) * view.scale[0]));
    const rest = others.filter((_, axis) => !axes.includes(axis));
    const key = JSON.stringify([arrows, axes, rest, step]);
    if (key !== this.key) {
      this.forget();
      this.key = key;
    }
    const [x0, y0] = view.data(0, view.height);
    const [x1, y1] = view.data(view.width, 0);
    const nodes: [number, number, Slope][] = [];
    const missing: [number, number, string][] = [];
    for (let i = Math.ceil(x0 / step); i * step <= x1; i++) {
      for (let j = Math.ceil(y0 / step); j * step <= y1; j++) {
        const node = `${i},${j}`;
        const known = this.cache.get(node);
        if (known) nodes.push([i * step, j * step, known]);
        else missing.push([i * step, j * step, node]);
      }
    }
    const pixels = (step / view.scale[0]) * view.unit;
    arrows.forEach((_, which) => {
      const sizes = nodes.map(([, , { along }]) => Math.hypot(along[2 * which], along[2 * which + 1])).sort((a, b) => a - b);
      const most = sizes[Math.floor(0.95 * (sizes.length - 1))] || sizes[sizes.length - 1];
      if (!(most > 0)) return;
      context.strokeStyle = context.fillStyle = this.app.style(ARROW_COLOURS[which]);
      context.lineWidth = 1.6;
      for (const [x, y, { along: g, near }] of nodes) {
        context.globalAlpha = near ? 1 : 0.3;
        const length = Math.min(1, Math.hypot(g[2 * which], g[2 * which + 1]) / most) * pixels * 0.46;
        const angle = Math.atan2(-g[2 * which + 1], g[2 * which]);
        arrow(context, view.screenX(x), view.screenY(y), length, angle);
      }
      context.globalAlpha = 1;
    });
    if (missing.length && !this.timer) this.compute(missing);
  }

  private compute(missing: [number, number, string][]): void {
    const { store } = this.app;
    const { axes, arrows } = store.state;
    const turn = this.key;
    let at = 0;
    const slice = (): void => {
      this.timer = 0;
      if (turn !== this.key) return;
      const end = performance.now() + 10;
      while (at < missing.length && performance.now() < end) {
        const [x, y, node] = missing[at++];
        const z = this.app.whole(x, y);
        const near = this.app.space.supported(z, this.app.view.scale[0], this.app.view.center) !== false;
        this.cache.set(node, { along: gradient(z, axes, arrows, this.app), near });
      }
      if (at < missing.length) this.timer = window.setTimeout(slice, 4);
      if (at === missing.length || at % 40 === 0) this.app.overlay.redraw();
    };
    this.timer = window.setTimeout(slice, 30);
  }
}

/** Per standard deviation of the feature, at a place. */
function gradient(z: number[], axes: readonly number[], features: readonly number[], app: App): Float64Array {
  const { model } = app;
  const steps = axes.map((axis) => 1e-4 * (model.ranges[axis][1] - model.ranges[axis][0] || 1));
  const places = axes.flatMap((axis, k) => [1, -1].flatMap((sign) => {
    const moved = [...z];
    moved[axis] += sign * steps[k];
    return moved;
  }));
  const rows = model.decode(places, 4, true);
  const result = new Float64Array(2 * features.length);
  features.forEach((feature, k) => {
    for (let axis = 0; axis < 2; axis++) {
      const [up, down] = [rows[2 * axis * model.D + feature], rows[(2 * axis + 1) * model.D + feature]];
      result[2 * k + axis] = (up - down) / (2 * steps[axis]) / (model.std[feature] || 1);
    }
  });
  return result;
}

function arrow(context: CanvasRenderingContext2D, x: number, y: number, length: number, angle: number): void {
  if (!(length > 1.5)) return;
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const head = Math.min(6, length * 0.6);
  const [tx, ty] = [x + c * length, y + s * length];
  context.beginPath();
  context.moveTo(x - c * length, y - s * length);
  context.lineTo(tx - c * head * 0.7, ty - s * head * 0.7);
  context.stroke();
  context.beginPath();
  context.moveTo(tx, ty);
  context.lineTo(tx - c * head + s * head * 0.5, ty - s * head - c * head * 0.5);
  context.lineTo(tx - c * head - s * head * 0.5, ty - s * head + c * head * 0.5);
  context.fill();
}

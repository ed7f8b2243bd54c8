/** Where the map is seen from: between coordinates, scaled ones (−1 … 1) and pixels. */

import type { Model } from './model';

const CLOSEST = 1e5;

export interface Seen { k: number; tx: number; ty: number }

export class View {
  width = 1;
  height = 1;
  k = 1;
  tx = 0;
  ty = 0;
  center: [number, number] = [0, 0];
  scale: [number, number] = [1, 1];
  /** Half the extent of the points, scaled. */
  private half: [number, number] = [1, 1];
  /** A finger or a mouse holds the map. */
  private held = false;
  private readonly listeners: (() => void)[] = [];

  on(listener: () => void): void {
    this.listeners.push(listener);
  }

  get isHeld(): boolean {
    return this.held;
  }

  hold(held: boolean): void {
    const before = this.held;
    this.held = held;
    if (before && !held) this.changed();
  }

  private changed(): void {
    for (const listener of this.listeners) listener();
  }

  /** Scaled positions of all points for two axes. Points without a finite place go far away. */
  positions(model: Model, axes: readonly [number, number]): { x: Float32Array; y: Float32Array } {
    const ranges = axes.map((axis) => (axis < 0 ? [-1, 1] : model.ranges[axis]));
    const spans = ranges.map(([low, high]) => (high - low) / 2 || 1);
    const flat = axes[1] < 0;
    const scale = flat ? 0 : Math.max(...spans);
    this.center = [(ranges[0][0] + ranges[0][1]) / 2, (ranges[1][0] + ranges[1][1]) / 2];
    this.scale = flat ? [spans[0], 1] : [scale, scale];
    this.half = flat ? [1, 0.85] : [spans[0] / scale, spans[1] / scale];
    const x = model.coordinate(axes[0]);
    const y = flat ? heights(model) : model.coordinate(axes[1]);
    for (let i = 0; i < model.n; i++) {
      x[i] = (x[i] - this.center[0]) / this.scale[0];
      y[i] = (y[i] - this.center[1]) / this.scale[1];
      if (!Number.isFinite(x[i]) || !Number.isFinite(y[i])) x[i] = y[i] = 1e9;
    }
    return { x, y };
  }

  resize(width: number, height: number): void {
    [this.width, this.height] = [Math.max(1, width), Math.max(1, height)];
    this.changed();
  }

  fit(): void {
    const aspect = this.width / this.height;
    // The axes take some pixels at the left and below.
    const room = 1 - 56 / Math.min(this.width, this.height);
    this.k = Math.max(0.05, Math.min((room * aspect) / this.half[0], room / this.half[1]));
    this.tx = (10 / this.height) * 2;
    this.ty = (8 / this.height) * 2;
    this.changed();
  }

  pan(dx: number, dy: number): void {
    this.tx += (2 * dx) / this.height;
    this.ty -= (2 * dy) / this.height;
    this.changed();
  }

  zoom(factor: number, px = this.width / 2, py = this.height / 2): void {
    const k = Math.min(CLOSEST, Math.max(0.02, this.k * factor));
    const by = k / this.k;
    const [cx, cy] = this.clip(px, py);
    this.k = k;
    this.tx = cx - (cx - this.tx) * by;
    this.ty = cy - (cy - this.ty) * by;
    this.changed();
  }

  centerOn(x: number, y: number): void {
    this.tx = -this.k * this.scaledX(x);
    this.ty = -this.k * this.scaledY(y);
    this.changed();
  }

  private clip(px: number, py: number): [number, number] {
    return [(2 * px - this.width) / this.height, 1 - (2 * py) / this.height];
  }

  scaledX = (x: number): number => (x - this.center[0]) / this.scale[0];
  scaledY = (y: number): number => (y - this.center[1]) / this.scale[1];

  /** Pixels of a scaled place. */
  pixelX = (x: number): number => this.width / 2 + ((this.k * x + this.tx) * this.height) / 2;
  pixelY = (y: number): number => this.height / 2 - ((this.k * y + this.ty) * this.height) / 2;

  screenX = (x: number): number => this.pixelX(this.scaledX(x));
  screenY = (y: number): number => this.pixelY(this.scaledY(y));

  /** The scaled place at a pixel. */
  scaled(px: number, py: number): [number, number] {
    const [cx, cy] = this.clip(px, py);
    return [(cx - this.tx) / this.k, (cy - this.ty) / this.k];
  }

  data(px: number, py: number): [number, number] {
    const [x, y] = this.scaled(px, py);
    return [x * this.scale[0] + this.center[0], y * this.scale[1] + this.center[1]];
  }

  /** Pixels per scaled unit. */
  get unit(): number {
    return (this.k * this.height) / 2;
  }

  /** The camera of a canvas that is higher by a factor, around the same middle. */
  matrix(higher = 1): number[] {
    const [k, tx, ty] = [this.k / higher, this.tx / higher, this.ty / higher];
    return [k, 0, 0, 0, 0, k, 0, 0, 0, 0, k, 0, tx, ty, 0, 1];
  }

  seen(): Seen {
    const { k, tx, ty } = this;
    return { k, tx, ty };
  }

  /** Moves what was drawn for another view, on an element at (left, top) pixels of the map. */
  transform(drawn: Seen, left: number, top: number): string {
    const s = this.k / drawn.k;
    const half = this.height / 2;
    const dx = (1 - s) * (this.width / 2 - left) + (this.tx - s * drawn.tx) * half;
    const dy = (1 - s) * (half - top) - (this.ty - s * drawn.ty) * half;
    return s === 1 && dx === 0 && dy === 0 ? '' : `translate(${dx}px, ${dy}px) scale(${s})`;
  }
}

/** Of a map with one coordinate: bands of labels, or one; within a band a height by chance. */
function heights(model: Model): Float32Array {
  const bands = model.codes && model.header.labels ? model.header.labels.values.length : 1;
  const result = new Float32Array(model.n);
  let seed = 1;
  for (let i = 0; i < model.n; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
    const chance = (seed >>> 8) / 2 ** 24;
    const band = model.codes && bands > 1 ? model.codes[i] : 0;
    result[i] = 0.8 - (1.6 * (band + 0.15 + 0.7 * chance)) / bands;
  }
  return result;
}

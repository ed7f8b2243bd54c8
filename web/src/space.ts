/** Nearest points on the map. */

import KDBush from 'kdbush';
import type { Model } from './model';

/** Bounds of what may be looked through for one place, in numbers. */
const BRUTE = 4e6;

export class Space {
  readonly index: KDBush;
  private readonly sorted: Float32Array | null;
  private readonly sample: Uint32Array | null;

  /** `x` and `y` are over the shown axes, scaled to −1 … 1 by the view's `center` and `scale`. */
  constructor(private readonly model: Model, readonly x: Float32Array, readonly y: Float32Array) {
    this.index = new KDBush(x.length, 64, Float32Array);
    for (let i = 0; i < x.length; i++) this.index.add(x[i], y[i]);
    this.index.finish();
    this.sorted = model.d === 1 ? model.coordinate(0).sort() : null;
    const { n, d } = model;
    if (d > 2 && n * d > BRUTE) {
      const size = 20000;
      this.sample = new Uint32Array(size);
      for (let i = 0; i < size; i++) this.sample[i] = Math.floor((i * n) / size);
    } else this.sample = null;
  }

  /** Whether at least k points lie within a distance, for a place shown: both in scaled units. */
  denseAt(x: number, y: number, distance: number, k: number): boolean {
    const { ids, coords, nodeSize } = this.index as unknown as {
      ids: Uint32Array; coords: Float32Array; nodeSize: number;
    };
    const limit = distance * distance;
    const stack = [0, ids.length - 1, 0];
    let count = 0;
    while (stack.length) {
      const axis = stack.pop() as number;
      const right = stack.pop() as number;
      const left = stack.pop() as number;
      if (right - left <= nodeSize) {
        for (let i = left; i <= right; i++) {
          const a = coords[2 * i] - x;
          const b = coords[2 * i + 1] - y;
          if (a * a + b * b <= limit && ++count >= k) return true;
        }
        continue;
      }
      const middle = (left + right) >> 1;
      const a = coords[2 * middle] - x;
      const b = coords[2 * middle + 1] - y;
      if (a * a + b * b <= limit && ++count >= k) return true;
      const gap = axis === 0 ? a : b;
      // The side of the place is looked at first: it is on top of the stack.
      const low = gap >= -distance;
      const high = gap <= distance;
      if (gap > 0) {
        if (high) stack.push(middle + 1, right, 1 - axis);
        if (low) stack.push(left, middle - 1, 1 - axis);
      } else {
        if (low) stack.push(left, middle - 1, 1 - axis);
        if (high) stack.push(middle + 1, right, 1 - axis);
      }
    }
    return false;
  }

  /** Whether a place, in all its coordinates, has points near. Null where the map does not say. */
  supported(z: readonly number[], scale: number, center: readonly [number, number]): boolean | null {
    const { support } = this.model.header;
    if (!support) return null;
    const { d } = this.model;
    if (d === 2) {
      return this.denseAt((z[0] - center[0]) / scale, (z[1] - center[1]) / scale, support.distance / scale, support.k);
    }
    if (this.sorted) {
      const from = lowerBound(this.sorted, z[0] - support.distance);
      const to = from + support.k - 1;
      return to < this.sorted.length && this.sorted[to] <= z[0] + support.distance;
    }
    const k = this.sample ? Math.max(1, Math.round((support.k * this.sample.length) / this.model.n)) : support.k;
    const limit = support.distance ** 2;
    let count = 0;
    const total = this.sample?.length ?? this.model.n;
    for (let j = 0; j < total; j++) {
      if (this.squared(this.sample ? this.sample[j] : j, z) <= limit && ++count >= k) return true;
    }
    return false;
  }

  /** The points nearest to a point on the map, itself left out. */
  neighbours(i: number, k: number, scale: number, center: readonly [number, number]): number[] {
    const z = this.model.place(i);
    if (this.model.d === 2) {
      const [x, y] = [(z[0] - center[0]) / scale, (z[1] - center[1]) / scale];
      let radius = 1e-4;
      let found: number[] = [];
      while (radius < 8) {
        found = this.index.within(x, y, radius);
        if (found.length > k) break;
        radius *= found.length ? 1.6 : 4;
      }
      return this.nearest(found, z, k, i);
    }
    return this.nearest(null, z, k, i);
  }

  private nearest(among: number[] | null, z: number[], k: number, without: number): number[] {
    const best: [number, number][] = [];
    const total = among ? among.length : this.model.n;
    for (let j = 0; j < total; j++) {
      const i = among ? among[j] : j;
      if (i === without) continue;
      const far = this.squared(i, z);
      if (best.length === k && !(far < best[k - 1][0])) continue;
      let at = best.length;
      while (at > 0 && best[at - 1][0] > far) at--;
      best.splice(at, 0, [far, i]);
      if (best.length > k) best.pop();
    }
    return best.map(([, i]) => i);
  }

  private squared(i: number, z: readonly number[]): number {
    const { coordinates, d } = this.model;
    let sum = 0;
    for (let axis = 0, at = i * d; axis < d; axis++, at++) {
      const step = coordinates[at] - z[axis];
      sum += step * step;
    }
    return sum;
  }

  /** The shown point nearest to a place within a radius, in scaled units. */
  hit(x: number, y: number, radius: number, visible: Uint8Array | null): number | null {
    let best: number | null = null;
    let least = Infinity;
    for (const i of this.index.within(x, y, radius)) {
      if (visible && !visible[i]) continue;
      const far = (this.x[i] - x) ** 2 + (this.y[i] - y) ** 2;
      if (far < least || (far === least && best !== null && i > best)) [best, least] = [i, far];
    }
    return best;
  }
}

function lowerBound(sorted: Float32Array, x: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

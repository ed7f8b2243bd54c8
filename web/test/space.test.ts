import { describe, expect, it } from 'vitest';
import { opened } from '../src/container';
import { Model } from '../src/model';
import { Space } from '../src/space';
import { View } from '../src/view';
import { small } from './fixture';

describe('points on the map', async () => {
  const model = new Model(await opened(small(400)));
  const view = new View();
  const { x, y } = view.positions(model, [0, 1]);
  const space = new Space(model, x, y);
  const distance = (i: number, z: number[]): number => Math.hypot(...model.place(i).map((one, axis) => one - z[axis]));
  const all = Array.from({ length: 400 }, (_, i) => i);

  it('lie dense where the k-th nearest is near', () => {
    for (let t = 0; t < 300; t++) {
      const [a, b] = [2.4 * Math.sin(7 * t), 2.4 * Math.cos(11 * t)];
      for (const [radius, k] of [[0.05, 1], [0.3, 5], [1.1, 40]]) {
        const near = all.filter((i) => Math.hypot(x[i] - a, y[i] - b) <= radius).length;
        expect(space.denseAt(a, b, radius, k)).toBe(near >= k);
      }
      const z = [a * view.scale[0] + view.center[0], b * view.scale[1] + view.center[1]];
      expect(space.supported(z, view.scale[0], view.center)).toBe(all.filter((i) => distance(i, z) <= 0.5).length >= 2);
    }
  });

  it('have neighbours', () => {
    for (const i of [0, 17, 399]) {
      const z = model.place(i);
      const wanted = all.filter((j) => j !== i).sort((a, b) => distance(a, z) - distance(b, z)).slice(0, 8);
      const far = (points: number[]): number[] => points.map((j) => distance(j, z));
      expect(far(space.neighbours(i, 8, view.scale[0], view.center))).toEqual(far(wanted));
    }
  });

  it('are hit if they are shown', () => {
    const hidden = new Uint8Array(400).fill(1);
    hidden[5] = 0;
    expect(space.hit(x[5], y[5], 1e-6, null)).toBe(5);
    expect(space.hit(x[5], y[5], 1e-6, hidden)).toBeNull();
  });

  it('are seen where they are', () => {
    view.resize(800, 500);
    view.fit();
    view.zoom(3, 200, 100);
    const [px, py] = [view.screenX(0.3), view.screenY(-0.2)];
    const [a, b] = view.data(px, py);
    expect([a, b].map((one) => Number(one.toFixed(9)))).toEqual([0.3, -0.2]);
    const fixed = view.data(321, 123);
    view.zoom(1.7, 321, 123);
    expect(view.data(321, 123)[0]).toBeCloseTo(fixed[0], 9);
  });
});

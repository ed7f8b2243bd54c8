import { describe, expect, it } from 'vitest';
import { categoryColours, onDark, ramp } from '../src/colours';
import { ticks } from '../src/overlay';
import { inside, resampled, type Point } from '../src/path';

const apart = (a: Point, b: Point): number => Math.hypot(a[0] - b[0], a[1] - b[1]);

/** The length of a line up to a place on it; NaN if the line does not go through the place. */
function along(line: readonly Point[], place: Point): number {
  let before = 0;
  for (let k = 1; k < line.length; k++) {
    const [whole, part] = [apart(line[k - 1], line[k]), apart(line[k - 1], place)];
    if (Math.abs(part + apart(place, line[k]) - whole) < 1e-12) return before + part;
    before += whole;
  }
  return NaN;
}

describe('paths', () => {
  it('are equally spaced by their length', () => {
    const line = [[0, 0], [3, 0], [3, 1]];
    expect(resampled(line, 5)).toEqual([[0, 0], [1, 0], [2, 0], [3, 0], [3, 1]]);
    const bent = [[0, 0], [0.1, 5], [7, 3], [7, 3], [2, 2]];
    const places = resampled(bent, 40);
    expect(places).toHaveLength(40);
    expect(places[39]).toEqual([2, 2]);
    const whole = bent.slice(1).reduce((sum, one, k) => sum + apart(bent[k], one), 0);
    places.forEach((place, k) => expect(along(bent, place)).toBeCloseTo((whole * k) / 39, 12));
  });
  it('of one place, and of no length', () => {
    expect(resampled([[1, 2]], 3)).toEqual([[1, 2], [1, 2], [1, 2]]);
    expect(resampled([[1, 2], [1, 2]], 2)).toEqual([[1, 2], [1, 2]]);
    expect(resampled([], 3)).toEqual([]);
  });
  it('lassos', () => {
    const corner = [0, 0, 4, 0, 4, 4, 2, 1, 0, 4];
    expect([inside(0.5, 2, corner), inside(2, 3, corner), inside(5, 1, corner)]).toEqual([true, false, false]);
  });
});

it('ticks are round', () => {
  expect(ticks(-0.13, 0.31, 4)).toEqual([0, 0.2]);
  expect(ticks(0, 10, 5)).toEqual([0, 2, 4, 6, 8, 10]);
  expect(ticks(1, 1, 5)).toEqual([]);
});

it('colours differ', () => {
  for (const count of [2, 8, 20]) expect(new Set(categoryColours(count)).size).toBe(count);
  expect(ramp(3)).toEqual(['#440154', '#21918c', '#fde725']);
  expect(onDark('#440154')).not.toBe('#440154');
  expect(onDark('#fde725')).toBe('#fde725');
});

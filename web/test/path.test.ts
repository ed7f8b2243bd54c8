import { describe, expect, it } from 'vitest';
import { categoryColours, onDark, ramp } from '../src/colours';
import { ticks } from '../src/overlay';
import { inside, lengthOf, resampled } from '../src/path';

describe('paths', () => {
  it('are equally spaced by their length', () => {
    const line = [[0, 0], [3, 0], [3, 1]];
    expect(resampled(line, 5)).toEqual([[0, 0], [1, 0], [2, 0], [3, 0], [3, 1]]);
    const places = resampled([[0, 0], [0.1, 5], [7, 3], [7, 3], [2, 2]], 40);
    expect(places).toHaveLength(40);
    expect(places[39]).toEqual([2, 2]);
    expect(lengthOf(places)).toBeCloseTo(lengthOf([[0, 0], [0.1, 5], [7, 3], [2, 2]]), 0);
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

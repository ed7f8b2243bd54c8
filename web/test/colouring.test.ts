import { expect, it } from 'vitest';
import { Colouring } from '../src/colouring';
import type { Model } from '../src/model';

it('gives each of very many classes its own colour', () => {
  const n = 70_000;
  const values = Array.from({ length: n }, (_, i) => `class ${i}`);
  const header = { labels: { name: '', values }, measures: [], columns: [], features: { names: [] } };
  const colouring = new Colouring({ n, header, codes: Uint32Array.from(values, (_, i) => i) } as unknown as Model);
  colouring.choose('label');
  expect(colouring.palette.length).toBe(n);
  expect(Array.from(colouring.codes)).toEqual(values.map((_, i) => i));
});

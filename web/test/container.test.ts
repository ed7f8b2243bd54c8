import { describe, expect, it } from 'vitest';
import { fromBase64, opened } from '../src/container';
import { Model } from '../src/model';
import { small, Writer } from './fixture';

describe('the container', () => {
  it('holds arrays of all types', async () => {
    const writer = new Writer();
    const refs = {
      a: writer.add(Float32Array.from([1.5]), [1]), b: writer.add(Uint8Array.from([7, 8, 9]), [3]),
      c: writer.add(BigInt64Array.from([-3n, 2n ** 40n]), [2]), d: writer.add(Uint8Array.from([1, 0]), [2], 'bool'),
      e: writer.add(Int32Array.from([-1]), [1]), f: writer.add(Float64Array.from([0.1]), []),
    };
    const file = await opened(writer.packed({ title: 'ü'.repeat(3), refs }));
    const found = Object.values(refs).map((ref) => Array.from(file.array(ref)));
    expect(found).toEqual([[1.5], [7, 8, 9], [-3, 2 ** 40], [1, 0], [-1], [0.1]]);
  });
  it('is refused if it is something else', async () => {
    await expect(opened(new Writer().packed({}, 2))).rejects.toThrow('version 2');
    await expect(opened(Uint8Array.from([1, 2, 3]))).rejects.toThrow();
    const writer = new Writer();
    const file = await opened(writer.packed({}));
    expect(() => file.array({ dtype: 'float64', shape: [9], offset: 0 })).toThrow('array');
  });
  it('comes as base64', () => {
    expect(Array.from(fromBase64(' AQL/ \n'))).toEqual([1, 2, 255]);
  });
});

describe('the model', () => {
  const model = async (...given: Parameters<typeof small>): Promise<Model> => new Model(await opened(small(...given)));
  it('encodes and decodes', async () => {
    const one = await model();
    expect(one.trouble).toBe('');
    expect(Array.from(one.decode([1, 2]))).toEqual([1, 2, 3]);
    expect(Array.from(one.encode([4, 5, 9]))).toEqual([4, 5]);
  });
  it('does not decode where probes differ', async () => {
    const one = await model(6, 0.001);
    expect(one.alarming).toBe(true);
    expect(one.trouble).toContain('decoder');
    expect(() => one.decode([1, 2])).toThrow('Nothing is decoded');
  });
  it('says why there are no programs', async () => {
    const one = await model(6, 0, { programs: null, probes: null, why_no_programs: 'angles' });
    expect([one.trouble, one.alarming]).toEqual(['angles', false]);
  });
  it('knows which rows it holds', async () => {
    const one = await model();
    expect(one.row(0)).toBeNull();
    expect(one.row(3)).toHaveLength(3);
    expect(one.rowCount).toBe(2);
  });
  it('finds ids: whole ones, then beginnings', async () => {
    const one = await model(12);
    expect([one.found('row 1'), one.found('ROW'), one.found('row 11'), one.found('x'), one.found(' ')]).toEqual([1, 0, 11, null, null]);
    const without = await model(12, 0, { ids: null });
    expect([without.found('11'), without.found('12'), without.found('a')]).toEqual([11, null, null]);
  });
});

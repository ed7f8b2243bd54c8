/** Small files for tests. */

import { gzipSync } from 'node:zlib';
import type { Numbers } from '../src/arrays';
import type { Header, ProgramRef, Ref } from '../src/container';

export class Writer {
  private parts: Uint8Array[] = [];
  private size = 0;

  add(data: Numbers | BigInt64Array, shape: number[], dtype?: string): Ref {
    const names: Record<string, string> = {
      Float32Array: 'float32', Float64Array: 'float64', Uint8Array: 'uint8', Uint16Array: 'uint16',
      Uint32Array: 'uint32', Int32Array: 'int32', BigInt64Array: 'int64',
    };
    const ref = { dtype: dtype ?? names[data.constructor.name], shape, offset: this.size } as Ref;
    const bytes = new Uint8Array(Math.ceil(data.byteLength / 8) * 8);
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    this.parts.push(bytes);
    this.size += bytes.length;
    return ref;
  }

  packed(header: unknown, version = 1): Uint8Array {
    const text = new TextEncoder().encode(JSON.stringify(header));
    const head = new Uint8Array(Math.ceil((12 + text.length) / 8) * 8);
    head.set(new TextEncoder().encode('ISTH'));
    new DataView(head.buffer).setUint32(4, version, true);
    new DataView(head.buffer).setUint32(8, text.length, true);
    head.set(text, 12);
    return new Uint8Array(gzipSync(Buffer.concat([head, ...this.parts])));
  }
}

/** Two coordinates; three features a, b, a + b, of a linear map. `off` makes the probes of the decoder wrong. */
export function small(n = 6, off = 0, changed: Partial<Header> = {}): Uint8Array {
  const writer = new Writer();
  const places = Float32Array.from({ length: 2 * n }, (_, k) => Math.sin(k));
  const rows = new Float32Array(3 * n);
  for (let i = 0; i < n; i++) {
    rows.set([places[2 * i], places[2 * i + 1], places[2 * i] + places[2 * i + 1]], 3 * i);
  }
  const program = (dtype: 'float32' | 'float64', width: number, matrix: number[], shape: number[]): ProgramRef => ({
    input: 'x', dtype, width, output: 'z', constants: { w: writer.add(Float64Array.from(matrix), shape) },
    steps: [['y', 'cast', ['x'], { dtype: 'float64' }], ['z', 'matmul', ['y', 'w'], {}]],
  });
  const ones = (value: number): Ref => writer.add(new Float64Array(3).fill(value), [3]);
  const header: Header = {
    title: 'A <b>title</b>', model: { estimator: 'Test', isthmus: '0', facts: [] }, n, d: 2, D: 3,
    coordinates: writer.add(places, [n, 2]), axes: ['first', 'second'],
    features: { names: ['a', 'b', '=sum'], mean: ones(0), std: ones(1), low: ones(-2), high: ones(2) },
    labels: { name: 'kind', values: ['x', 'y'], codes: writer.add(Uint16Array.from({ length: n }, (_, i) => i % 2), [n]) },
    measures: [{
      key: 'error', name: 'error', about: '', scale: 'log',
      values: writer.add(Float32Array.from({ length: n }, (_, i) => (i ? i : NaN)), [n]),
    }],
    columns: [], rows: { which: writer.add(Uint32Array.from([1, 3]), [2]), values: writer.add(rows.slice(0, 6), [2, 3]) },
    neighbours: null, ids: Array.from({ length: n }, (_, i) => `row ${i}`), image: null, covariance: null,
    deviation: null, support: { distance: 0.5, k: 2 },
    programs: { encode: program('float64', 3, [1, 0, 0, 1, 0, 0], [3, 2]), decode: program('float32', 2, [1, 0, 1, 0, 1, 1], [2, 3]) },
    why_no_programs: '',
    probes: {
      encode: {
        given: writer.add(Float64Array.from([1, 2, 3]), [1, 3]), expected: writer.add(Float64Array.from([1, 2]), [1, 2]),
        tolerance: writer.add(Float64Array.from([1e-6, 1e-6]), [2]),
      },
      decode: {
        given: writer.add(Float32Array.from([1, 2]), [1, 2]), expected: writer.add(Float64Array.from([1, 2, 3 + off]), [1, 3]),
        tolerance: ones(1e-6),
      },
    },
    ...changed,
  };
  return writer.packed(header);
}

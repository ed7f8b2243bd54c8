/** Arrays with NumPy's types and shapes, as far as programs need them. */

export type Dtype =
  | 'bool' | 'uint8' | 'uint16' | 'uint32' | 'int32' | 'int64' | 'float32' | 'float64';

export type Numbers =
  | Float32Array | Float64Array | Uint8Array | Uint16Array | Uint32Array | Int32Array;

export interface Tensor {
  dtype: Dtype;
  /** Of a value that depends on the row, the axis of rows comes first. */
  shape: number[];
  data: Numbers;
  constant: boolean;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, one) => product * one, 1);
}

/** int64 lives in doubles: programs only count places with it, far below 2⁵³. */
export function allocate(dtype: Dtype, size: number): Numbers {
  switch (dtype) {
    case 'bool': case 'uint8': return new Uint8Array(size);
    case 'uint16': return new Uint16Array(size);
    case 'uint32': return new Uint32Array(size);
    case 'int32': return new Int32Array(size);
    case 'float32': return new Float32Array(size);
    case 'int64': case 'float64': return new Float64Array(size);
  }
}

const BYTES: Record<Dtype, number> = {
  bool: 1, uint8: 1, uint16: 2, uint32: 4, int32: 4, int64: 8, float32: 4, float64: 8,
};

export function bytesOf(dtype: Dtype): number {
  const bytes = BYTES[dtype];
  if (!bytes) throw new Error(`unknown type of numbers: ${String(dtype)}`);
  return bytes;
}

export function isFloat(dtype: Dtype): boolean {
  return dtype === 'float32' || dtype === 'float64';
}

/** The type of a sum of the two, as NumPy has it. */
export function promoted(a: Dtype, b: Dtype): Dtype {
  if (a === b || b === 'bool') return a;
  if (a === 'bool') return b;
  if (a === 'float64' || b === 'float64') return 'float64';
  if (a === 'float32' || b === 'float32') {
    return bytesOf(a === 'float32' ? b : a) <= 2 ? 'float32' : 'float64';
  }
  if (a === 'int64' || b === 'int64') return 'int64';
  if (a === 'int32' || b === 'int32') return (a === 'uint32' || b === 'uint32') ? 'int64' : 'int32';
  return bytesOf(a) > bytesOf(b) ? a : b;
}

/** The type of exp and its like of these. */
export function floating(dtype: Dtype): Dtype {
  if (isFloat(dtype)) return dtype;
  return bytesOf(dtype) <= 2 ? 'float32' : 'float64';
}

export function broadcastShape(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    for (let axis = 0; axis < shape.length; axis++) {
      const at = rank - shape.length + axis;
      const one = shape[axis];
      if (one === result[at] || one === 1) continue;
      if (result[at] !== 1) throw new Error(`shapes do not fit: ${JSON.stringify(shapes)}`);
      result[at] = one;
    }
  }
  return result;
}

function strides(shape: readonly number[], whole: readonly number[]): number[] {
  const result = new Array<number>(whole.length).fill(0);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const at = whole.length - shape.length + axis;
    result[at] = shape[axis] === 1 ? 0 : step;
    step *= shape[axis];
  }
  return result;
}

/** Entries of x as broadcast to a shape: x.data itself where nothing is to be repeated. */
export function spread(x: Tensor, shape: readonly number[]): Numbers {
  const size = sizeOf(shape);
  if (x.data.length === size) return x.data;
  const result = allocate(x.dtype, size);
  if (x.data.length === 1) return result.fill(x.data[0]);
  const step = strides(x.shape, shape);
  const rank = shape.length;
  const inner = shape[rank - 1];
  const innerStep = step[rank - 1];
  const index = new Array<number>(rank).fill(0);
  for (let at = 0, from = 0; at < size; at += inner) {
    for (let j = 0, k = from; j < inner; j++, k += innerStep) result[at + j] = x.data[k];
    for (let axis = rank - 2; axis >= 0; axis--) {
      from += step[axis];
      if (++index[axis] < shape[axis]) break;
      from -= step[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return result;
}

/** Follows programs: functions of rows as lists of steps, with the results that NumPy gives. */

import {
  allocate, broadcastShape, floating, isFloat, promoted, sizeOf, spread,
  type Dtype, type Numbers, type Tensor,
} from './arrays';
import { erf } from './erf';

export interface Settings { shape?: number[]; axes?: number[]; dtype?: string }
export type Step = [result: string, operation: string, operands: string[], settings: Settings];
export interface ProgramSpec {
  input: string;
  dtype: 'float32' | 'float64';
  width: number;
  output: string;
  steps: Step[];
}

const UNARY: Record<string, (x: number) => number> = {
  negative: (x) => -x,
  absolute: Math.abs,
  sign: Math.sign,
  floor: Math.floor,
  sqrt: Math.sqrt,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  arctan: Math.atan,
  arcsinh: Math.asinh,
  erf,
  logistic: (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x))),
  logical_not: (x) => (x ? 0 : 1),
};
const KEEPS_TYPE = new Set(['negative', 'absolute', 'sign', 'floor']);

/** C's pow has 1 where JavaScript has NaN. */
function power(x: number, y: number): number {
  if (x === 1 || (x === -1 && Math.abs(y) === Infinity)) return 1;
  return Math.pow(x, y);
}

const BINARY: Record<string, (x: number, y: number) => number> = {
  add: (x, y) => x + y,
  subtract: (x, y) => x - y,
  multiply: (x, y) => x * y,
  divide: (x, y) => x / y,
  power,
  maximum: Math.max,
  minimum: Math.min,
  equal: (x, y) => (x === y ? 1 : 0),
  less: (x, y) => (x < y ? 1 : 0),
  less_equal: (x, y) => (x <= y ? 1 : 0),
  greater: (x, y) => (x > y ? 1 : 0),
  greater_equal: (x, y) => (x >= y ? 1 : 0),
  logical_and: (x, y) => (x && y ? 1 : 0),
  logical_or: (x, y) => (x || y ? 1 : 0),
};
const GIVES_BOOL = new Set([
  'equal', 'less', 'less_equal', 'greater', 'greater_equal', 'logical_and', 'logical_or', 'logical_not',
]);

const DTYPES = new Set(['bool', 'uint8', 'uint16', 'uint32', 'int32', 'int64', 'float32', 'float64']);

function dtypeOf(name: string): Dtype {
  if (!DTYPES.has(name)) throw new Error(`unknown type in a program: ${name}`);
  return name as Dtype;
}

export class Program {
  constructor(
    private readonly spec: ProgramSpec,
    private readonly constants: ReadonlyMap<string, Tensor>,
  ) {
    const known = new Set([spec.input, ...constants.keys()]);
    for (const [result, operation, operands] of spec.steps) {
      if (!(operation in UNARY) && !(operation in BINARY) && !OTHERS.has(operation)) {
        throw new Error(`unknown operation in a program: ${operation}`);
      }
      for (const name of operands) {
        if (!known.has(name)) throw new Error(`a program uses ${name} before it is there`);
      }
      known.add(result);
    }
    if (!known.has(spec.output)) throw new Error(`a program never computes ${spec.output}`);
  }

  /**
   * The results for rows, one after the other. In `double` all numbers keep double precision, for
   * differences of results that are close together.
   */
  run(rows: ArrayLike<number>, count = 1, double = false): Numbers {
    const { spec } = this;
    if (rows.length !== count * spec.width) {
      throw new Error(`expected ${count} × ${spec.width} numbers, got ${rows.length}`);
    }
    const single: Dtype = double ? 'float64' : 'float32';
    const typed: Typed = (dtype) => (dtype === 'float32' ? single : dtype);
    const input: Tensor = {
      dtype: typed(spec.dtype), shape: [count, spec.width], data: new Float64Array(0), constant: false,
    };
    input.data = allocate(input.dtype, rows.length);
    input.data.set(rows);
    const values = new Map<string, Tensor>([[spec.input, input]]);
    for (const [result, operation, operands, settings] of spec.steps) {
      const given = operands.map((name) => (values.get(name) ?? this.constants.get(name)) as Tensor);
      values.set(result, followed(operation, given, settings, count, typed));
    }
    const output = (values.get(spec.output) ?? this.constants.get(spec.output)) as Tensor;
    return spread(output, output.constant ? [count, ...output.shape] : output.shape);
  }
}

const OTHERS = new Set(['matmul', 'where', 'sum', 'max', 'min', 'reshape', 'take', 'concatenate', 'cast']);

type Typed = (dtype: Dtype) => Dtype;

function followed(
  operation: string, given: Tensor[], settings: Settings, count: number, typed: Typed,
): Tensor {
  const [x, y] = given;
  if (operation in UNARY) return unary(operation, x, typed);
  if (operation in BINARY) return binary(operation, x, y, typed);
  switch (operation) {
    case 'matmul': return product(x, y, typed);
    case 'where': return where(given, typed);
    case 'sum': case 'max': case 'min': return reduced(operation, x, settings.axes ?? []);
    case 'reshape': {
      // The axis of rows is not named; what is constant has rows only by its own first axis.
      const rows = x.constant ? x.shape[0] : count;
      return { ...x, shape: [rows, ...(settings.shape ?? [])] };
    }
    case 'take': return taken(x, y);
    case 'concatenate': return concatenated(given, typed);
    case 'cast': return cast(x, typed(dtypeOf(settings.dtype ?? '')));
    default: throw new Error(`unknown operation in a program: ${operation}`);
  }
}

/** The result is constant if everything that it is made of is constant. */
function made(given: Tensor[], dtype: Dtype, shape: number[], data: Numbers): Tensor {
  return { dtype, shape, data, constant: given.every((one) => one.constant) };
}

function unary(operation: string, x: Tensor, typed: Typed): Tensor {
  const dtype = typed(GIVES_BOOL.has(operation) ? 'bool'
    : operation === 'erf' ? 'float32'
    : KEEPS_TYPE.has(operation) ? x.dtype : floating(x.dtype));
  const data = allocate(dtype, x.data.length);
  const one = UNARY[operation];
  for (let i = 0; i < data.length; i++) data[i] = one(x.data[i]);
  return { ...x, dtype, data };
}

function binary(operation: string, x: Tensor, y: Tensor, typed: Typed): Tensor {
  const common = promoted(x.dtype, y.dtype);
  const dtype = GIVES_BOOL.has(operation) ? 'bool'
    : typed(operation === 'divide' ? (isFloat(common) ? common : 'float64') : common);
  const shape = broadcastShape([x.shape, y.shape]);
  const data = allocate(dtype, sizeOf(shape));
  entrywise(BINARY[operation], x, y, shape, data);
  return made([x, y], dtype, shape, data);
}

function entrywise(
  operation: (x: number, y: number) => number,
  x: Tensor,
  y: Tensor,
  shape: number[],
  data: Numbers,
): void {
  const size = data.length;
  const a = x.data.length === 1 ? x.data : spread(x, shape);
  const b = y.data.length === 1 ? y.data : spread(y, shape);
  if (a.length === size && b.length === size) {
    for (let i = 0; i < size; i++) data[i] = operation(a[i], b[i]);
  } else if (b.length === 1 && a.length === size) {
    const second = b[0];
    for (let i = 0; i < size; i++) data[i] = operation(a[i], second);
  } else {
    const first = a[0];
    for (let i = 0; i < size; i++) data[i] = operation(first, b[b.length === 1 ? 0 : i]);
  }
}

function where(given: Tensor[], typed: Typed): Tensor {
  const [, yes, no] = given;
  const shape = broadcastShape(given.map((one) => one.shape));
  const dtype = typed(promoted(yes.dtype, no.dtype));
  const data = allocate(dtype, sizeOf(shape));
  const [c, a, b] = given.map((one) => spread(one, shape));
  for (let i = 0; i < data.length; i++) data[i] = c[i] ? a[i] : b[i];
  return made(given, dtype, shape, data);
}

/** Takes entries along the last axis; places below 0 count from its end. */
function taken(x: Tensor, places: Tensor): Tensor {
  const width = x.shape[x.shape.length - 1];
  const outer = x.data.length / width;
  const data = allocate(x.dtype, outer * places.data.length);
  for (let i = 0, at = 0; i < outer; i++) {
    for (let j = 0; j < places.data.length; j++) {
      const place = places.data[j] < 0 ? places.data[j] + width : places.data[j];
      if (place >= width) throw new Error('a program takes an entry that is not there');
      data[at++] = x.data[i * width + place];
    }
  }
  return made([x, places], x.dtype, [...x.shape.slice(0, -1), ...places.shape], data);
}

/** Joins arrays along their last axis. */
function concatenated(given: Tensor[], typed: Typed): Tensor {
  const [x] = given;
  const dtype = typed(given.map((one) => one.dtype).reduce(promoted));
  const widths = given.map((one) => one.shape[one.shape.length - 1]);
  const width = widths.reduce((a, b) => a + b, 0);
  const outer = x.data.length / widths[0];
  const data = allocate(dtype, outer * width);
  let start = 0;
  given.forEach((one, k) => {
    for (let i = 0; i < outer; i++) {
      data.set(one.data.subarray(i * widths[k], (i + 1) * widths[k]), i * width + start);
    }
    start += widths[k];
  });
  return made(given, dtype, [...x.shape.slice(0, -1), width], data);
}

function cast(x: Tensor, dtype: Dtype): Tensor {
  if (dtype === x.dtype) return x;
  const data = allocate(dtype, x.data.length);
  if (dtype === 'bool') for (let i = 0; i < data.length; i++) data[i] = x.data[i] !== 0 ? 1 : 0;
  else if (dtype === 'int64') for (let i = 0; i < data.length; i++) data[i] = Math.trunc(x.data[i]);
  else data.set(x.data);
  return { ...x, dtype, data };
}

/** (…, k) times a matrix (k, m). Sums run in double precision. */
function product(x: Tensor, matrix: Tensor, typed: Typed): Tensor {
  const [k, m] = matrix.shape;
  const inner = x.shape[x.shape.length - 1];
  if (matrix.shape.length !== 2 || inner !== k) {
    throw new Error(`shapes do not fit in matmul: ${JSON.stringify([x.shape, matrix.shape])}`);
  }
  const outer = x.data.length / k;
  const dtype = typed(promoted(x.dtype, matrix.dtype));
  const data = allocate(dtype, outer * m);
  const sums = new Float64Array(m);
  for (let row = 0; row < outer; row++) {
    sums.fill(0);
    if (matrix.data instanceof Float32Array) accumulate32(sums, x.data, row * k, k, matrix.data);
    else accumulate(sums, x.data, row * k, k, matrix.data);
    data.set(sums, row * m);
  }
  return made([x, matrix], dtype, [...x.shape.slice(0, -1), m], data);
}

/** Four rows of the matrix at a time. A zero stays in: zero times infinity is NaN. */
function accumulate32(sums: Float64Array, x: Numbers, from: number, k: number, weights: Float32Array): void {
  const m = sums.length;
  let i = 0;
  for (; i + 3 < k; i += 4) {
    const [a, b, c, d] = [x[from + i], x[from + i + 1], x[from + i + 2], x[from + i + 3]];
    const [p, q, r, s] = [i * m, (i + 1) * m, (i + 2) * m, (i + 3) * m];
    for (let j = 0; j < m; j++) {
      sums[j] += a * weights[p + j] + b * weights[q + j] + c * weights[r + j] + d * weights[s + j];
    }
  }
  for (; i < k; i++) {
    const factor = x[from + i];
    for (let j = 0, at = i * m; j < m; j++, at++) sums[j] += factor * weights[at];
  }
}

function accumulate(sums: Float64Array, x: Numbers, from: number, k: number, weights: Numbers): void {
  const m = sums.length;
  for (let i = 0, at = 0; i < k; i++) {
    const factor = x[from + i];
    for (let j = 0; j < m; j++, at++) sums[j] += factor * weights[at];
  }
}

function reduced(operation: 'sum' | 'max' | 'min', x: Tensor, axes: number[]): Tensor {
  const rank = x.shape.length;
  const over = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)));
  const shape = x.shape.filter((_, axis) => !over.has(axis));
  const dtype: Dtype = operation !== 'sum' || isFloat(x.dtype) ? x.dtype : 'int64';
  const found = new Float64Array(sizeOf(shape)).fill(
    operation === 'sum' ? 0 : operation === 'max' ? -Infinity : Infinity,
  );
  const step = new Array<number>(rank).fill(0);
  let size = 1;
  for (let axis = rank - 1; axis >= 0; axis--) {
    if (over.has(axis)) continue;
    step[axis] = size;
    size *= x.shape[axis];
  }
  const index = new Array<number>(rank).fill(0);
  for (let i = 0, at = 0; i < x.data.length; i++) {
    const entry = x.data[i];
    found[at] = operation === 'sum' ? found[at] + entry
      : operation === 'max' ? Math.max(found[at], entry) : Math.min(found[at], entry);
    for (let axis = rank - 1; axis >= 0; axis--) {
      at += step[axis];
      if (++index[axis] < x.shape[axis]) break;
      at -= step[axis] * x.shape[axis];
      index[axis] = 0;
    }
  }
  const data = allocate(dtype, found.length);
  data.set(found);
  return made([x], dtype, shape, data);
}

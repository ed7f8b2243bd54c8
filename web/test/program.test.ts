import { describe, expect, it } from 'vitest';
import { broadcastShape, promoted, spread, type Dtype, type Tensor } from '../src/arrays';
import { erf } from '../src/erf';
import { Program, type Step } from '../src/program';

type Constant = [Dtype, number[], number[]];

function program(
  steps: Step[], width: number, constants: Record<string, Constant> = {}, dtype: 'float32' | 'float64' = 'float64',
): Program {
  const tensors = new Map(Object.entries(constants).map(([name, [type, shape, data]]): [string, Tensor] => [name, {
    dtype: type, shape, constant: true,
    data: type === 'float32' ? Float32Array.from(data) : Float64Array.from(data),
  }]));
  return new Program({ input: 'x', dtype, width, output: steps[steps.length - 1][0], steps }, tensors);
}
const values = (one: Program, rows: number[], count = 1): number[] => Array.from(one.run(rows, count));

describe('entrywise operations', () => {
  const given = [-2, -0.5, 0, 0.3, 4];
  const unary: Record<string, (x: number) => number> = {
    negative: (x) => -x, absolute: Math.abs, sign: Math.sign, floor: Math.floor, sqrt: Math.sqrt, exp: Math.exp,
    expm1: Math.expm1, log: Math.log, log1p: Math.log1p, sin: Math.sin, cos: Math.cos, tanh: Math.tanh,
    arctan: Math.atan, arcsinh: Math.asinh, logistic: (x) => 1 / (1 + Math.exp(-x)),
  };
  for (const [name, f] of Object.entries(unary)) {
    it(name, () => {
      values(program([['y', name, ['x'], {}]], 5), given).forEach((one, k) => {
        const wanted = f(given[k]);
        if (Number.isNaN(wanted)) expect(one).toBeNaN();
        else expect(one).toBeCloseTo(wanted, 12);
      });
    });
  }
  const binary: Record<string, [number, number, number][]> = {
    add: [[1, 2, 3]], subtract: [[1, 2, -1]], multiply: [[3, 2, 6]], divide: [[1, 4, 0.25], [1, 0, Infinity]],
    power: [[2, 10, 1024], [1, NaN, 1], [-8, 3, -512]], maximum: [[1, 2, 2], [NaN, 1, NaN]], minimum: [[1, 2, 1], [1, NaN, NaN]],
    equal: [[1, 1, 1], [NaN, NaN, 0]], less: [[1, 2, 1], [2, 2, 0]], less_equal: [[2, 2, 1], [3, 2, 0]],
    greater: [[1, 2, 0], [3, 2, 1]], greater_equal: [[2, 2, 1], [1, 2, 0]],
    logical_and: [[1, 0, 0], [1, 2, 1]], logical_or: [[0, 0, 0], [0, 1, 1]],
  };
  for (const [name, cases] of Object.entries(binary)) {
    it(name, () => {
      for (const [a, b, wanted] of cases) {
        const steps: Step[] = [['a', 'take', ['x', 'first'], {}], ['b', 'take', ['x', 'second'], {}], ['y', name, ['a', 'b'], {}]];
        expect(values(program(steps, 2, { first: ['int64', [1], [0]], second: ['int64', [1], [1]] }), [a, b])).toEqual([wanted]);
      }
    });
  }
  it('logical_not, where and cast', () => {
    const steps: Step[] = [
      ['c', 'less', ['x', 'zero'], {}], ['n', 'logical_not', ['c'], {}], ['m', 'negative', ['x'], {}],
      ['w', 'where', ['n', 'x', 'm'], {}], ['b', 'cast', ['w'], { dtype: 'bool' }], ['f', 'cast', ['b'], { dtype: 'float32' }],
      ['y', 'add', ['w', 'f'], {}],
    ];
    expect(values(program(steps, 3, { zero: ['float64', [], [0]] }), [-2, 0, 3])).toEqual([3, 0, 4]);
  });
  it('logistic does not overflow', () => {
    expect(values(program([['y', 'logistic', ['x'], {}]], 3), [-800, 0, 800])).toEqual([0, 0.5, 1]);
  });
  it('erf is exact', () => {
    const known: [number, number][] = [
      [0, 0], [0.1, 0.1124629160182849], [0.5, 0.5204998778130465], [1, 0.8427007929497149], [2, 0.9953222650189527],
      [2.4999, 0.9995928300996666], [3, 0.9999779095030014], [-1.5, -0.9661051464753108], [7, 1], [-Infinity, -1],
    ];
    for (const [x, y] of known) expect(Math.abs(erf(x) - y)).toBeLessThan(1e-14);
    expect(values(program([['y', 'erf', ['x'], {}]], 1), [1])).toEqual([Math.fround(0.8427007929497149)]);
  });
});

describe('types', () => {
  it('float32 results are rounded', () => {
    const add: Step[] = [['y', 'add', ['x', 'c'], {}]];
    expect(values(program(add, 1, { c: ['float32', [], [0.1]] }, 'float32'), [0.2])).toEqual([Math.fround(Math.fround(0.2) + Math.fround(0.1))]);
    expect(values(program(add, 1, { c: ['float64', [], [0.1]] }, 'float32'), [0.2])).toEqual([Math.fround(0.2) + 0.1]);
    expect(values(program([['y', 'exp', ['x'], {}]], 1, {}, 'float32'), [100])).toEqual([Infinity]);
  });
  it('in double nothing is rounded', () => {
    const one = program([['c', 'cast', ['x'], { dtype: 'float32' }], ['y', 'sin', ['c'], {}]], 1);
    expect(Array.from(one.run([0.1], 1, true))).toEqual([Math.sin(0.1)]);
    expect(Array.from(one.run([0.1]))).toEqual([Math.fround(Math.sin(Math.fround(0.1)))]);
  });
  it('promotes as NumPy', () => {
    const cases: [Dtype, Dtype, Dtype][] = [
      ['float32', 'float64', 'float64'], ['bool', 'float32', 'float32'], ['int32', 'float32', 'float64'],
      ['uint8', 'float32', 'float32'], ['int32', 'uint32', 'int64'], ['uint8', 'uint16', 'uint16'], ['bool', 'bool', 'bool'],
    ];
    for (const [a, b, c] of cases) expect([promoted(a, b), promoted(b, a)]).toEqual([c, c]);
  });
});

describe('shapes', () => {
  it('broadcast', () => {
    expect(broadcastShape([[2, 1, 3], [4, 1]])).toEqual([2, 4, 3]);
    expect(() => broadcastShape([[2], [3]])).toThrow();
    const x: Tensor = { dtype: 'float64', shape: [2, 1, 3], data: Float64Array.from([1, 2, 3, 4, 5, 6]), constant: false };
    expect(Array.from(spread(x, [2, 2, 3]))).toEqual([1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]);
    const column: Tensor = { dtype: 'float64', shape: [2, 1], data: Float64Array.from([1, 2]), constant: false };
    expect(Array.from(spread(column, [2, 3]))).toEqual([1, 1, 1, 2, 2, 2]);
  });
  it('constants beside rows: a vector, a scalar, a constant first', () => {
    const c: Record<string, Constant> = { v: ['float64', [2], [10, 20]], s: ['float64', [], [2]] };
    expect(values(program([['y', 'add', ['x', 'v'], {}]], 2, c), [1, 2, 3, 4], 2)).toEqual([11, 22, 13, 24]);
    expect(values(program([['y', 'divide', ['s', 'x'], {}]], 2, c), [1, 2, 4, 8], 2)).toEqual([2, 1, 0.5, 0.25]);
    expect(values(program([['y', 'subtract', ['v', 'x'], {}]], 2, c), [1, 2, 3, 4], 2)).toEqual([9, 18, 7, 16]);
  });
  it('a value of one entry per row beside a matrix per row', () => {
    const steps: Step[] = [
      ['m', 'reshape', ['x'], { shape: [2, 2] }], ['s', 'sum', ['m'], { axes: [-1] }], ['t', 'reshape', ['s'], { shape: [2, 1] }],
      ['y', 'divide', ['m', 't'], {}],
    ];
    expect(values(program(steps, 4), [1, 3, 1, 1, 2, 2, 0, 5], 2)).toEqual([0.25, 0.75, 0.5, 0.5, 0.5, 0.5, 0, 1]);
  });
  it('sum, max and min over axes counted from the last', () => {
    const on = (operation: string, axes: number[]): number[] => values(program([
      ['m', 'reshape', ['x'], { shape: [2, 3] }], ['y', operation, ['m'], { axes }]], 6), [1, 2, 3, 4, 5, 6, 0, 0, 1, -1, 9, NaN], 2);
    expect(on('sum', [-1])).toEqual([6, 15, 1, NaN]);
    expect(on('sum', [-2])).toEqual([5, 7, 9, -1, 9, NaN]);
    expect(on('max', [-2, -1])).toEqual([6, NaN]);
    expect(on('min', [-1])).toEqual([1, 4, 0, NaN]);
  });
  it('take and concatenate', () => {
    const steps: Step[] = [
      ['a', 'take', ['x', 'p'], {}], ['y', 'concatenate', ['x', 'a', 'x'], {}],
    ];
    const p: Record<string, Constant> = { p: ['int64', [2], [2, -3]] };
    expect(values(program(steps, 3, p), [1, 2, 3, 4, 5, 6], 2)).toEqual([1, 2, 3, 3, 1, 1, 2, 3, 4, 5, 6, 6, 4, 4, 5, 6]);
    const square: Record<string, Constant> = { p: ['int64', [2, 2], [0, 1, 1, 0]] };
    expect(values(program([['y', 'take', ['x', 'p'], {}], ['z', 'sum', ['y'], { axes: [-2] }]], 2, square), [3, 4])).toEqual([7, 7]);
  });
  it('matmul of rows, and of matrices of rows', () => {
    const w: Record<string, Constant> = { w: ['float32', [2, 3], [1, 0, 2, 0, 1, -1]] };
    expect(values(program([['y', 'matmul', ['x', 'w'], {}]], 2, w), [1, 2, 3, 4], 2)).toEqual([1, 2, 0, 3, 4, 2]);
    expect(values(program([['m', 'reshape', ['x'], { shape: [2, 2] }], ['y', 'matmul', ['m', 'w'], {}]], 4, w), [1, 2, 3, 4]))
      .toEqual([1, 2, 0, 3, 4, 2]);
    const many = Array.from({ length: 7 * 5 }, (_, k) => k % 11);
    const long: Record<string, Constant> = { w: ['float32', [7, 5], many] };
    const x = [1, 2, 3, 4, 5, 6, 7];
    const wanted = Array.from({ length: 5 }, (_, j) => x.reduce((sum, one, i) => sum + one * many[i * 5 + j], 0));
    expect(values(program([['y', 'matmul', ['x', 'w'], {}]], 7, long), x)).toEqual(wanted);
    const double: Record<string, Constant> = { w: ['float64', [7, 5], many] };
    expect(values(program([['y', 'matmul', ['x', 'w'], {}]], 7, double), x)).toEqual(wanted);
  });
});

describe('programs that are wrong', () => {
  it('are refused', () => {
    expect(() => program([['y', 'nonsense', ['x'], {}]], 1)).toThrow('nonsense');
    expect(() => program([['y', 'add', ['x', 'q'], {}]], 1)).toThrow('q');
    expect(() => program([['y', 'exp', ['x'], {}]], 2).run([1], 1)).toThrow('expected');
  });
});

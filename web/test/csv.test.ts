import Papa from 'papaparse';
import { describe, expect, it } from 'vitest';
import { cell, readRows, table } from '../src/csv';

const names = ['a', 'b "q"', '=c'];

describe('tables that are written', () => {
  it('quote what needs it', () => {
    expect([cell('plain'), cell('a,b'), cell('say "x"'), cell('two\nlines'), cell(' edge')])
      .toEqual(['plain', '"a,b"', '"say ""x"""', '"two\nlines"', '" edge"']);
  });
  it('leave numbers, and keep names from being formulas', () => {
    expect([cell(-1.5), cell(1e-30), cell(NaN), cell('=1+1'), cell('-x'), cell('+x'), cell('@x'), cell('=a,b')])
      .toEqual(['-1.5', '1e-30', '', "'=1+1", "'-x", "'+x", "'@x", "\"'=a,b\""]);
  });
  it('leave ids and classes that are numbers', () => {
    expect([cell('-1'), cell('+2.5e3'), cell('-1+1')]).toEqual(['-1', '+2.5e3', "'-1+1"]);
  });
  it('come back as they were', () => {
    const text = table(names, [[1, -2, 3.25]]);
    expect(Papa.parse(text.trim()).data).toEqual([['a', 'b "q"', "'=c"], ['1', '-2', '3.25']]);
    expect(Array.from(readRows(text, names).values)).toEqual([1, -2, 3.25]);
  });
});

describe('tables that are read', () => {
  const values = (text: string): number[] => Array.from(readRows(text, names).values);
  it('match columns by name, in any order, with more of them', () => {
    expect(values('=c,x,a,"b ""q"""\n3,9,1,2\n')).toEqual([1, 2, 3]);
    expect(values('\uFEFFa;b "q";=c\n1;2;3')).toEqual([1, 2, 3]);
  });
  it('or by order', () => {
    expect(values('1,2,3\n4,5,6')).toEqual([1, 2, 3, 4, 5, 6]);
    expect(values('u,v,w\n4,5,6\n')).toEqual([4, 5, 6]);
    expect(values('nan,2,3\n4,5,6\n')).toEqual([4, 5, 6]);
  });
  it('by order below the numbers of columns', () => {
    expect(values('0,1,2\n4,5,6')).toEqual([4, 5, 6]);
    expect(values('0,1,3\n4,5,6')).toEqual([0, 1, 3, 4, 5, 6]);
  });
  it('count rows with empty cells', () => {
    expect(readRows('a,"b ""q""",=c\n1,,3\n1,2,3\nNaN,1,1\n\n', names)).toMatchObject({ incomplete: 2, numbers: [2] });
  });
  it('say what is wrong', () => {
    expect(() => readRows('', names)).toThrow('empty');
    expect(() => readRows(' \n\n', names)).toThrow('empty');
    expect(() => readRows('a,=c\n1,2', names)).toThrow('A column is missing: “b "q"”');
    expect(() => readRows('1,2\n3,4', names)).toThrow('2 columns; the map takes 3');
    expect(() => readRows('a,"b ""q""",=c\n1,2,3\n1,two,3', names)).toThrow('Line 3, column “b "q"”: “two” is not a number');
    expect(() => readRows('a,"b ""q""",=c\n1,0x10,3', names)).toThrow('not a number');
    expect(() => readRows('a,"b ""q""",=c\n', names)).toThrow('no rows');
  });
  it('one feature', () => {
    expect(Array.from(readRows('a\n1\n\n2\n', ['a']).values)).toEqual([1, 2]);
  });
});

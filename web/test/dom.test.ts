import { describe, expect, it } from 'vitest';
import { format } from '../src/dom';

describe('numbers that are shown', () => {
  it('have one kind of minus', () => {
    expect([format(-2.5e-31), format(-3), format(1e30)]).toEqual(['−2.50e−31', '−3', '1.00e30']);
  });
});

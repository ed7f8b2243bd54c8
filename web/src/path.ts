/** Lines on the map. */

export type Point = readonly number[];

/** `count` places along a line, equally far from one another by its length. */
export function resampled(line: readonly Point[], count: number): number[][] {
  if (!line.length || count < 1) return [];
  const lengths = [0];
  for (let i = 1; i < line.length; i++) lengths.push(lengths[i - 1] + distance(line[i - 1], line[i]));
  const whole = lengths[lengths.length - 1];
  const result: number[][] = [];
  let at = 1;
  for (let step = 0; step < count; step++) {
    const wanted = count === 1 ? 0 : (whole * step) / (count - 1);
    if (whole === 0 || step === 0) {
      result.push([...line[0]]);
      continue;
    }
    if (step === count - 1) {
      result.push([...line[line.length - 1]]);
      continue;
    }
    while (at < line.length - 1 && lengths[at] < wanted) at++;
    const piece = lengths[at] - lengths[at - 1];
    const share = piece === 0 ? 0 : (wanted - lengths[at - 1]) / piece;
    const [a, b] = [line[at - 1], line[at]];
    result.push(a.map((one, axis) => one + share * (b[axis] - one)));
  }
  return result;
}

function distance(a: Point, b: Point): number {
  return Math.hypot(...a.map((one, axis) => b[axis] - one));
}

/** Whether a place lies within a polygon, given as x0, y0, x1, y1, … */
export function inside(x: number, y: number, polygon: ArrayLike<number>): boolean {
  let within = false;
  for (let i = 0, j = polygon.length - 2; i < polygon.length; j = i, i += 2) {
    const [xi, yi, xj, yj] = [polygon[i], polygon[i + 1], polygon[j], polygon[j + 1]];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) within = !within;
  }
  return within;
}

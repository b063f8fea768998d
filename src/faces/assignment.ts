/**
 * The cheapest one-to-one assignment of rows to columns (the Hungarian method with potentials, O(rows^2 columns)).
 * `costs[row][column]` are finite; each row gets a column while there are any. Returns each row's column, or -1.
 */
export function assign(costs: readonly (readonly number[])[]): number[] {
  const rows = costs.length;
  const columns = costs[0]?.length ?? 0;
  if (rows === 0 || columns === 0) return new Array<number>(rows).fill(-1);
  if (rows > columns) {
    const turned = Array.from({ length: columns }, (_, column) => costs.map((row) => row[column]!));
    const result = new Array<number>(rows).fill(-1);
    for (const [column, row] of assign(turned).entries()) result[row] = column;
    return result;
  }

  // Rows and columns count from 1 here; column 0 stands for "not assigned yet".
  const rowPotential = new Float64Array(rows + 1);
  const columnPotential = new Float64Array(columns + 1);
  const rowOf = new Int32Array(columns + 1);
  for (let row = 1; row <= rows; row++) {
    const slack = new Float64Array(columns + 1).fill(Number.POSITIVE_INFINITY);
    const before = new Int32Array(columns + 1);
    const visited = new Uint8Array(columns + 1);
    let at = 0;
    rowOf[0] = row;
    do {
      visited[at] = 1;
      const current = rowOf[at]!;
      let next = 0;
      let smallest = Number.POSITIVE_INFINITY;
      for (let column = 1; column <= columns; column++) {
        if (visited[column] === 1) continue;
        const reduced = costs[current - 1]![column - 1]! - rowPotential[current]! - columnPotential[column]!;
        if (reduced < slack[column]!) {
          slack[column] = reduced;
          before[column] = at;
        }
        if (slack[column]! < smallest) {
          smallest = slack[column]!;
          next = column;
        }
      }
      for (let column = 0; column <= columns; column++) {
        if (visited[column] === 1) {
          rowPotential[rowOf[column]!]! += smallest;
          columnPotential[column]! -= smallest;
        } else {
          slack[column]! -= smallest;
        }
      }
      at = next;
    } while (rowOf[at] !== 0);
    while (at !== 0) {
      const previous = before[at]!;
      rowOf[at] = rowOf[previous]!;
      at = previous;
    }
  }
  const result = new Array<number>(rows).fill(-1);
  for (let column = 1; column <= columns; column++) {
    if (rowOf[column] !== 0) result[rowOf[column]! - 1] = column - 1;
  }
  return result;
}

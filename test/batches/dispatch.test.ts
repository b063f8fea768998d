import { describe, expect, it } from 'vitest';
import { decide, type Load } from '../../src/batches/dispatch.ts';

const quiet: Load = {
  findsQueued: 0,
  readsQueued: 0,
  oldestReadMs: 0,
  jobsInFlight: 0,
  readsInARow: 0,
  maxBatch: 8,
  maxWaitMs: 4,
};

describe('decide', () => {
  it('rests when there is nothing to do', () => {
    expect(decide(quiet)).toEqual({ kind: 'rest' });
  });

  it('reads a full batch before it searches another picture', () => {
    expect(decide({ ...quiet, findsQueued: 3, readsQueued: 8 })).toEqual({ kind: 'read' });
  });

  it('searches a picture while a batch may still fill', () => {
    expect(decide({ ...quiet, findsQueued: 1, readsQueued: 7, oldestReadMs: 3 })).toEqual({ kind: 'find' });
  });

  it('reads a part batch whose oldest face has waited its time', () => {
    expect(decide({ ...quiet, findsQueued: 1, readsQueued: 1, oldestReadMs: 4 })).toEqual({ kind: 'read' });
  });

  it('reads a part batch at once when nothing could add to it', () => {
    expect(decide({ ...quiet, readsQueued: 1 })).toEqual({ kind: 'read' });
  });

  it('waits for the rest of its time when work in flight may add to a part batch', () => {
    expect(decide({ ...quiet, readsQueued: 1, oldestReadMs: 1, jobsInFlight: 1 })).toEqual({ kind: 'wait', ms: 3 });
  });

  it('never waits with a wait of 0', () => {
    expect(decide({ ...quiet, readsQueued: 1, jobsInFlight: 1, maxWaitMs: 0 })).toEqual({ kind: 'read' });
  });

  it('searches a picture in between when callers read without a pause', () => {
    const decisions = Array.from({ length: 12 }, (_, readsInARow) =>
      decide({ ...quiet, findsQueued: 1, readsQueued: 99, oldestReadMs: 50, readsInARow }),
    );
    expect(decisions.slice(0, 4).every(({ kind }) => kind === 'read')).toBe(true);
    expect(decisions.at(-1)).toEqual({ kind: 'find' });
  });
});

/** The operators that are known: those that PyTorch's export makes of convolutional and recurrent networks. */
import type { OperatorMaker } from '../operator.ts';
import { conv } from './convolution.ts';
import { ELEMENTWISE } from './elementwise.ts';
import { lstm } from './lstm.ts';
import { gemm, matMul } from './matrix.ts';
import { averagePool, globalAveragePool, globalMaxPool, maxPool } from './pooling.ts';
import { REDUCTIONS } from './reduction.ts';
import { resize } from './resize.ts';
import { SHAPING } from './shaping.ts';

/** By their names in the ONNX standard. */
export const OPERATORS: ReadonlyMap<string, OperatorMaker> = new Map(
  Object.entries({
    AveragePool: averagePool,
    Conv: conv,
    Gemm: gemm,
    GlobalAveragePool: globalAveragePool,
    GlobalMaxPool: globalMaxPool,
    LSTM: lstm,
    MatMul: matMul,
    MaxPool: maxPool,
    Resize: resize,
    ...ELEMENTWISE,
    ...REDUCTIONS,
    ...SHAPING,
  }),
);

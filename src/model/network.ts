/** An input or output of a loaded network; a dimension that is no number is free. */
export interface NetworkPort {
  readonly name: string;
  /** `uint8`, `float32` or anything else. */
  readonly type: string;
  readonly shape: readonly unknown[];
}

/** The file of a model, loaded by one of the libraries that can run it. One run at a time. */
export interface LoadedNetwork {
  readonly inputs: readonly NetworkPort[];
  readonly outputs: readonly NetworkPort[];
  /** Runs `bytes` of the given shape through the network and gives the named outputs' numbers. */
  run(
    bytes: Uint8Array,
    shape: readonly number[],
    outputs: readonly string[],
  ): Promise<Readonly<Record<string, unknown>>>;
  /** To be called once. */
  release(): Promise<void>;
}

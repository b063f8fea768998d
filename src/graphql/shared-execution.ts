/**
 * Many subscribers who ask the same of the same stream cost little more than one: a frame is executed and turned into
 * text once for all of them, by whoever comes first.
 *
 * That holds because what is sent for a frame depends on nothing but the frame, the selection with its variables, and
 * `droppedBefore`. Who may have the frames of a stream is settled when he subscribes, at the doors of access, and not by
 * their fields: so subscribers with different keys share results as well (the owner of a stream and an admin). Fields get no
 * more of the context here than what is the same for all; whoever lets one depend on who asks has to make that part of
 * the key.
 */
import { createHash } from 'node:crypto';
import {
  createSourceEventStream,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  getOperationAST,
  getVariableValues,
  Kind,
  locatedError,
  print,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { isAsyncIterable, mapAsyncIterator, type Plugin } from 'graphql-yoga';
import type { FrameEstimate } from '../domain.ts';
import type { FrameDelivery } from '../pipeline/index.ts';
import type { Context } from './context.ts';
import { type Reporting, toGraphqlError } from './errors.ts';

/** A result that knows its own JSON. */
interface SharedResult extends ExecutionResult {
  /** The name by which yoga asks for it. */
  readonly stringify: () => string;
  readonly json: () => Uint8Array;
}

type MaybePromise<T> = T | Promise<T>;

/** Executes subscriptions to frames for all who ask the same. Their limits and validation stay their own. */
export function sharedExecutionPlugin(reporting: Reporting): Plugin<Context> {
  // A frame's results live as long as the frame: until the last subscriber has taken it out of its buffer.
  const results = new WeakMap<FrameEstimate, Map<string, MaybePromise<SharedResult>>>();

  function resultOf(delivery: FrameDelivery, { selection, args }: Asked): MaybePromise<SharedResult> {
    const { frame, droppedBefore } = delivery;
    const ofFrame = results.get(frame) ?? new Map<string, MaybePromise<SharedResult>>();
    if (ofFrame.size === 0) results.set(frame, ofFrame);
    const key = droppedBefore === 0 ? selection : `${droppedBefore} ${selection}`;
    const known = ofFrame.get(key);
    if (known !== undefined) return known;
    const { config, log, traffic } = args.contextValue as Context;
    const executed = execute({ ...args, rootValue: delivery, contextValue: { config, log, traffic } });
    const result =
      executed instanceof Promise ? executed.then((one) => shared(one, reporting)) : shared(executed, reporting);
    ofFrame.set(key, result);
    return result;
  }

  return {
    onSubscribe({ args, setSubscribeFn }) {
      const selection = frameSelection(args);
      if (selection === null) return;
      const asked: Asked = { selection, args };
      setSubscribeFn(async () => {
        const deliveries = await createSourceEventStream(withLive(args, (delivery) => resultOf(delivery, asked)));
        if (!isAsyncIterable(deliveries)) return deliveries;
        return mapAsyncIterator(
          deliveries as AsyncIterable<FrameDelivery>,
          (delivery) => resultOf(delivery, asked),
          (thrown: unknown) => {
            throw locatedError(thrown, getOperationAST(args.document, args.operationName) ?? undefined);
          },
        );
      });
    },
  };
}

interface Asked {
  readonly selection: string;
  readonly args: ExecutionArgs;
}

/** Where the transport sends results itself, the live ones go there at once. */
function withLive(
  args: ExecutionArgs,
  resultOf: (delivery: FrameDelivery) => MaybePromise<SharedResult>,
): ExecutionArgs {
  const context = args.contextValue as Context;
  const { sendResult } = context;
  if (sendResult === undefined) return args;
  const onLiveFrame = (delivery: FrameDelivery): Promise<void> | undefined => {
    const result = resultOf(delivery);
    if (result instanceof Promise) return result.then((one) => sendResult(one.json()));
    return sendResult(result.json());
  };
  return { ...args, contextValue: { ...context, onLiveFrame } };
}

/**
 * What an operation wants of each frame, as a key: the same for all who want the same, however they wrote it and from wherever
 * they start; `null` for all but valid subscriptions to frames.
 */
function frameSelection({ schema, document, operationName, variableValues }: ExecutionArgs): string | null {
  const operation = getOperationAST(document, operationName);
  const subscription = schema.getSubscriptionType();
  if (operation?.operation !== 'subscription' || !subscription) return null;
  const variables = getVariableValues(schema, operation.variableDefinitions ?? [], variableValues ?? {});
  if (variables.errors) return null;

  const wanted: DocumentNode = {
    kind: Kind.DOCUMENT,
    definitions: [
      { kind: Kind.OPERATION_DEFINITION, operation: operation.operation, selectionSet: operation.selectionSet },
      ...document.definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION),
    ],
  };
  const roots = new Set<string>();
  const used: Record<string, unknown> = {};
  const types = new TypeInfo(schema);
  const visitor = visitWithTypeInfo(types, {
    // The root's arguments say where the frames come from, and which of them; not what is told of each.
    Field(node) {
      if (types.getParentType() !== subscription) return undefined;
      roots.add(node.name.value);
      return { ...node, arguments: [] };
    },
    Variable({ name }) {
      used[name.value] = variables.coerced[name.value];
    },
  });
  const text = print(visit(wanted, visitor));
  if (roots.size !== 1 || !roots.has('frames')) return null;
  // Short, because it is looked up for each subscriber and frame.
  return createHash('sha256')
    .update(`${text}\n${JSON.stringify(used)}`)
    .digest('base64');
}

/** Its errors are masked here, because nobody looks into the text later. */
function shared({ errors, ...rest }: ExecutionResult, reporting: Reporting): SharedResult {
  const result =
    errors === undefined ? rest : { ...rest, errors: errors.map((error) => toGraphqlError(error, reporting)) };
  let text: string | undefined;
  let bytes: Uint8Array | undefined;
  const stringify = (): string => (text ??= JSON.stringify(result));
  return { ...result, stringify, json: () => (bytes ??= Buffer.from(stringify())) };
}

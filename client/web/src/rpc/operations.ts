/** Work that takes longer than a call: waits for an operation and unpacks what it made. */
import {Messages, Operation, OperationMetadata} from "messages";
import {call, CallError, Code, knownType} from "web/rpc/call";
import {decode} from "web/rpc/wire";

export function metadataOf(operation: Operation): OperationMetadata|undefined {
  const any = operation.metadata;
  return any && knownType(any.type_url) === "traind.v1.OperationMetadata" ?
      decode("traind.v1.OperationMetadata", any.value) :
      undefined;
}

/** What the operation makes, of this type. Throws its error as a CallError. */
export async function finish<K extends keyof Messages>(
    operation: Operation, type: K, signal: AbortSignal,
    progress: (metadata: OperationMetadata) => void): Promise<Messages[K]> {
  while (!operation.done) {
    const metadata = metadataOf(operation);
    if (metadata) progress(metadata);
    operation = await call("OperationService/WaitOperation", {name: operation.name, timeout: {seconds: 1}}, {signal});
  }
  if (operation.error) throw new CallError(operation.error.code, operation.error.message);
  if (!operation.response || knownType(operation.response.type_url) !== type) {
    throw new CallError(Code.internal, "The operation made something that this page does not know.");
  }
  return decode(type, operation.response.value);
}

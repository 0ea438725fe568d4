// An agent that does, by the helper library, what each line on its standard input tells it; one line of JSON comes back
// for each. Type-checked against the library's own types.
import { createInterface } from "node:readline";
import { NotSigned, Refused, Request, Sidecar } from "@mandated/agent";
import type { Asked, Attached, Delegated } from "@mandated/agent";

type Order =
  | { do: "identity" | "receipts" }
  | { do: "take"; chain: string[] }
  | { do: "ask"; asked: Asked }
  | { do: "wait" }
  | { do: "delegate"; delegated: Delegated }
  | { do: "attach"; attached: Attached };

const sidecar = new Sidecar();
let request: Request | undefined;

async function carryOut(order: Order): Promise<unknown> {
  switch (order.do) {
    case "identity":
      return sidecar.identity();
    case "receipts":
      return sidecar.receipts();
    case "take":
      return sidecar.take(order.chain);
    case "ask":
      request = await sidecar.ask(order.asked);
      return { url: request.url };
    case "wait":
      return request?.wait(AbortSignal.timeout(20_000));
    case "delegate":
      return sidecar.delegate(order.delegated);
    case "attach":
      return sidecar.attach(order.attached);
  }
}

function told(error: unknown): object {
  if (error instanceof Refused) return { refused: error.code, sentence: error.message, argument: error.argument };
  if (error instanceof NotSigned) return { not_signed: error.status };
  return { failed: String(error) };
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await carryOut(JSON.parse(line) as Order).catch(told);
  console.log(JSON.stringify(answer));
}

/** Logging in and out. The token becomes a cookie that scripts cannot read; nothing of it stays in the page. */
import {CallError, Code} from "web/rpc/call";

async function post(path: string, body?: string): Promise<Response> {
  try {
    return await fetch(path, {
      method: "POST",
      credentials: "same-origin",
      cache: "no-store",
      body,
      headers: {"x-grpc-web": "1"},  // Which a page of another site cannot send.
    });
  } catch {
    throw new CallError(Code.unavailable, "There is no connection to the server now.");
  }
}

/** Throws a CallError where the token lets nobody in. */
export async function logIn(token: string): Promise<void> {
  const response = await post("/login", token);
  if (response.ok) return;
  const refused = response.status === 401 || response.status === 403;
  throw new CallError(
      refused ? Code.unauthenticated : Code.internal,
      refused ? "This token lets nobody in: it is mistyped, expired or revoked." :
                `The server answered ${response.status}.`);
}

export async function logOut(): Promise<void> { await post("/logout"); }

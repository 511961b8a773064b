/** What the agent uses of `inspector.Session`; the module is absent from a Node that was built without an inspector. */
export interface InspectorSession {
  connect(): void;
  disconnect(): void;
  post(method: string, parameters: object, done: (error: Error | null, result: unknown) => void): void;
  on(event: string, heard: (message: { readonly params: unknown }) => void): void;
}

export function post(session: InspectorSession, method: string, parameters: object = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    session.post(method, parameters, (error, result) => (error === null ? resolve(result) : reject(error)));
  });
}

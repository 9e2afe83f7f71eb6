/**
 * Performs actions together, in a later turn of the event loop, so that the client sends their messages in one packet. Ignores
 * errors: on a closed connection, there is nothing to send.
 */
export class Outbox {
  #actions: (() => void)[] = [];

  /** Adds an action. */
  add(action: () => void): void {
    if (this.#actions.push(action) === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const actions = this.#actions;
    this.#actions = [];
    for (const action of actions) {
      try {
        action();
      } catch {
        // The connection is closed.
      }
    }
  }
}

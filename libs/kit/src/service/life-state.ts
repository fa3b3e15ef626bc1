// How far a service is in its life. Only runService moves it, and only along the arrows below.
import { assert } from '@switchyard/base';

export enum LifeState {
  configuring = 'configuring',
  wiring = 'wiring',
  starting = 'starting',
  serving = 'serving',
  draining = 'draining',
  closing = 'closing',
  stopped = 'stopped',
}

const { configuring, wiring, starting, serving, draining, closing, stopped } = LifeState;

// A signal may come at any time, so every state before draining can go to closing.
const nextStates: Record<LifeState, readonly LifeState[]> = {
  [configuring]: [wiring, closing],
  [wiring]: [starting, closing],
  [starting]: [serving, closing],
  [serving]: [draining],
  [draining]: [closing],
  [closing]: [stopped],
  [stopped]: [],
};

export class Life {
  #state = LifeState.configuring;

  get state(): LifeState {
    return this.#state;
  }

  moveTo(state: LifeState): void {
    assert(nextStates[this.#state].includes(state), `a service cannot go from ${this.#state} to ${state}`);
    this.#state = state;
  }
}

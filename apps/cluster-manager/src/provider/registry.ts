// The providers by name. A new one is a folder beside local/ and a row here.
import { LocalProvider } from './local/local-provider.js';
import type { Provider, ProviderDeps, ProviderName } from './provider.js';

const providers: Record<ProviderName, (deps: ProviderDeps) => Provider> = {
  local: (deps) => new LocalProvider(deps),
  none: () => ({ start: async () => {}, stop: async () => {} }),
};

export function createProvider(name: ProviderName, deps: ProviderDeps): Provider {
  return providers[name](deps);
}

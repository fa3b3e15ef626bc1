// Bodies that answer GET /v1/models and /v1/models/{id}. Called by the router.

/** A model that is served. */
export interface ModelEntry {
  name: string;
  /** Unix time in seconds. */
  created: number;
  contextTokens: number;
}

export interface ModelBody {
  id: string;
  object: 'model';
  created: number;
  owned_by: string;
  /** Not OpenAI's: prompt and answer together, under the name that vLLM gave it. */
  max_model_len: number;
}

export interface ModelListBody {
  object: 'list';
  data: ModelBody[];
}

export function modelBody(entry: ModelEntry): ModelBody {
  return {
    id: entry.name,
    object: 'model',
    created: entry.created,
    owned_by: 'switchyard',
    max_model_len: entry.contextTokens,
  };
}

export function modelList(entries: readonly ModelEntry[]): ModelListBody {
  return { object: 'list', data: entries.map(modelBody) };
}

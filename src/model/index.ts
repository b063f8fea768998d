export { type ModelCard, readModelCard } from './card.ts';
export { createEngine, type Engine, type EngineOptions } from './engine.ts';
export { type EngineName, PROVIDERS, type Provider, type ProviderChoice } from './providers.ts';

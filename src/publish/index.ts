export {
  createHub,
  type Delivery,
  type Hub,
  type HubOptions,
  type HubStatistics,
  type SubscribeOptions,
} from './hub.ts';

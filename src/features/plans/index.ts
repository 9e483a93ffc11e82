export type { PlanView, SubscriptionView } from './schema.ts';

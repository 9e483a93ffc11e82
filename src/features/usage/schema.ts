import { Type } from '@sinclair/typebox';

const USED = Type.Object({
  used: Type.Integer({ minimum: 0 }),
  limit: Type.Union([Type.Integer({ minimum: 0 }), Type.Null()], { description: 'Null: unlimited' }),
});

export const USAGE = Type.Object({
  tenantId: Type.String(),
  period: Type.String({ description: 'The month of what is metered, `YYYY-MM`, UTC' }),
  metrics: Type.Object({
    members: USED,
    apiKeys: USED,
    invitations: USED,
    monthlyActiveUsers: USED,
    decisions: USED,
    messages: USED,
  }),
});
export const USAGE_QUERY = Type.Object({
  period: Type.Optional(Type.String({ pattern: '^20[0-9]{2}-(0[1-9]|1[0-2])$', description: 'Another month than this one' })),
});

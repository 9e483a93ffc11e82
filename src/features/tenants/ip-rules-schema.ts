import { type Static, Type } from '@sinclair/typebox';
import { PAGE_QUERY, pageSchema } from '../../http/paging.ts';
import { ID } from '../../http/route.ts';

const CIDR = Type.String({
  minLength: 2,
  maxLength: 64,
  description: 'An address, or a network like 192.0.2.0/24 or 2001:db8::/32; answered as the network it is',
});
const ACTION = Type.Union([Type.Literal('allow'), Type.Literal('deny')], {
  description: 'A deny wins. Where there are allow rules, only they let somebody in',
});
const DESCRIPTION = Type.String({ maxLength: 200 });

export const IP_RULE_INPUT = Type.Object({ cidr: CIDR, action: ACTION, description: Type.Optional(DESCRIPTION) });
export type IpRuleInput = Static<typeof IP_RULE_INPUT>;
export const IP_RULE_PATCH = Type.Object({
  cidr: Type.Optional(Type.Union([CIDR, Type.Null()])),
  action: Type.Optional(Type.Union([ACTION, Type.Null()])),
  description: Type.Optional(Type.Union([DESCRIPTION, Type.Null()])),
});
export const IP_RULE = Type.Object({
  id: Type.String(),
  cidr: CIDR,
  action: ACTION,
  description: Type.Union([DESCRIPTION, Type.Null()]),
  createdAt: Type.String({ format: 'date-time' }),
  updatedAt: Type.String({ format: 'date-time' }),
});
export type IpRuleView = Static<typeof IP_RULE>;
export const IP_RULE_PAGE = pageSchema(IP_RULE);
export const IP_RULE_QUERY = Type.Object({ ...PAGE_QUERY });
export const IP_RULE_PARAMS = Type.Object({ id: ID, ruleId: ID });

/** What kinds of values there are, how many at a time, and where they come from. */
export type AttributeType = 'string' | 'number' | 'boolean' | 'time' | 'date' | 'datetime' | 'ip';
export type Cardinality = 'one' | 'many';
export type AttributeSource = 'stored' | 'request' | 'server';

export type AttributeScalar = string | number | boolean;
export type AttributeValue = AttributeScalar | AttributeScalar[];
export type AttributeValues = Readonly<Record<string, AttributeValue>>;

/** What has attributes. A person's are kept with their membership, for the tenant that asks. */
export type AttributeEntity = 'user' | 'group' | 'tenant' | 'client' | 'resource';

/** What is known of the values at a path. */
export interface AttributeDefinition {
  /** With its prefix: `user.department`. */
  path: string;
  type: AttributeType;
  cardinality: Cardinality;
  source: AttributeSource;
}

/** A definition to be made: as the API takes it, and as templates have it. */
export interface NewDefinition {
  path: string;
  type: AttributeType;
  /** `one` where nothing is said. */
  cardinality?: Cardinality;
  /** Where nothing is said: `stored` for `user.` and `resource.`, else `request`. */
  source?: AttributeSource;
  attributeGroupId?: string | null;
  personalData?: boolean;
  description?: string | null;
}
